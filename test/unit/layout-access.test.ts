/**
 * Accessors of `mirrorspace/layout`: reading and writing in place, moving, and what is refused.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { StateError } from '../../src/errors.ts';
import {
  array,
  bits,
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  type LayoutMemory,
  offsetof,
  pointer,
  pointer32,
  sizeof,
  struct,
  u8,
  u16,
  u32,
  u64,
  union,
} from '../../src/layout/index.ts';

const out = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const wrong = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const BASE = 0x7e00_0000_0000;

const Vec = struct('Vec', { x: f32, y: f32 });
const Node = struct('Node', {
  value: f64,
  get left() {
    return pointer(Node);
  },
  tag: u32,
  place: Vec,
  weights: array(f32, 4),
  get children() {
    return array(pointer(Node), 2);
  },
  path: array(Vec, 3),
  grid: array(array(i16, 3), 2),
  low: pointer32(),
});

function memory(size = 4096, address = BASE): LayoutMemory & { bytes: Uint8Array } {
  return { address, size, bytes: new Uint8Array(size) };
}

describe('an accessor', () => {
  test('reads and writes fields where C has them, little endian', () => {
    const m = memory();
    const node = Node.in(m).at(BASE + 256);
    node.value = 1.5;
    node.left = 0x1234_5678_9abc;
    node.tag = 0xdeadbeef;
    const view = new DataView(m.bytes.buffer, 256);
    assert.equal(view.getFloat64(offsetof(Node, 'value'), true), 1.5);
    assert.equal(view.getBigUint64(offsetof(Node, 'left'), true), 0x1234_5678_9abcn);
    assert.equal(view.getUint32(offsetof(Node, 'tag'), true), 0xdeadbeef);
    assert.deepEqual([node.value, node.left, node.tag], [1.5, 0x1234_5678_9abc, 0xdeadbeef]);
  });

  test('follows a list that was built from addresses', () => {
    const nodes = Node.in(memory(64 * sizeof(Node)));
    const node = nodes.at(BASE);
    for (let i = 0; i < 64; i++) {
      node.move(BASE + i * sizeof(Node));
      node.value = i;
      node.left = i < 63 ? BASE + (i + 1) * sizeof(Node) : 0;
    }
    let sum = 0;
    for (let at = BASE; at !== 0; at = node.left) {
      node.move(at);
      sum += node.value;
    }
    assert.equal(sum, (63 * 64) / 2);
  });

  test('of each integer type takes its least and greatest value, and no other', () => {
    const All = struct('All', { i8, i16, i32, u8, u16, u32 });
    const all = All.in(memory()).at(BASE) as unknown as Record<string, number>;
    for (const width of [8, 16, 32]) {
      for (const [name, least, most] of [
        [`i${width}`, -(2 ** (width - 1)), 2 ** (width - 1) - 1],
        [`u${width}`, 0, 2 ** width - 1],
      ] as const) {
        for (const value of [least, most]) {
          all[name] = value;
          assert.equal(all[name], value, name);
        }
        for (const value of [least - 1, most + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
          assert.throws(
            () => {
              all[name] = value;
            },
            { ...out, message: new RegExp(`All\\.${name}`) },
          );
        }
        for (const value of ['1', 1n, true, null, undefined, {}]) {
          assert.throws(() => {
            all[name] = value as number;
          }, wrong);
        }
        assert.equal(all[name], most, 'what was refused changed nothing');
      }
    }
  });

  test('of i64 and u64 takes bigints only', () => {
    const Wide = struct('Wide', { a: i64, b: u64 });
    const wide = Wide.in(memory()).at(BASE);
    wide.a = -(2n ** 63n);
    wide.b = 2n ** 64n - 1n;
    assert.deepEqual([wide.a, wide.b], [-(2n ** 63n), 2n ** 64n - 1n]);
    assert.throws(() => {
      wide.a = 1 as never;
    }, wrong);
    for (const refused of [2n ** 63n, -(2n ** 63n) - 1n]) {
      assert.throws(() => {
        wide.a = refused;
      }, out);
    }
    assert.throws(() => {
      wide.b = -1n;
    }, out);
  });

  test('of f32 rounds, of f64 keeps, and both take NaN and infinities', () => {
    const Floats = struct('Floats', { a: f32, b: f64 });
    const floats = Floats.in(memory()).at(BASE);
    floats.a = 0.1;
    assert.equal(floats.a, Math.fround(0.1));
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY, -0]) {
      floats.a = value;
      floats.b = value;
      assert.deepEqual([floats.a, floats.b], [value, value]);
    }
    assert.throws(() => {
      floats.b = 1n as never;
    }, wrong);
  });

  test('of bool takes booleans only, and reads any byte but 0 as true', () => {
    const m = memory();
    const flag = struct('Flag', { on: bool, bit: bits(bool, 1) })
      .in(m)
      .at(BASE);
    flag.on = true;
    flag.bit = true;
    assert.deepEqual([...m.bytes.subarray(0, 2)], [1, 1]);
    m.bytes[0] = 7;
    assert.equal(flag.on, true);
    for (const field of ['on', 'bit'] as const) {
      assert.throws(() => {
        flag[field] = 1 as never;
      }, wrong);
    }
  });

  test('of bit-fields refuses what does not fit, and keeps the bits beside', () => {
    const Flags = struct('Flags', { a: bits(u32, 3), b: bits(i32, 7), c: bits(u64, 20), d: u32 });
    const m = memory();
    m.bytes.fill(0xff);
    const flags = Flags.in(m).at(BASE);
    flags.b = -64;
    assert.deepEqual([flags.a, flags.b, flags.c, flags.d], [7, -64, 0xfffffn, 0xffffffff]);
    for (const value of [8, -1, 1.5, Number.NaN]) {
      assert.throws(
        () => {
          flags.a = value;
        },
        { ...out, message: /Flags\.a.*0 to 7 \(3 bits\)/ },
      );
    }
    assert.throws(() => {
      flags.c = 2n ** 20n;
    }, out);
    assert.throws(() => {
      flags.c = 1 as never;
    }, wrong);
  });
});

describe('a pointer', () => {
  test('takes addresses up to 2^53 - 1 and nothing else', () => {
    const node = Node.in(memory()).at(BASE);
    for (const value of [0, 1, 2 ** 32, 2 ** 47 + 8, Number.MAX_SAFE_INTEGER]) {
      node.left = value;
      assert.equal(node.left, value);
    }
    for (const value of [-1, 0.5, 2 ** 53, 2 ** 32 + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(
        () => {
          node.left = value;
        },
        { ...out, message: /Node\.left/ },
      );
    }
    assert.throws(() => {
      node.left = 8n as never;
    }, wrong);
    assert.equal(node.left, Number.MAX_SAFE_INTEGER);
  });

  test('that a number cannot hold is refused when read, and shown by toJSON', () => {
    const m = memory();
    const node = Node.in(m).at(BASE);
    new DataView(m.bytes.buffer).setBigUint64(offsetof(Node, 'left'), 2n ** 63n + 1n, true);
    assert.throws(() => node.left, { ...out, message: /Node\.left.*below 2\^53.*9223372036854775809n/ });
    assert.equal((node.toJSON() as { left: string }).left, '0x8000000000000001');
  });

  test('of 32 bits refuses an address of 2^32 and above, with the remedy', () => {
    const node = Node.in(memory()).at(BASE);
    node.low = 2 ** 32 - 1;
    assert.equal(node.low, 2 ** 32 - 1);
    assert.throws(
      () => {
        node.low = 2 ** 32;
      },
      { ...out, message: /Node\.low.*pointer\(\).*place/ },
    );
  });
});

describe('a place', () => {
  test('outside of the memory is refused, naming type, address and memory', () => {
    const m = memory(2 * sizeof(Node));
    const nodes = Node.in(m);
    const node = nodes.at(BASE);
    const message = /address of Node.*memory \[0x7e0000000000, 0x7e00000000d0\)/;
    assert.equal(sizeof(Node), 104);
    for (const address of [BASE - 8, BASE + m.size - sizeof(Node) + 8, BASE + m.size, 0, -8, 2 ** 53]) {
      assert.throws(() => nodes.at(address), { ...out, message });
      assert.throws(() => node.move(address), { ...out, message });
    }
    assert.throws(() => nodes.at(0), /it is null/);
    assert.equal(node.address, BASE, 'it stays where it was');
    assert.equal(nodes.at(BASE + sizeof(Node)).address, BASE + sizeof(Node));
  });

  test('that is not aligned is refused, and so is what is no integer', () => {
    const nodes = Node.in(memory());
    for (const offset of [1, 4]) {
      assert.throws(() => nodes.at(BASE + offset), { ...out, message: /multiple of 8/ });
    }
    for (const address of [BASE + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => nodes.at(address), out);
    }
    for (const address of [BigInt(BASE), String(BASE), undefined, null, {}]) {
      assert.throws(() => nodes.at(address as never), wrong);
    }
  });

  test('is judged by its address, wherever the bytes lie in their ArrayBuffer', () => {
    const bytes = new Uint8Array(new ArrayBuffer(1024), 3, 512);
    const node = Node.in({ address: 4096, size: 512, bytes }).at(4096 + 128);
    node.value = 2.5;
    assert.equal(new DataView(bytes.buffer, 3).getFloat64(128, true), 2.5);
  });

  test('in a memory smaller than the type is refused', () => {
    assert.throws(() => Node.in(memory(16)).at(BASE), out);
    assert.throws(() => array(u8, 32).in(memory(16)).at(BASE), out);
    assert.throws(() => Node.in(memory(0)).at(BASE), out);
  });
});

describe('parts', () => {
  test('of a struct are accessors made once, that follow where it moves', () => {
    const node = Node.in(memory()).at(BASE);
    const { place } = node;
    place.x = 1;
    node.move(BASE + 256);
    assert.equal(node.place, place);
    assert.equal(node.place.x, 0);
    assert.equal(place.address, BASE + 256 + offsetof(Node, 'place'));
  });

  test('are assigned by copying their bytes, also within one struct', () => {
    const nodes = Node.in(memory());
    const [a, b] = [nodes.at(BASE), nodes.at(BASE + 256)];
    a.place.x = 1;
    a.place.y = 2;
    b.place = a.place;
    assert.deepEqual(b.place.toJSON(), { x: 1, y: 2 });
    b.path.set(2, b.place);
    assert.deepEqual(b.path.get(2).toJSON(), { x: 1, y: 2 });
    b.path.get(2).x = 7;
    b.path.set(0, b.path.get(2));
    assert.deepEqual(b.path.toJSON(), [
      { x: 7, y: 2 },
      { x: 0, y: 0 },
      { x: 7, y: 2 },
    ]);
    a.path = b.path;
    assert.equal(a.path.get(0).x, 7);
  });

  test('refuse an accessor of another type, and what is none', () => {
    const Same = struct('Vec', { x: f32, y: f32 });
    const node = Node.in(memory()).at(BASE);
    for (const value of [Same.in(memory()).at(BASE), { x: 1, y: 2 }, 5, null]) {
      assert.throws(
        () => {
          node.place = value as never;
        },
        { ...wrong, message: /Node\.place/ },
      );
      assert.throws(() => node.path.set(0, value as never), wrong);
    }
  });

  test('of arrays are read and written by index, in any number of dimensions', () => {
    const node = Node.in(memory()).at(BASE);
    node.weights.set(3, 0.5);
    node.children.set(1, BASE);
    node.grid.get(1).set(2, -3);
    assert.deepEqual([...node.weights], [0, 0, 0, 0.5]);
    assert.deepEqual([...node.children], [0, BASE]);
    assert.deepEqual(node.grid.toJSON(), [
      [0, 0, 0],
      [0, 0, -3],
    ]);
    assert.deepEqual([node.weights.length, node.grid.length, node.grid.get(0).length], [4, 2, 3]);
  });

  test('of arrays refuse an index outside, and an element that does not fit', () => {
    const node = Node.in(memory()).at(BASE);
    for (const index of [-1, 4, Number.POSITIVE_INFINITY, 2 ** 32]) {
      assert.throws(() => node.weights.get(index), { ...out, message: /index of array\(f32, 4\)/ });
      assert.throws(() => node.weights.set(index, 1), out);
      assert.throws(() => node.path.get(index), { ...out, message: /index of array\(Vec, 3\).*0 to 2/ });
    }
    assert.throws(() => node.weights.get(1n as never), wrong);
    assert.throws(() => node.children.set(0, -1), {
      ...out,
      message: /element of array\(pointer\(Node\), 2\)/,
    });
    assert.throws(() => node.grid.get(0).set(0, '1' as never), wrong);
  });

  test('of arrays refuse an index that is no number, and change nothing', () => {
    const node = Node.in(memory()).at(BASE);
    node.weights.set(0, 5);
    node.path.get(0).x = 6;
    const before = JSON.stringify(node);
    const other = node.path.get(2);
    for (const index of [undefined, null, {}, [], [1], '1', '', true, 1n, Symbol('1')] as never[]) {
      const refused = { ...wrong, message: /index of array/ };
      assert.throws(() => node.weights.get(index), refused);
      assert.throws(() => node.weights.set(index, 1), refused);
      assert.throws(() => node.path.get(index), refused);
      assert.throws(() => node.path.set(index, other), refused);
    }
    assert.throws(() => node.weights.get(Number.NaN), { ...out, message: /index of array/ });
    assert.throws(() => node.weights.set(Number.NaN, 1), out);
    assert.throws(() => node.path.get(Number.NaN), out);
    assert.throws(() => node.path.set(Number.NaN, other), out);
    assert.equal(JSON.stringify(node), before);
  });

  test('of arrays cut off the fraction of an index, as Array.prototype.at does', () => {
    const node = Node.in(memory()).at(BASE);
    node.weights.set(1.9, 5);
    assert.deepEqual([node.weights.get(1), node.weights.get(1.5)], [5, 5]);
    assert.equal(node.path.get(2.7).address, node.path.get(2).address);
  });

  test('of an array in a memory of its own are found by index', () => {
    const m = memory(1000 * sizeof(Node));
    const all = array(Node, 1000).in(m).at(BASE);
    for (let i = 0; i < 1000; i++) all.get(i).tag = i;
    assert.equal(all.get(999).address, BASE + 999 * sizeof(Node));
    assert.equal(Node.in(m).at(BASE + 500 * sizeof(Node)).tag, 500);
    let sum = 0;
    for (const each of all) sum += each.tag;
    assert.equal(sum, (999 * 1000) / 2);
  });
});

test('fields of a union are the same bytes', () => {
  const Word = union('Word', { real: f32, word: u32, bytes: array(u8, 4), low: bits(u32, 4) });
  const word = Word.in(memory()).at(BASE);
  word.real = 1;
  assert.equal(word.word, 0x3f80_0000);
  assert.deepEqual([...word.bytes], [0, 0, 0x80, 0x3f]);
  word.low = 5;
  assert.equal(word.word, 0x3f80_0005);
});

test('toJSON and console.log show the fields, and the address is no field', () => {
  const node = Node.in(memory()).at(BASE);
  node.left = BASE;
  assert.deepEqual(JSON.parse(JSON.stringify(node)), {
    value: 0,
    left: '0x7e0000000000',
    tag: 0,
    place: { x: 0, y: 0 },
    weights: [0, 0, 0, 0],
    children: ['0x0', '0x0'],
    path: [
      { x: 0, y: 0 },
      { x: 0, y: 0 },
      { x: 0, y: 0 },
    ],
    grid: [
      [0, 0, 0],
      [0, 0, 0],
    ],
    low: '0x0',
  });
  assert.match(inspect(node), /left: '0x7e0000000000'/);
  const Wide = struct('Wide', { a: u64 });
  const wide = Wide.in(memory()).at(BASE);
  wide.a = 2n ** 60n;
  assert.deepEqual(wide.toJSON(), { a: '1152921504606846976' });
});

describe('memory that is gone', () => {
  const state = { name: 'StateError', code: 'ERR_MIRROR_STATE', state: 'freed' };

  test('is a StateError at once where bytes throws, with its own error as the cause', () => {
    let freed: Error | undefined;
    const bytes = new Uint8Array(4096);
    const m: LayoutMemory = {
      address: BASE,
      size: 4096,
      get bytes() {
        if (freed) throw freed;
        return bytes;
      },
    };
    const nodes = Node.in(m);
    freed = new StateError('freed', "buffer 'tree' was freed");
    assert.throws(() => nodes.at(BASE), freed);
    assert.throws(() => Node.in(m), freed);
    freed = new TypeError('no longer');
    assert.throws(() => nodes.at(BASE), { ...state, cause: freed });
  });

  test('is a StateError at each access once its ArrayBuffer is detached', () => {
    const m = memory();
    const nodes = Node.in(m);
    const [node, other] = [nodes.at(BASE), nodes.at(BASE)];
    const { weights, path, place } = node;
    structuredClone(m.bytes.buffer, { transfer: [m.bytes.buffer as ArrayBuffer] });
    for (const access of [
      () => nodes.at(BASE),
      () => node.value,
      () => node.left,
      () => {
        node.tag = 1;
      },
      () => weights.get(0),
      () => weights.set(0, 1),
      () => path.get(0),
      () => place.x,
      () => {
        other.place = place;
      },
      () => node.toJSON(),
      () => weights.toJSON(),
    ]) {
      assert.throws(access, { ...state, message: /0x7e0000000000-0x7e0000001000/ }, String(access));
    }
    assert.match(inspect(node), /freed/);
  });

  test('may come back: at looks for new bytes each time, as of a WebAssembly memory that grew', () => {
    let buffer = new ArrayBuffer(4096);
    const m: LayoutMemory = {
      address: 0,
      size: 4096,
      get bytes() {
        return new Uint8Array(buffer);
      },
    };
    const nodes = Node.in(m);
    const before = nodes.at(256);
    before.value = 3;
    buffer = structuredClone(buffer, { transfer: [buffer] });
    assert.throws(() => before.value, state);
    assert.equal(nodes.at(256).value, 3);
  });
});

test('what is no memory is refused', () => {
  const good = memory();
  for (const bad of [
    null,
    5,
    {},
    { ...good, address: '1' },
    { ...good, size: 4096n },
    { ...good, bytes: new Uint16Array(2048) },
    { ...good, bytes: [] },
    { ...good, bytes: undefined },
  ]) {
    assert.throws(() => Node.in(bad as never), wrong);
  }
  for (const bad of [
    { ...good, address: -1 },
    { ...good, address: 2 ** 53 },
    { ...good, size: 2 ** 32 + 1 },
    { ...good, size: 0.5 },
  ]) {
    assert.throws(() => Node.in(bad), out);
  }
});

test('fewer bytes than the memory claims to have are what counts', () => {
  const nodes = struct('Pair', { a: u32, b: u32 }).in({ address: 0, size: 64, bytes: new Uint8Array(8) });
  assert.equal(nodes.at(0).b, 0);
  assert.throws(() => nodes.at(8), out);
});
