/**
 * Accessors of random structs against a shadow: bytes in which an oracle finds each field bit by bit.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { f64, type LayoutMemory, type Struct, sizeof, struct, u16 } from '../../src/layout/index.ts';
import {
  type Bits,
  Builder,
  type Description,
  isValue,
  oracle,
  type StructDescription,
  structs,
  valuesOf,
  widthOf,
} from './layout-random.ts';

type Value = number | bigint | boolean;
type Node = Record<string, Value> & { move(address: number): void };

const COUNT = 8;
const ADDRESS = 0x7e00_0000_0040;

/** A struct, and writes of its fields at one of several places. */
const histories = structs
  .filter(({ fields }) => fields.some(isValue))
  .chain((description) => {
    const places = description.fields.flatMap((field, index) => (isValue(field) ? [index] : []));
    const write = fc.constantFrom(...places).chain((field) =>
      fc.record({
        at: fc.nat({ max: COUNT - 1 }),
        field: fc.constant(field),
        value: valuesOf(description.fields[field]!),
      }),
    );
    return fc.tuple(fc.constant(description), fc.array(write, { maxLength: 40 }));
  });

function memoryFor(type: Struct, fill: number): LayoutMemory {
  const bytes = new Uint8Array(COUNT * sizeof(type)).fill(fill);
  return { address: ADDRESS, size: bytes.length, bytes };
}

test('what accessors write is, bit by bit, what a shadow has, and nothing beside it changes', () => {
  fc.assert(
    fc.property(histories, fc.constantFrom(0, 255), ([description, writes], fill) => {
      const type = new Builder().build(description);
      const memory = memoryFor(type, fill);
      const shadow = memory.bytes.slice();
      const node = type.in(memory).at(ADDRESS) as unknown as Node;
      const { fields } = oracle(description);
      for (const { at, field, value } of writes) {
        node.move(ADDRESS + at * sizeof(type));
        node[`f${field}`] = value;
        const place = { ...fields[field]!, start: fields[field]!.start + at * sizeof(type) * 8 };
        setBits(shadow, place, encode(description.fields[field]!, value));
        assert.deepEqual(memory.bytes, shadow);
      }
    }),
  );
});

test('what accessors read is what a shadow has, in bytes of any value', () => {
  const bytesOf = (description: StructDescription) => {
    const { size } = oracle(description);
    return fc.uint8Array({ minLength: size, maxLength: size });
  };
  const cases = structs.chain((description) => fc.tuple(fc.constant(description), bytesOf(description)));
  fc.assert(
    fc.property(cases, ([description, bytes]) => {
      const type = new Builder().build(description);
      const node = type.in({ address: ADDRESS, size: bytes.length, bytes }).at(ADDRESS) as unknown as Node;
      oracle(description).fields.forEach((place, index) => {
        const field = description.fields[index]!;
        if (!isValue(field)) return;
        const expected = decode(field, getBits(bytes, place));
        if (expected === undefined) assert.throws(() => node[`f${index}`], RangeError);
        else assert.deepEqual(node[`f${index}`], expected);
      });
    }),
  );
});

test('an accessor moves to every address where its type fits, and to no other, as an oracle says', () => {
  const type = struct('Two', { first: f64, second: u16 });
  const size = sizeof(type);
  const origins = fc
    .oneof(fc.nat({ max: 64 }), fc.constantFrom(2 ** 31, 2 ** 32, ADDRESS, 2 ** 47))
    .chain((base) => fc.nat({ max: 15 }).map((more) => base + more));
  const cases = fc.tuple(
    origins,
    fc.nat({ max: 200 }),
    fc.array(
      fc.oneof(
        fc.integer({ min: -40, max: 240 }),
        fc.constantFrom(2 ** 31, 2 ** 32, -(2 ** 31), 2 ** 32 + 8, 0.5),
      ),
    ),
  );
  fc.assert(
    fc.property(cases, ([address, length, offsets]) => {
      const at = Math.ceil(address / 8) * 8;
      const bytes = new Uint8Array(Math.max(length, at + size - address));
      const node = type.in({ address, size: bytes.length, bytes }).at(at);
      let place = at;
      for (const offset of offsets) {
        const to = address + offset;
        const inside = to >= address && to + size <= address + bytes.length && to % 8 === 0;
        if (inside) node.move(to);
        else assert.throws(() => node.move(to), RangeError);
        if (inside) place = to;
        assert.equal(node.address, place);
      }
    }),
  );
});

test('toJSON gives something that JSON takes, whatever the bytes are', () => {
  const cases = structs.chain((description) =>
    fc.tuple(fc.constant(description), fc.infiniteStream(fc.nat({ max: 255 }))),
  );
  fc.assert(
    fc.property(cases, ([description, stream]) => {
      const type = new Builder().build(description);
      const bytes = Uint8Array.from({ length: sizeof(type) }, () => stream.next().value as number);
      const node = type.in({ address: ADDRESS, size: bytes.length, bytes }).at(ADDRESS);
      const names = description.fields.map((_, index) => `f${index}`);
      assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(node))), names);
    }),
  );
});

function setBits(bytes: Uint8Array, { start, width }: Bits, value: bigint): void {
  for (let i = 0; i < width; i++) {
    const byte = (start + i) >> 3;
    const mask = 1 << ((start + i) & 7);
    bytes[byte] = (value >> BigInt(i)) & 1n ? bytes[byte]! | mask : bytes[byte]! & ~mask;
  }
}

function getBits(bytes: Uint8Array, { start, width }: Bits): bigint {
  let value = 0n;
  for (let i = width - 1; i >= 0; i--) {
    value = (value << 1n) | BigInt((bytes[(start + i) >> 3]! >> ((start + i) & 7)) & 1);
  }
  return value;
}

function encode(field: Description, value: Value): bigint {
  if (field.kind === 'scalar' && field.name === 'f64') {
    return new BigUint64Array(new Float64Array([value as number]).buffer)[0]!;
  }
  if (field.kind === 'scalar' && field.name === 'f32') {
    return BigInt(new Uint32Array(new Float32Array([value as number]).buffer)[0]!);
  }
  return BigInt(value);
}

/** Undefined for a pointer that a number cannot hold. */
function decode(field: Description, bits: bigint): Value | undefined {
  if (field.kind === 'pointer') return bits < 2n ** 53n ? Number(bits) : undefined;
  assert.ok(field.kind === 'scalar' || field.kind === 'bits');
  const name = field.kind === 'bits' ? field.base : field.name;
  const width = field.kind === 'bits' ? field.width : widthOf(name);
  if (name === 'f64') return new Float64Array(new BigUint64Array([bits]).buffer)[0]!;
  if (name === 'f32') return new Float32Array(new Uint32Array([Number(bits)]).buffer)[0]!;
  if (name === 'bool') return bits !== 0n;
  const value = name.startsWith('i') ? BigInt.asIntN(width, bits) : bits;
  return widthOf(name) === 64 ? value : Number(value);
}
