/**
 * How much is free, and what would fit in it: exact figures from one walk over the holes.
 *
 * @module
 */

import { type Address, alignUp, type Range } from '../mm/address.ts';
import type { DeviceSet } from './device-set.ts';

/** A range with its length at hand. */
export interface Hole extends Range {
  /** Bytes, `end - start`. */
  readonly size: number;
}

export interface Measure {
  /** Free bytes in the range searched. */
  readonly totalFree: number;
  /** The longest free range in it, the lowest of equals. */
  readonly largestHole: Hole | null;
  /** The largest buffer that fits at the alignment and with the guard asked for, the lowest of equals. */
  readonly largestAlignedHole: Hole | null;
  /** Bytes of the largest buffer that would fit with the guard if any page would do as a start. */
  readonly largestUnaligned: number;
}

/** Measures the free part of `searched`, which lies in the set's candidate. */
export function measure(
  set: DeviceSet,
  searched: Range,
  align: number,
  guard: number,
  pageSize: number,
): Measure {
  let totalFree = 0;
  let largestHole: Hole | null = null;
  let largestAlignedHole: Hole | null = null;
  let largestUnaligned = 0;
  for (const hole of set.holes()) {
    const start = Math.max(hole.start, searched.start);
    const end = Math.min(hole.end, searched.end);
    if (start >= end) continue;
    totalFree += end - start;
    if (end - start > (largestHole?.size ?? 0)) largestHole = { start, end, size: end - start };
    const last = Math.min(guardedEnd(set, hole, guard), searched.end);
    const aligned = alignUp(start, align);
    if (last - aligned > (largestAlignedHole?.size ?? 0))
      largestAlignedHole = { start: aligned, end: last, size: last - aligned };
    largestUnaligned = Math.max(largestUnaligned, last - alignUp(start, pageSize));
  }
  return { totalFree, largestHole, largestAlignedHole, largestUnaligned };
}

/** Bytes of the largest buffer that fits exactly at `address`, with its guard; 0 if none does. */
export function largestAt(set: DeviceSet, address: Address, guard: number): number {
  const hole = set.holes().find((each) => each.start <= address && address < each.end);
  return hole === undefined ? 0 : Math.max(0, guardedEnd(set, hole, guard) - address);
}

/** Where a buffer in this hole must end, so that its guard is free too or ends with the window. */
function guardedEnd(set: DeviceSet, hole: Range, guard: number): Address {
  return hole.end === set.candidate?.end ? hole.end : hole.end - guard;
}
