/**
 * How addresses become positions along the atlas: as they are, or folded, where each mapping and each hole is as long as
 * its size has digits, so that 2^47 bytes of mostly nothing fit a screen. Host and devices share one axis: the same height
 * is the same address. Pure.
 *
 * @module
 */
import type { Address, Range } from '../mm/address.ts';

/** A monotone map between addresses and positions. */
export interface Axis {
  readonly kind: 'linear' | 'folded';
  /** All positions that there are. */
  readonly whole: Range;
  /** The position of an address; both may have fractions. */
  position(address: Address): number;
  address(position: number): Address;
}

/** The end of the addresses that programs have. */
export const USER_END = 2 ** 47;

export const LINEAR: Axis = {
  kind: 'linear',
  whole: { start: 0, end: USER_END },
  position: (address) => address,
  address: (position) => position,
};

/** Positions of a folded axis per doubling of a size. */
const PER_DOUBLING = 1;
/** Of the smallest range. */
const LEAST = 1.5;

/**
 * Folds the whole of user space at the borders of ranges, which may overlap. A stretch between two borders has a length
 * that grows with the logarithm of its size in pages.
 */
export function foldedAxis(ranges: readonly Range[], pageSize: number): Axis {
  const borders = new Set([0, USER_END]);
  for (const { start, end } of ranges)
    for (const at of [start, end]) if (at > 0 && at < USER_END) borders.add(at);
  const addresses = Float64Array.from(borders).sort();
  const positions = new Float64Array(addresses.length);
  for (let i = 1; i < addresses.length; i++) {
    const pages = Math.max(1, (addresses[i]! - addresses[i - 1]!) / pageSize);
    positions[i] = positions[i - 1]! + LEAST + PER_DOUBLING * Math.log2(pages);
  }
  return {
    kind: 'folded',
    whole: { start: 0, end: positions[positions.length - 1]! },
    position: (address) => interpolate(addresses, positions, address),
    address: (position) => interpolate(positions, addresses, position),
  };
}

/** Between the points around `at`; at the ends where it lies beyond. Both are sorted. */
function interpolate(from: Float64Array, to: Float64Array, at: number): number {
  const last = from.length - 1;
  if (at <= from[0]!) return to[0]!;
  if (at >= from[last]!) return to[last]!;
  const i = lastNotAbove(from, at);
  const share = (at - from[i]!) / (from[i + 1]! - from[i]!);
  return to[i]! + share * (to[i + 1]! - to[i]!);
}

/** The index of the last value that is not above `at`; -1 where all are. */
export function lastNotAbove(
  values: { readonly length: number; readonly [index: number]: number },
  at: number,
): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
