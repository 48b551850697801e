/**
 * Bit-fields in JavaScript. A bit-field is read and written through just the bytes that hold its bits: C11 (3.14) makes
 * adjacent bit-fields one memory location, and what lies in the bytes beside them another, which a device may be
 * writing at the same time.
 *
 * @module
 */
import type { Codec } from './codec.ts';
import type { Bits } from './types.ts';

/** The codec of a bit-field whose lowest bit is bit `shift` (0 to 7) of the byte at its offset. */
export function bitsCodec(type: Bits, shift: number): Codec {
  const { base, width } = type;
  const signed = base.name.startsWith('i');
  if (base.size === 8) return wide(width, shift, signed);
  const narrow = numeric(width, shift, signed);
  if (base.name !== 'bool') return narrow;
  const flag: Codec<boolean> = {
    read: (view, at, name) => narrow.read(view, at, name) !== 0,
    accepts: (value) => typeof value === 'boolean',
    write: (view, at, value) => narrow.write(view, at, value ? 1 : 0),
    js: 'boolean',
    expected: 'a boolean',
    show: (view, at) => narrow.read(view, at, '') !== 0,
  };
  return flag;
}

/** Up to 32 bits, in at most four bytes: they never cross a boundary of their type. */
function numeric(width: number, shift: number, signed: boolean): Codec<number> {
  const bytes = Math.ceil((shift + width) / 8);
  const field = (width === 32 ? -1 : 2 ** width - 1) << shift;
  const [low, high] = limits(width, signed);
  const left = 32 - width - shift;
  const right = 32 - width;
  const read = (view: DataView, at: number): number => {
    const top = load(view, at, bytes) << left;
    return signed ? top >> right : top >>> right;
  };
  return {
    read,
    accepts: (value) => typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high,
    write(view, at, value) {
      store(view, at, bytes, (load(view, at, bytes) & ~field) | ((value << shift) & field));
    },
    js: 'number',
    expected: `an integer from ${low} to ${high} (${width} bits)`,
    show: read,
  };
}

function load(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, true);
  if (bytes === 3) return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  return view.getInt32(at, true);
}

function store(view: DataView, at: number, bytes: number, value: number): void {
  if (bytes === 1) view.setUint8(at, value);
  else if (bytes === 2) view.setUint16(at, value, true);
  else if (bytes === 3) {
    view.setUint16(at, value, true);
    view.setUint8(at + 2, value >>> 16);
  } else view.setInt32(at, value, true);
}

/** Up to 64 bits of an `i64` or `u64`, byte by byte. */
function wide(width: number, shift: number, signed: boolean): Codec {
  const bytes = Math.ceil((shift + width) / 8);
  const mask = (1n << BigInt(width)) - 1n;
  const up = BigInt(shift);
  const loadWide = (view: DataView, at: number): bigint => {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8(at + i));
    return value;
  };
  const read = (view: DataView, at: number): bigint => {
    const value = (loadWide(view, at) >> up) & mask;
    return signed ? BigInt.asIntN(width, value) : value;
  };
  const codec: Codec<bigint> = {
    read,
    accepts: (value) =>
      typeof value === 'bigint' && (signed ? BigInt.asIntN : BigInt.asUintN)(width, value) === value,
    write(view, at, value) {
      let rest = (loadWide(view, at) & ~(mask << up)) | ((value & mask) << up);
      for (let i = 0; i < bytes; i++, rest >>= 8n) view.setUint8(at + i, Number(rest & 0xffn));
    },
    js: 'bigint',
    expected: `a bigint of ${width} bits, ${signed ? 'signed' : 'unsigned'}`,
    show: (view, at) => String(read(view, at)),
  };
  return codec;
}

function limits(width: number, signed: boolean): [low: number, high: number] {
  return signed ? [-(2 ** (width - 1)), 2 ** (width - 1) - 1] : [0, 2 ** width - 1];
}
