/**
 * `mirrorspace/layout`: what a struct may be called and contain, and where its fields then lie.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  alignof,
  array,
  bits,
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  offsetof,
  pointer,
  pointer32,
  sizeof,
  struct,
  toC,
  u8,
  u16,
  u32,
  u64,
  union,
} from '../../src/layout/index.ts';

const out = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const wrong = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };

describe('a layout', () => {
  test('has the padding that C puts between fields and at the end', () => {
    //  a . . . b b b b c . d d . . . .  e e e e e e e e
    const Padded = struct('Padded', { a: u8, b: u32, c: i8, d: u16, e: f64 });
    assert.deepEqual(
      (['a', 'b', 'c', 'd', 'e'] as const).map((field) => offsetof(Padded, field)),
      [0, 4, 8, 10, 16],
    );
    assert.equal(sizeof(Padded), 24);
    assert.equal(alignof(Padded), 8);
    assert.equal(sizeof(struct('Tail', { a: u32, b: u8 })), 8);
  });

  test('of a pointer is eight bytes, or four by pointer32', () => {
    const Both = struct('Both', { a: pointer32(f64), b: pointer(f64), c: pointer32() });
    assert.equal(offsetof(Both, 'b'), 8);
    assert.equal(offsetof(Both, 'c'), 16);
    assert.equal(sizeof(Both), 24);
  });

  test('aligns arrays and nested structs as their elements and fields', () => {
    const Point = struct('Point', { x: f32, y: f32 });
    const Shape = struct('Shape', {
      kind: u8,
      points: array(Point, 3),
      name: array(array(u8, 3), 2),
      weight: f64,
    });
    assert.equal(offsetof(Shape, 'points'), 4);
    assert.equal(offsetof(Shape, 'name'), 28);
    assert.equal(offsetof(Shape, 'weight'), 40);
    assert.equal(alignof(array(Point, 7)), 4);
    assert.equal(sizeof(array(Point, 7)), 56);
  });

  test('of a union begins all fields at 0 and is as long as the longest, padded', () => {
    const Either = union('Either', { bytes: array(u8, 9), word: u32 });
    assert.equal(offsetof(Either, 'word'), 0);
    assert.equal(sizeof(Either), 12);
  });

  test('packs bit-fields into the unit of their type, and never across two', () => {
    // 3 + 5 bits share the first byte; 30 bits do not fit beside them; the u8 comes in the byte after
    const Flags = struct('Flags', {
      a: bits(u32, 3),
      b: bits(u32, 5),
      c: bits(i32, 30),
      d: bits(bool, 1),
      e: u8,
    });
    assert.equal(offsetof(Flags, 'e'), 8);
    assert.equal(sizeof(Flags), 12);
    assert.equal(sizeof(struct('Beside', { a: u8, b: bits(u32, 24) })), 4);
    assert.equal(sizeof(struct('After', { a: u8, b: bits(u32, 25) })), 8);
    assert.equal(sizeof(struct('Wide', { a: bits(u64, 40), b: bits(u64, 24), c: bits(u64, 1) })), 16);
  });

  test('is the same for structs that are the same but for their names', () => {
    const [A, B] = [struct('A', { x: i16 }), struct('B', { x: i16 })];
    assert.notEqual(A as object, B as object);
    assert.equal(sizeof(A), sizeof(B));
  });
});

describe('a struct that names itself', () => {
  test('by a pointer is laid out', () => {
    const Node = struct('Node', {
      value: f64,
      get left() {
        return pointer(Node);
      },
      tag: u32,
    });
    assert.equal(offsetof(Node, 'left'), 8);
    assert.equal(sizeof(Node), 24);
  });

  test('by a pointer in another struct, which names it, is laid out', () => {
    const Tree = struct('Tree', {
      get root() {
        return pointer(Leaf);
      },
      size: u32,
    });
    const Leaf = struct('Leaf', {
      get owner() {
        return pointer(Tree);
      },
      get others() {
        return array(pointer(Leaf), 2);
      },
    });
    assert.equal(sizeof(Tree), 16);
    assert.equal(sizeof(Leaf), 24);
  });

  test('by value is refused with the fields that lead back to it', () => {
    const Self = struct('Self', {
      get inner(): typeof Self {
        return Self;
      },
    });
    assert.throws(() => sizeof(Self), { ...out, message: /Self\.inner.*pointer.*\(Self\.inner -> Self\)/ });
    const A = struct('A', {
      x: u8,
      get b() {
        return array(B, 2);
      },
    });
    const B = struct('B', {
      get u() {
        return C;
      },
    });
    const C = union('C', {
      get a(): typeof A {
        return A;
      },
    });
    assert.throws(() => offsetof(A, 'b'), { ...out, message: /A\.b -> B\.u -> C\.a -> A/ });
    assert.throws(() => toC(B), { ...out, message: /B\.u -> C\.a -> A\.b -> B/ });
  });

  test('before it is declared says what to do', () => {
    const Early = struct('Early', {
      get later() {
        return pointer(Later);
      },
    });
    assert.throws(() => sizeof(Early), { ...wrong, message: /Early\.later.*declared by now/ });
    const Later = struct('Later', { x: u8 });
    assert.equal(sizeof(Early), 8);
  });
});

describe('refused when the struct is made', () => {
  test('are names that C, AssemblyScript or JavaScript do not take, with the name', () => {
    for (const name of [
      '',
      '1st',
      'a-b',
      'a b',
      'é',
      'a$',
      '__proto__',
      '_Bool',
      'int',
      'restrict',
      'class',
      'static',
    ]) {
      assert.throws(
        () => struct('S', Object.fromEntries([[name, u8]])),
        (error: Error) => error instanceof RangeError && error.message.includes(JSON.stringify(name)),
        name,
      );
      assert.throws(() => struct(name, { a: u8 }), out, name);
    }
    for (const name of ['uint32_t', 'f64', 'usize', 'type'])
      assert.throws(() => struct(name, { a: u8 }), out);
    assert.equal(sizeof(struct('S', { type: u8, f64: u8, from: u8 })), 3);
  });

  test('are field names that accessors have themselves', () => {
    for (const name of ['address', 'move', 'toJSON', 'constructor']) {
      assert.throws(() => struct('S', { [name]: u8 }), { ...out, message: /accessors do not use/ });
    }
  });

  test('are names and fields of the wrong kind', () => {
    assert.throws(() => struct(5 as never, { a: u8 }), wrong);
    assert.throws(() => struct('S', null as never), wrong);
    assert.throws(() => struct('S', { [Symbol('a')]: u8 }), wrong);
    assert.throws(() => struct('S', { a: 5 }), { ...wrong, message: /S\.a/ });
    assert.throws(() => struct('S', { a: { kind: 'scalar', name: 'u8', size: 1 } }), wrong);
    const Lazy = struct('Lazy', {
      get a() {
        return 5;
      },
    });
    assert.throws(() => sizeof(Lazy), { ...wrong, message: /Lazy\.a/ });
  });

  test('are structs and unions without fields', () => {
    assert.throws(() => struct('S', {}), { ...out, message: /fields of S/ });
    assert.throws(() => union('U', {}), out);
  });

  test('are arrays without elements, or of bit-fields', () => {
    for (const length of [0, -1, 1.5, Number.NaN, 2 ** 60]) assert.throws(() => array(u8, length), out);
    assert.throws(() => array(u8, '3' as never), wrong);
    assert.throws(() => array(bits(u8, 1) as never, 3), wrong);
    assert.throws(() => array(8 as never, 3), wrong);
    assert.throws(() => sizeof(array(array(u64, 2 ** 40), 2 ** 10)), out);
  });

  test('are bit widths that are none, or wider than the type', () => {
    for (const width of [0, -1, 33, 1.5]) assert.throws(() => bits(u32, width), out);
    assert.throws(() => bits(bool, 2), out);
    assert.throws(() => bits(f32, 2), wrong);
    assert.throws(() => bits(u32, '1' as never), wrong);
    assert.throws(() => bits(pointer() as never, 2), wrong);
  });

  test('are pointers to what is no type or has no address', () => {
    assert.throws(() => pointer('Node' as never), wrong);
    assert.throws(() => pointer(null as never), wrong);
    assert.throws(() => pointer32(bits(u8, 2)), wrong);
  });
});

test('sizeof, alignof and offsetof refuse what has none', () => {
  const Flags = struct('Flags', { a: bits(u8, 2), b: u8 });
  assert.throws(() => sizeof(bits(u8, 2)), wrong);
  assert.throws(() => alignof({} as never), wrong);
  assert.throws(() => offsetof(Flags, 'a'), { ...wrong, message: /bit-field/ });
  assert.throws(() => offsetof(Flags, 'c' as never), { ...out, message: /a field of Flags/ });
  assert.throws(() => offsetof(u8 as never, 'c' as never), wrong);
});

test('types are frozen, and so are the fields of a struct', () => {
  const given = { a: u8 as unknown };
  const S = struct('S', given);
  given.a = f64;
  assert.equal(sizeof(S), 1);
  assert.ok(Object.isFrozen(S) && Object.isFrozen(S.fields) && Object.isFrozen(u8));
});
