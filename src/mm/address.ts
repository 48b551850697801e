/**
 * Addresses and ranges, the vocabulary of everything else. An address is a JavaScript number, exact below
 * 2^53; a range is half-open `[start, end)`. The brand stops a length or an index from being passed where an
 * address is meant, and costs nothing at run time.
 *
 * @module
 */

declare const addressBrand: unique symbol;

/** A virtual address in bytes; a safe integer. */
export type Address = number & { readonly [addressBrand]?: true };

/** Half-open: `start` is the first byte, `end` the first byte after it. */
export interface Range {
  readonly start: Address;
  readonly end: Address;
}

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const TiB = 1024 * GiB;

/** The smallest multiple of `alignment` (any positive integer) that is not below `value`. Exact up to 2^53. */
export function alignUp(value: number, alignment: number): number {
  const rest = value % alignment;
  return rest === 0 ? value : value + (alignment - rest);
}

/** The largest multiple of `alignment` that is not above `value`. Exact up to 2^53. */
export function alignDown(value: number, alignment: number): number {
  return value - (value % alignment);
}

/** True where `value` is a power of two; works beyond 2^31, where bit operators do not. */
export function isPowerOfTwo(value: number): boolean {
  return (
    value >= 1 &&
    Number.isSafeInteger(value) &&
    Number.isInteger(Math.log2(value)) &&
    2 ** Math.round(Math.log2(value)) === value
  );
}

export function overlaps(a: Range, b: Range): boolean {
  return a.start < b.end && b.start < a.end;
}
