/**
 * How each type of field is read from a DataView, checked and written. Closures on shared code, not generated source,
 * which Content Security Policies refuse: the getters of accessors hold them as constants, and V8 inlines through
 * those. Little endian always, whatever the machine, since every device is.
 *
 * @module
 */
import { hex, invalidType, outOfRange } from '../errors.ts';
import { bitsCodec } from './bits-codec.ts';
import type { AnyType } from './types.ts';

/** Reads, checks and writes one type. `at` is a byte offset in the view. */
export interface Codec<V = unknown> {
  /** `name` is for the message of a value that JavaScript cannot hold. */
  read(view: DataView, at: number, name: string): V;
  /** Whether `write` may be given the value. */
  accepts(value: unknown): boolean;
  write(view: DataView, at: number, value: V): void;
  /** `typeof` of what is accepted. */
  readonly js: 'number' | 'bigint' | 'boolean';
  /** What is accepted, for messages. */
  readonly expected: string;
  /** The value for JSON. Never throws for what memory may hold. */
  show(view: DataView, at: number): unknown;
}

type Access<V> = Pick<Codec<V>, 'read' | 'accepts' | 'write'>;

const number = (expected: string, access: Access<number>): Codec<number> => ({
  ...access,
  js: 'number',
  expected,
  show: (view, at) => access.read(view, at, ''),
});

const bigint = (expected: string, access: Access<bigint>): Codec<bigint> => ({
  ...access,
  js: 'bigint',
  expected,
  show: (view, at) => String(access.read(view, at, '')),
});

// An integer in range is one that its conversion leaves as it is; NaN and fractions change, and so are refused.
const scalars: Record<string, Codec> = {
  i8: number('an integer from -128 to 127', {
    read: (view, at) => view.getInt8(at),
    accepts: (value) => typeof value === 'number' && (value << 24) >> 24 === value,
    write: (view, at, value) => view.setInt8(at, value),
  }),
  i16: number('an integer from -32768 to 32767', {
    read: (view, at) => view.getInt16(at, true),
    accepts: (value) => typeof value === 'number' && (value << 16) >> 16 === value,
    write: (view, at, value) => view.setInt16(at, value, true),
  }),
  i32: number('an integer from -2^31 to 2^31 - 1', {
    read: (view, at) => view.getInt32(at, true),
    accepts: (value) => typeof value === 'number' && (value | 0) === value,
    write: (view, at, value) => view.setInt32(at, value, true),
  }),
  u8: number('an integer from 0 to 255', {
    read: (view, at) => view.getUint8(at),
    accepts: (value) => typeof value === 'number' && (value & 0xff) === value,
    write: (view, at, value) => view.setUint8(at, value),
  }),
  u16: number('an integer from 0 to 65535', {
    read: (view, at) => view.getUint16(at, true),
    accepts: (value) => typeof value === 'number' && (value & 0xffff) === value,
    write: (view, at, value) => view.setUint16(at, value, true),
  }),
  u32: number('an integer from 0 to 2^32 - 1', {
    read: (view, at) => view.getUint32(at, true),
    accepts: (value) => typeof value === 'number' && value >>> 0 === value,
    write: (view, at, value) => view.setUint32(at, value, true),
  }),
  i64: bigint('a bigint from -2^63 to 2^63 - 1', {
    read: (view, at) => view.getBigInt64(at, true),
    accepts: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
    write: (view, at, value) => view.setBigInt64(at, value, true),
  }),
  u64: bigint('a bigint from 0 to 2^64 - 1', {
    read: (view, at) => view.getBigUint64(at, true),
    accepts: (value) => typeof value === 'bigint' && BigInt.asUintN(64, value) === value,
    write: (view, at, value) => view.setBigUint64(at, value, true),
  }),
  f32: number('a number', {
    read: (view, at) => view.getFloat32(at, true),
    accepts: (value) => typeof value === 'number',
    write: (view, at, value) => view.setFloat32(at, value, true),
  }),
  f64: number('a number', {
    read: (view, at) => view.getFloat64(at, true),
    accepts: (value) => typeof value === 'number',
    write: (view, at, value) => view.setFloat64(at, value, true),
  }),
  bool: {
    read: (view, at) => view.getUint8(at) !== 0,
    accepts: (value) => typeof value === 'boolean',
    write: (view, at, value) => view.setUint8(at, value ? 1 : 0),
    js: 'boolean',
    expected: 'a boolean',
    show: (view, at) => view.getUint8(at) !== 0,
  } satisfies Codec<boolean>,
};

const WORD = 2 ** 32;
/** The high half of 2^53. */
const HIGH = 2 ** 21;

const pointer64: Codec<number> = {
  read(view, at, name) {
    const high = view.getUint32(at + 4, true);
    if (high >= HIGH) throw tooWide(view, at, name);
    return view.getUint32(at, true) + high * WORD;
  },
  accepts(value) {
    if (typeof value !== 'number') return false;
    // A fraction, a negative number or NaN leaves a high half that is no integer below 2^21.
    const high = (value - (value >>> 0)) / WORD;
    return high >>> 0 === high && high < HIGH;
  },
  write(view, at, value) {
    const low = value >>> 0;
    view.setUint32(at, low, true);
    view.setUint32(at + 4, (value - low) / WORD, true);
  },
  js: 'number',
  expected: 'an address: an integer from 0 to 2^53 - 1',
  show: (view, at) => `0x${view.getBigUint64(at, true).toString(16)}`,
};

const pointer32: Codec<number> = {
  read: (view, at) => view.getUint32(at, true),
  accepts: (value) => typeof value === 'number' && value >>> 0 === value,
  write: (view, at, value) => view.setUint32(at, value, true),
  js: 'number',
  expected:
    'an address below 2^32; use pointer() for addresses above, or allocate below with place: { within: [0, 2 ** 32] }',
  show: (view, at) => hex(view.getUint32(at, true)),
};

function tooWide(view: DataView, at: number, name: string): RangeError {
  const expected = 'below 2^53, as every address is (memory that nobody wrote, or a tagged pointer)';
  return outOfRange(name, expected, view.getBigUint64(at, true));
}

/** The codec of a field, or of an element; undefined for what has parts of its own. */
export function codecOf(type: AnyType, shift = 0): Codec | undefined {
  switch (type.kind) {
    case 'scalar':
      return scalars[type.name];
    case 'bits':
      return bitsCodec(type, shift);
    case 'pointer':
      return type.size === 4 ? pointer32 : pointer64;
    default:
      return undefined;
  }
}

/** The error for a value that a codec does not accept. */
export function refusal(name: string, codec: Codec, value: unknown): TypeError | RangeError {
  return typeof value === codec.js
    ? outOfRange(name, codec.expected, value)
    : invalidType(name, codec.expected, value);
}
