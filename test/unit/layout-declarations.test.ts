/**
 * The declarations that `mirrorspace/layout` generates: compiled, and asked by programs for what accessors wrote.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  array,
  bits,
  bool,
  f32,
  f64,
  i16,
  i64,
  offsetof,
  pointer,
  pointer32,
  type Struct,
  sizeof,
  struct,
  toAssemblyScript,
  toC,
  toOpenCL,
  u8,
  u32,
  union,
} from '../../src/layout/index.ts';
import {
  checkC,
  flagsFor32Bits,
  openCLPrelude,
  runAssemblyScript,
  runC,
  without32Bits,
  withoutC,
} from '../fixtures/layout-compilers.ts';

const out = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

const Vec = struct('Vec', { x: f32, y: f32, z: f32 });
const Value = union('Value', { real: f64, whole: i64, small: Vec, raw: array(u8, 11), link: pointer(Vec) });
const Tree = struct('Tree', {
  get root() {
    return pointer(Node);
  },
  count: u32,
});
const Node = struct('Node', {
  value: f64,
  get left() {
    return pointer(Node);
  },
  tag: u32,
  owner: pointer(Tree),
  place: Vec,
  kind: bits(u32, 3),
  depth: bits(i16, 12),
  seen: bits(bool, 1),
  weights: array(f32, 5),
  grid: array(array(i16, 3), 2),
  get children() {
    return array(pointer(Node), 4);
  },
  rows: pointer(array(array(f64, 4), 2)),
  indirect: pointer(pointer(f64)),
  anything: pointer(),
  names: array(pointer32(Vec), 3),
  low: pointer32(u8),
  content: Value,
  path: array(Vec, 2),
  left_word: u8,
});

/** The offsets of all fields with one, in C. */
function offsets(type: Struct): [name: string, offset: number][] {
  return Object.keys(type.fields).flatMap((name) => {
    try {
      return [[name, offsetof(type, name as never)]];
    } catch {
      return [];
    }
  });
}

describe('in C', { skip: withoutC }, () => {
  test('a program finds what accessors wrote', () => {
    const bytes = new Uint8Array(sizeof(Node));
    const node = Node.in({ address: 4096, size: bytes.length, bytes }).at(4096);
    node.value = 2.5;
    node.left = 0x1234_5678_9ab0;
    node.tag = 7;
    node.place.z = -1;
    node.kind = 5;
    node.depth = -1234;
    node.seen = true;
    node.weights.set(4, 0.25);
    node.grid.get(1).set(0, -9);
    node.children.set(2, 64);
    node.low = 0xffff_fff0;
    node.content.whole = -5n;
    node.path.get(1).y = 3;
    const source = `${toC(Node)}
      #include <stdio.h>
      static const _Alignas(Node) unsigned char bytes[] = { ${bytes.join(', ')} };
      int main(void) {
        const Node *n = (const void *)bytes;
        printf("%g %p %u %g %u %d %d %g %d %p %x %lld %g\\n", n->value, (void *)n->left, n->tag, n->place.z,
          (unsigned)n->kind, n->depth, n->seen, n->weights[4], n->grid[1][0], (void *)n->children[2].pointer,
          (unsigned)n->low, (long long)n->content.whole, n->path[1].y);
        return 0;
      }`;
    assert.equal(runC(source).trim(), '2.5 0x123456789ab0 7 -1 5 -1234 1 0.25 -9 0x40 fffffff0 -5 3');
  });

  test('declarations compile, with every warning, and refuse to where the layout is another', () => {
    const source = toC(Node);
    checkC(source, ['-std=c11', '-pedantic']);
    assert.throws(
      () => checkC(`#pragma pack(1)\n${source}`),
      /static assertion failed.*sizeof\(union Value\)/,
    );
  });

  test('declarations compile where pointers have 4 bytes', { skip: without32Bits() }, () => {
    checkC(toC(Node), flagsFor32Bits);
  });
});

describe('in OpenCL C', { skip: withoutC }, () => {
  test('declarations, compiled as C with its type names, have the same offsets', () => {
    const asserts = [Node, Tree, Vec, Value].flatMap((type) =>
      offsets(type).map(
        ([name, offset]) => `_Static_assert(offsetof(${type.name}, ${name}) == ${offset}, "${name}");\n`,
      ),
    );
    assert.ok(asserts.length > 20);
    checkC(openCLPrelude + toOpenCL(Node) + asserts.join(''), [
      '-Wno-unused-function',
      '-Wno-unknown-pragmas',
    ]);
  });

  test('names that OpenCL C reserves are refused, and only there', () => {
    const Local = struct('Local', { kernel: u8 });
    assert.match(toC(Local), /uint8_t kernel;/);
    assert.throws(() => toOpenCL(Local), { ...out, message: /a field name of Local.*OpenCL C.*"kernel"/ });
    for (const name of ['uchar', 'float4', 'event_t', 'half', 'ulong16']) {
      assert.throws(() => toOpenCL(struct(name, { a: u8 })), out, name);
    }
  });
});

describe('in AssemblyScript', () => {
  test('a program finds what accessors wrote, follows pointers, and writes what accessors find', async () => {
    const { memory, exports } = await runAssemblyScript(`${toAssemblyScript(Node)}
      export function sum(p: usize): f64 {
        let total: f64 = 0;
        for (let node: Node | null = changetype<Node>(p); node; node = node.left) {
          total += node.value + node.place.z + node.weights[4] + node.grid[1][0] + node.depth;
          total += <f64>node.content.whole + node.path[1].y + (node.seen ? 1000 : 0);
          let child = node.children[2];
          if (child) total += child.tag;
          let owner = node.owner;
          if (owner) total += owner.count;
          let rows = node.rows;
          if (rows) total += rows[1][3];
        }
        return total;
      }
      export function write(p: usize): void {
        let node = changetype<Node>(p);
        node.left = node;
        node.children[3] = node;
        node.weights[1] = 1.5;
        node.grid[0][1] = -2;
        node.depth = -7;
        node.seen = true;
        node.place.y = 9;
        node.content.real = 0.5;
        node.names[1] = changetype<Vec>(77);
        node.low = 78;
        node.indirect = 79;
      }
      export function size(): usize { return offsetof<Node>(); }
      export function atTag(): usize { return offsetof<Node>('tag'); }
      export function atLeft(): usize { return offsetof<Node>('left$low'); }
      export function atLow(): usize { return offsetof<Node>('low'); }`);
    assert.equal(exports.size!(), sizeof(Node));
    assert.equal(exports.atTag!(), offsetof(Node, 'tag'));
    assert.equal(exports.atLeft!(), offsetof(Node, 'left'));
    assert.equal(exports.atLow!(), offsetof(Node, 'low'));

    const bytes = new Uint8Array(memory.buffer);
    const region = { address: 0, size: bytes.length, bytes };
    const [first, second, third] = [1024, 2048, 4096];
    const tree = Tree.in(region).at(8192);
    tree.count = 10_000;
    const rows = array(array(f64, 4), 2).in(region).at(9216);
    rows.get(1).set(3, 0.125);
    const node = Node.in(region).at(second);
    node.value = 1;
    node.move(third);
    node.tag = 100;
    node.move(first);
    node.value = 2.5;
    node.left = second;
    node.place.z = -1;
    node.weights.set(4, 0.25);
    node.grid.get(1).set(0, -9);
    node.depth = -1234;
    node.content.whole = -5n;
    node.path.get(1).y = 3;
    node.seen = true;
    node.children.set(2, third);
    node.owner = tree.address;
    node.rows = rows.address;
    const expected = 2.5 - 1 + 0.25 - 9 - 1234 - 5 + 3 + 1000 + 100 + 10_000 + 0.125 + 1;
    assert.equal(exports.sum!(first), expected);

    bytes.fill(0xff, first, first + sizeof(Node));
    exports.write!(first);
    assert.equal(node.left, first, 'the high half is cleared');
    assert.equal(node.children.get(3), first);
    assert.equal(node.weights.get(1), 1.5);
    assert.equal(node.grid.get(0).get(1), -2);
    assert.deepEqual([node.kind, node.depth, node.seen], [7, -7, true]);
    assert.equal(node.place.y, 9);
    assert.equal(node.content.real, 0.5);
    assert.deepEqual([node.names.get(1), node.low, node.indirect], [77, 78, 79]);
  });

  test('arrays of pointers of 4 and of 8 bytes are two classes', () => {
    const Both = struct('Both', { wide: array(pointer(Vec), 2), narrow: array(pointer32(Vec), 2) });
    const source = toAssemblyScript(Both);
    assert.match(source, /class Vec\$ptr\$2 /);
    assert.match(source, /class Vec\$ptr32\$2 /);
  });
});

describe('a set of declarations', () => {
  test('has what the types hold and point to, what is held before what holds it', () => {
    for (const print of [toC, toOpenCL]) {
      const order = [...print(Tree).matchAll(/^(?:struct|union) (\w+) \{/gm)].map(([, name]) => name);
      assert.deepEqual([...order].sort(), ['Node', 'Tree', 'Value', 'Vec']);
      assert.ok(order.indexOf('Vec') < order.indexOf('Value'));
      assert.ok(order.indexOf('Value') < order.indexOf('Node'));
    }
    assert.equal([...toAssemblyScript(Tree).matchAll(/^export class (Vec|Value|Node|Tree) /gm)].length, 4);
  });

  test('declares each type once, however often it is given', () => {
    assert.equal(toC(Vec, Vec, array(Vec, 3)), toC(Vec));
  });

  test('with two structs of one name is refused, also where one is only pointed to', () => {
    const Other = struct('Vec', { x: f32 });
    const Holder = struct('Holder', { other: pointer(Other), vec: Vec });
    for (const print of [toC, toOpenCL, toAssemblyScript]) {
      assert.throws(() => print(Vec, Other), { ...out, message: /different names.*"Vec"/ });
      assert.throws(() => print(Holder), out);
    }
  });

  test('of nothing, or of what is no type, is refused', () => {
    for (const print of [toC, toOpenCL, toAssemblyScript]) {
      assert.throws(() => print(), out);
      assert.throws(() => print(f64), out);
      assert.throws(() => print({} as never), { name: 'TypeError' });
    }
  });

  test('takes every field name that a struct takes', { skip: withoutC }, async () => {
    const words =
      'type from get set is keyof module namespace readonly f64 usize uint32_t Array length self of_ any';
    const fields = Object.fromEntries(words.split(' ').flatMap((name) => [[name, pointer()]]));
    const S = struct('S', { ...fields, other: bits(u8, 3) });
    checkC(toC(S));
    await runAssemblyScript(`${toAssemblyScript(S)}
      export function f(p: usize): usize {
        let s = changetype<S>(p);
        ${words
          .split(' ')
          .map((name) => `s.${name} = s.${name} + 1;`)
          .join('\n')}
        return s.type;
      }`);
  });
});
