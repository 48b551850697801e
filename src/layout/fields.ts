/**
 * The types of fields: scalars, bit-fields, pointers and arrays. An `i64` or `u64` reads as a bigint and takes nothing
 * else, since a number could not hold all its values; all other numbers are numbers. A pointer is a number too: an
 * address is exact below 2^53, and no address space reaches that far.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { locate } from './access.ts';
import type { LayoutMemory, PiecedMemory } from './memory.ts';
import {
  type ArrayType,
  type Bits,
  describeType,
  isType,
  type Pointer,
  register,
  type Scalar,
  type ScalarName,
  type Type,
  type ValueOf,
} from './types.ts';

function scalar<N extends ScalarName, V>(name: N, size: 1 | 2 | 4 | 8): Scalar<N, V> {
  return register({ kind: 'scalar', name, size });
}

export const i8: Scalar<'i8', number> = /* @__PURE__ */ scalar('i8', 1);
export const i16: Scalar<'i16', number> = /* @__PURE__ */ scalar('i16', 2);
export const i32: Scalar<'i32', number> = /* @__PURE__ */ scalar('i32', 4);
/** Reads as a bigint. */
export const i64: Scalar<'i64', bigint> = /* @__PURE__ */ scalar('i64', 8);
export const u8: Scalar<'u8', number> = /* @__PURE__ */ scalar('u8', 1);
export const u16: Scalar<'u16', number> = /* @__PURE__ */ scalar('u16', 2);
export const u32: Scalar<'u32', number> = /* @__PURE__ */ scalar('u32', 4);
/** Reads as a bigint. */
export const u64: Scalar<'u64', bigint> = /* @__PURE__ */ scalar('u64', 8);
/** Takes any number and rounds it, as `Math.fround`. */
export const f32: Scalar<'f32', number> = /* @__PURE__ */ scalar('f32', 4);
export const f64: Scalar<'f64', number> = /* @__PURE__ */ scalar('f64', 8);
/** C's `_Bool`: one byte, 0 or 1. Any other byte reads as true. */
export const bool: Scalar<'bool', boolean> = /* @__PURE__ */ scalar('bool', 1);

/**
 * `width` bits of an integer type or `bool`, laid out as C's `uint32_t flags : 3` by the System V ABI: a bit-field
 * never crosses a boundary of its declared type. A write keeps the bits beside it, and is not atomic.
 */
export function bits<S extends Scalar>(base: S, width: number): Bits<S, ValueOf<S>> {
  if (!isType(base) || base.kind !== 'scalar' || base.name.startsWith('f')) {
    throw invalidType('base', 'an integer type or bool', describeType(base));
  }
  if (typeof width !== 'number') throw invalidType('width', 'a number of bits', width);
  const most = base.name === 'bool' ? 1 : base.size * 8;
  if (!Number.isInteger(width) || width < 1 || width > most) {
    throw outOfRange('width', `from 1 to ${most} bits for ${base.name}`, width);
  }
  return register({ kind: 'bits', base, width });
}

/** The address of a `target` (of anything, where none is given), in 8 bytes: right for every device. 0 is null. */
export function pointer(): Pointer<undefined>;
export function pointer<T extends Type>(target: T): Pointer<T>;
export function pointer(target?: Type): Pointer {
  return makePointer(target, 8);
}

/** An address in 4 bytes, for structures that a 32-bit program has laid out. Only addresses below 2^32 fit. */
export function pointer32(): Pointer<undefined>;
export function pointer32<T extends Type>(target: T): Pointer<T>;
export function pointer32(target?: Type): Pointer {
  return makePointer(target, 4);
}

function makePointer(target: unknown, size: 4 | 8): Pointer {
  if (target !== undefined && (!isType(target) || target.kind === 'bits')) {
    throw invalidType('target', 'a type of mirrorspace/layout that has an address', target);
  }
  return register({ kind: 'pointer', size, target });
}

/** `length` elements of one type; at least one, since C has no empty arrays. */
export function array<T extends Type, const N extends number>(element: T, length: N): ArrayType<T, N> {
  if (!isType(element) || (element as Type).kind === 'bits') {
    throw invalidType('element', 'a type of mirrorspace/layout that has an address', element);
  }
  if (typeof length !== 'number') throw invalidType('length', 'a number of elements', length);
  if (!Number.isSafeInteger(length) || length < 1) {
    throw outOfRange('length', 'a whole number of elements, at least 1', length);
  }
  const type: ArrayType<T, N> = register({
    kind: 'array',
    element,
    length,
    in: (memory: LayoutMemory | PiecedMemory): never => locate(type, memory) as never,
  });
  return type;
}
