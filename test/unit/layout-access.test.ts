/**
 * Accessors of `mirrorspace/layout`: reading and writing fields in place, and what is refused.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
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
  offsetof,
  sizeof,
  struct,
  u8,
  u16,
  u32,
  u64,
  union,
} from '../../src/layout/index.ts';
import { BASE, memory, Node, out, wrong } from '../fixtures/layout-nodes.ts';

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
