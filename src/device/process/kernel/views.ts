/**
 * Views of mirrored memory by address, and all of it as a memory for `mirrorspace/layout`. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../../errors.ts';
import type { Address } from '../../../mm/address.ts';
import { context } from './context.ts';
import type { MirroredMemory } from './mirrored-memory.ts';

/** A typed array's constructor, or DataView. */
export interface ViewConstructor<T> {
  readonly BYTES_PER_ELEMENT?: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): T;
}

/**
 * `length` elements (bytes, for a DataView) at an address, as the host sees them there. Making one costs tens of
 * nanoseconds; touching what is in no live buffer is a `DeviceFault` of the launch. Throws TypeError or RangeError for bad
 * arguments, also for an address that is no multiple of the element's size; {@link AddressError} where no buffer can lie.
 */
export function view<T>(type: ViewConstructor<T>, address: Address, length: number): T {
  return viewIn(context().memory, type, address, length);
}

/** @internal */
export function viewIn<T>(
  memory: MirroredMemory,
  type: ViewConstructor<T>,
  address: Address,
  length: number,
): T {
  if (!makesViews(type)) {
    throw invalidType('type', 'a typed array constructor or DataView', type);
  }
  const width = type.BYTES_PER_ELEMENT ?? 1;
  if (typeof address !== 'number') throw invalidType('address', 'a number', address);
  if (!Number.isSafeInteger(address) || address < 0 || address % width !== 0) {
    throw outOfRange('address', `an address that is a multiple of ${width}`, address);
  }
  if (typeof length !== 'number') throw invalidType('length', 'a number of elements', length);
  if (!Number.isSafeInteger(length) || length < 0 || !Number.isSafeInteger(address + length * width)) {
    throw outOfRange('length', 'a number of elements', length);
  }
  const piece = memory.holding(address, length * width);
  return new type(piece.buffer, address - piece.address, length);
}

function makesViews(type: unknown): boolean {
  if (typeof type !== 'function') return false;
  return type === DataView || type.prototype instanceof Object.getPrototypeOf(Uint8Array);
}

/** What `struct.in(memory)` of `mirrorspace/layout` takes: memory in pieces. */
export interface KernelMemory {
  /** The piece that holds an address; undefined where no buffer can lie. Throws UnsupportedError outside of a device. */
  memoryAt(
    address: Address,
  ): { readonly address: Address; readonly size: number; readonly bytes: Uint8Array } | undefined;
}

/**
 * All of mirrored memory, for layouts: `Node.in(memory).at(address)`. An accessor may be moved to any address there
 * (`node.move(node.next)`), whatever buffer it lies in.
 */
export const memory: KernelMemory = Object.freeze({
  memoryAt: (address: Address) => context().memory.at(address),
});
