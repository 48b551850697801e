/**
 * Linux's search for a free address: `vm_unmapped_area`, `unmapped_area` and `unmapped_area_topdown` of
 * mm/vma.c (7.0), which drivers call from their `get_unmapped_area` file operation. Results are the kernel's,
 * bit for bit, places it misses included: the gap must hold length + alignMask + startGap, and a guard gap met
 * on the way sends the search past the whole VMA. `fit: 'exact'` asks for the best place there is instead,
 * under the same rules of alignment and guard gaps.
 *
 * Everything is in bytes. `undefined` stands for ENOMEM, the only error these functions have in the kernel.
 *
 * @module
 */

import { invalidType, outOfRange } from '../errors.ts';
import type { Address, Range } from './address.ts';
import type { Fit, GapTree } from './gap-tree.ts';

/** An address space as far as the search looks at it: its VMAs, and the gaps that some of them want kept. */
export interface VmaSource {
  readonly ranges: GapTree;
  /**
   * Bytes that must stay free below the range that starts at `start` (a stack that grows down: 256 pages by
   * default; a shadow stack: 1 page), 0 where that VMA is of neither kind. The kernel's `vm_start_gap`.
   */
  guardBefore?(start: Address): number;
  /** Bytes that must stay free above the range that starts at `start` (a stack that grows up); `vm_end_gap`. */
  guardAfter?(start: Address): number;
  /** Nothing is placed below this: the kernel's `vm.mmap_min_addr`. Default 0. */
  readonly mmapMinAddr?: number;
}

/** The kernel's `struct vm_unmapped_area_info`; `topdown` is its flag VM_UNMAPPED_AREA_TOPDOWN. */
export interface UnmappedAreaInfo {
  /** Size of the place. */
  readonly length: number;
  /** First address of the window. */
  readonly lowLimit: Address;
  /** Exclusive end of the window. 0 finds nothing (an accident of 7.0 makes it mean "unbounded" there). */
  readonly highLimit: Address;
  /** Alignment less one, 2^k - 1; the result is `alignOffset` modulo `alignMask + 1`. Default 0. */
  readonly alignMask?: number;
  readonly alignOffset?: number;
  /** Bytes to keep free just below the result, from the gap it lies in. Default 0. */
  readonly startGap?: number;
  readonly topdown?: boolean;
  readonly fit?: Fit;
  /**
   * Default `'v7.0'`. `'v4.5'`: what Linux 4.5 answered (mm/mmap.c with its rb-tree of gaps): guard gaps and
   * `mmapMinAddr` are not looked at, a padded length of 0 fits between any two VMAs; there is no `startGap` and
   * no exact fit.
   */
  readonly semantics?: 'v7.0' | 'v4.5';
}

/** Searches in the direction that `info.topdown` says. Throws `TypeError` or `RangeError` for bad arguments. */
export function vmUnmappedArea(space: VmaSource, info: UnmappedAreaInfo): Address | undefined {
  return info.topdown ? unmappedAreaTopdown(space, info) : unmappedArea(space, info);
}

/** The lowest place, whatever `info.topdown` says. Throws `TypeError` or `RangeError` for bad arguments. */
export function unmappedArea(space: VmaSource, info: UnmappedAreaInfo): Address | undefined {
  const search = prepare(space, info);
  if (search === undefined) return undefined;
  if (search.old) return lowestOld(space.ranges, search);
  return search.fit === 'exact' ? lowestExact(space, search) : lowestLinux(space, search);
}

/** The highest place, whatever `info.topdown` says. Throws `TypeError` or `RangeError` for bad arguments. */
export function unmappedAreaTopdown(space: VmaSource, info: UnmappedAreaInfo): Address | undefined {
  const search = prepare(space, info);
  if (search === undefined) return undefined;
  if (search.old) return highestOld(space.ranges, search);
  return search.fit === 'exact' ? highestExact(space, search) : highestLinux(space, search);
}

/**
 * The request to the gap tree, reused for every retry. The start gap becomes part of the length and moves the
 * offset, so that the tree's place is `startGap` below the result: align(gap + startGap) either way.
 */
interface Search {
  readonly startGap: number;
  /** Length, mask and start gap together: what the kernel asks a gap to hold. */
  readonly padded: number;
  readonly length: number;
  low: number;
  high: number;
  readonly alignMask: number;
  readonly alignOffset: number;
  readonly fit: Fit;
  /** The semantics of 4.5. */
  readonly old: boolean;
}

function prepare(space: VmaSource, info: UnmappedAreaInfo): Search | undefined {
  const {
    length,
    lowLimit,
    highLimit,
    alignMask = 0,
    alignOffset = 0,
    startGap = 0,
    fit = 'linux',
    semantics = 'v7.0',
  } = info;
  checkBytes('length', length);
  checkBytes('lowLimit', lowLimit);
  checkBytes('highLimit', highLimit);
  checkBytes('alignMask', alignMask);
  checkBytes('startGap', startGap);
  const old = semantics === 'v4.5';
  if (!old && semantics !== 'v7.0') throw outOfRange('semantics', "'v7.0' or 'v4.5'", semantics);
  if (old && startGap !== 0)
    throw outOfRange('startGap', "0 with semantics 'v4.5', which has none", startGap);
  if (old && fit !== 'linux') throw outOfRange('fit', "'linux' with semantics 'v4.5'", fit);
  if (!Number.isSafeInteger(alignOffset)) throw notBytes('alignOffset', alignOffset);
  const wanted = length + startGap;
  if (wanted > Number.MAX_SAFE_INTEGER) return undefined;
  const modulus = alignMask + 1;
  return {
    startGap,
    padded: wanted + alignMask,
    length: wanted,
    low: old ? lowLimit : Math.max(lowLimit, space.mmapMinAddr ?? 0),
    high: highLimit,
    alignMask,
    // Reduced before subtracting, so that the difference of two large numbers stays exact.
    alignOffset: alignMask === 0 ? 0 : remainder(alignOffset, modulus) - remainder(startGap, modulus),
    fit,
    old,
  };
}

/** 4.5: the lowest gap that holds the padded length, and no second thoughts. */
function lowestOld(ranges: GapTree, { low, high, padded, ...search }: Search): Address | undefined {
  if (padded > 0) return ranges.findGap({ low, high, ...search });
  // Between two VMAs that touch there is a gap of nothing, and nothing fits into it.
  const next = ranges.next(low - 1);
  const place = Math.max(low, (next ? ranges.previous(next.start) : lastOf(ranges))?.end ?? 0);
  return place <= high ? place : undefined;
}

function highestOld(ranges: GapTree, { low, high, padded, ...search }: Search): Address | undefined {
  if (padded > 0) return ranges.findGapTopdown({ low, high, ...search });
  if (low > high) return undefined;
  const last = lastOf(ranges);
  if (!last || last.end <= high) return high;
  // The highest gap that begins at or below the limit; its end, if that is not below the window.
  let next = ranges.at(high) ?? ranges.next(high) ?? last;
  for (;;) {
    const previous = ranges.previous(next.start);
    if (next.start < low) return undefined;
    if ((previous?.end ?? 0) <= high) return Math.min(next.start, high);
    next = previous!;
  }
}

function lastOf(ranges: GapTree): Range | undefined {
  return ranges.previous(ranges.high);
}

function lowestLinux(space: VmaSource, search: Search): Address | undefined {
  const { ranges } = space;
  for (;;) {
    const place = ranges.findGap(search);
    if (place === undefined) return undefined;
    const address = place + search.startGap;
    if (!space.guardBefore && !space.guardAfter) return address;
    const next = rangeAbove(ranges, place);
    const before = (next && space.guardBefore?.(next.start)) ?? 0;
    if (next && before !== 0) {
      // The kernel compares with the padded length from the aligned address: more than it needs.
      if (Math.max(0, next.start - before) >= address + search.padded - 1) return address;
      search.low = next.end;
      continue;
    }
    // The kernel looks at the VMA below only where the one above keeps no gap.
    const below = endWithGuard(space, place);
    if (below <= address) return address;
    search.low = below;
  }
}

function highestLinux(space: VmaSource, search: Search): Address | undefined {
  const { ranges } = space;
  for (;;) {
    const place = ranges.findGapTopdown(search);
    if (place === undefined) return undefined;
    const address = place + search.startGap;
    if (!space.guardBefore && !space.guardAfter) return address;
    const next = rangeAbove(ranges, place);
    const before = (next && space.guardBefore?.(next.start)) ?? 0;
    if (next && before !== 0) {
      const guarded = Math.max(0, next.start - before);
      if (guarded >= Math.min(next.start, search.high)) return address;
      search.high = guarded;
      continue;
    }
    if (endWithGuard(space, place) <= address) return address;
    search.high = ranges.previous(place)!.start;
  }
}

function lowestExact(space: VmaSource, search: Search): Address | undefined {
  const { ranges } = space;
  const { high } = search;
  for (;;) {
    const place = ranges.findGap(search);
    if (place === undefined || (!space.guardBefore && !space.guardAfter)) return lift(place, search);
    // The first gap that is long enough. Does it still hold a place once its neighbours' guards are off it?
    const next = rangeAbove(ranges, place);
    search.low = Math.max(search.low, endWithGuard(space, place) - search.startGap);
    search.high = Math.min(high, startWithGuard(space, next?.start));
    const inside = ranges.findGap(search);
    if (inside !== undefined || next === undefined) return lift(inside, search);
    search.low = next.end;
    search.high = high;
  }
}

function highestExact(space: VmaSource, search: Search): Address | undefined {
  const { ranges } = space;
  const { low } = search;
  for (;;) {
    const place = ranges.findGapTopdown(search);
    if (place === undefined || (!space.guardBefore && !space.guardAfter)) return lift(place, search);
    const next = rangeAbove(ranges, place);
    const previous = ranges.previous(place);
    search.low = Math.max(low, previous?.end ?? 0, endWithGuard(space, place) - search.startGap);
    search.high = Math.min(search.high, startWithGuard(space, next?.start));
    const inside = ranges.findGapTopdown(search);
    if (inside !== undefined || previous === undefined) return lift(inside, search);
    search.low = low;
    search.high = previous.start;
  }
}

/** The range above a free place. An empty place (length 0 is legal where there is padding) may touch it. */
function rangeAbove(ranges: GapTree, place: number): Range | undefined {
  return ranges.next(place - 1);
}

function lift(place: number | undefined, search: Search): Address | undefined {
  return place === undefined ? undefined : place + search.startGap;
}

/** The guarded end of the range below the free `place`; 0 where there is none. */
function endWithGuard(space: VmaSource, place: number): number {
  const previous = space.ranges.previous(place);
  if (previous === undefined) return 0;
  return Math.min(Number.MAX_SAFE_INTEGER, previous.end + (space.guardAfter?.(previous.start) ?? 0));
}

/** The guarded start of the range at `start`; past everything where there is none. */
function startWithGuard(space: VmaSource, start: number | undefined): number {
  if (start === undefined) return Number.MAX_SAFE_INTEGER;
  return Math.max(0, start - (space.guardBefore?.(start) ?? 0));
}

/** `value` modulo a power of two, never negative. */
function remainder(value: number, modulus: number): number {
  return value - Math.floor(value / modulus) * modulus;
}

function checkBytes(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw notBytes(name, value);
}

function notBytes(name: string, value: unknown): Error {
  if (typeof value !== 'number') return invalidType(name, 'a number', value);
  return outOfRange(name, 'a safe integer, not negative', value);
}
