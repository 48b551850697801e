/**
 * What can be in the way, and the few operations on sorted lists of ranges that placement needs. An
 * {@link Occupied} is a range with a name and an owner, so that a refusal can say who is in the way; the lists
 * here are sorted by start and disjoint, which keeps every operation a walk or a binary search.
 *
 * @module
 */

import { invalidType, outOfRange } from '../errors.ts';
import { type Address, alignDown, alignUp, type Range } from '../mm/address.ts';

/** A range that is taken, by whom, and under which name. */
export interface Occupied extends Range {
  /**
   * `vma`: a mapping of the process that the mirror did not make; `buffer`: a live buffer of the mirror, or addresses that it has reserved;
   * `reserved`: a region that a device keeps for itself; `quarantined`: freed, but not yet safe to use again.
   */
  readonly kind: 'vma' | 'buffer' | 'reserved' | 'quarantined';
  readonly name: string;
  /** `'host'`, or the name of the device. */
  readonly owner: string;
  /** Bytes at the end of the range that only keep distance: the thing itself is `end - start - guard` long. */
  readonly guard?: number;
}

/** What one device reaches, and what it keeps for itself in there. */
export interface DeviceWindow {
  readonly name: string;
  readonly window: Range;
  readonly reserved: readonly (Range & { readonly name: string })[];
}

/**
 * Addresses that placement handles end here, 4 PiB: every sum of an address, a size and a guard then stays a
 * safe integer.
 */
export const ADDRESS_LIMIT = 2 ** 52;

/** Refuses what is not a non-empty range of safe integers: `TypeError` for the kind, `RangeError` for the value. */
export function checkRange(name: string, range: Range): void {
  if (typeof range !== 'object' || range === null) throw invalidType(name, 'a range', range);
  for (const edge of ['start', 'end'] as const) {
    const value = range[edge];
    if (typeof value !== 'number') throw invalidType(`${name}.${edge}`, 'a number', value);
    if (!Number.isSafeInteger(value) || value < 0)
      throw outOfRange(`${name}.${edge}`, 'a safe integer of at least 0', value);
  }
  if (range.start >= range.end) throw outOfRange(`${name}.end`, `above its start ${range.start}`, range.end);
}

/** Refuses a device without a name, or with a window or a region that is no range. */
export function checkDevice({ name, window, reserved }: DeviceWindow): void {
  if (typeof name !== 'string') throw invalidType('devices', 'devices with names', name);
  checkRange(`window of ${name}`, window);
  for (const region of reserved) checkRange(`reserved region '${region.name}' of ${name}`, region);
}

/** The whole pages inside the range, or `null` where there is not one. */
export function pagesWithin(range: Range, pageSize: number): Range | null {
  const start = alignUp(range.start, pageSize);
  const end = alignDown(range.end, pageSize);
  return start < end ? { start, end } : null;
}

/** The part that two ranges share, or `null`. */
export function intersection(a: Range, b: Range): Range | null {
  const start = Math.max(a.start, b.start);
  const end = Math.min(a.end, b.end);
  return start < end ? { start, end } : null;
}

/** The index of the first range that ends above `address`, in a sorted disjoint list; its length if none does. */
export function firstEndingAbove(list: readonly Range[], address: Address): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]!.end > address) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The ranges of a sorted disjoint list that overlap `[start, end)`, whole. */
export function overlapping<R extends Range>(list: readonly R[], start: Address, end: Address): R[] {
  const first = firstEndingAbove(list, start);
  let last = first;
  while (last < list.length && list[last]!.start < end) last++;
  return first === last ? [] : list.slice(first, last);
}

/** The parts of `[start, end)` that a sorted disjoint list leaves free. */
export function subtract(start: Address, end: Address, list: readonly Range[]): Range[] {
  const parts: Range[] = [];
  let at = start;
  for (let i = firstEndingAbove(list, start); i < list.length && list[i]!.start < end; i++) {
    if (list[i]!.start > at) parts.push({ start: at, end: list[i]!.start });
    at = list[i]!.end;
  }
  if (at < end) parts.push({ start: at, end });
  return parts;
}

/** The parts of a mapping that a sorted disjoint list leaves. */
export function without(vma: Occupied, list: readonly Range[]): readonly Occupied[] {
  const first = firstEndingAbove(list, vma.start);
  if (first === list.length || list[first]!.start >= vma.end) return [vma];
  return subtract(vma.start, vma.end, list).map((part) => ({ ...vma, ...part }));
}

/**
 * The union of any ranges as a sorted disjoint list without adjacent ones: each widened to whole pages (a page
 * that is partly taken is taken), then clipped to `clip`.
 */
export function union(ranges: readonly Range[], clip: Range, pageSize: number): Range[] {
  const parts: { start: number; end: number }[] = [];
  for (const range of ranges) {
    const start = Math.max(alignDown(range.start, pageSize), clip.start);
    const end = Math.min(alignUp(range.end, pageSize), clip.end);
    if (start < end) parts.push({ start, end });
  }
  parts.sort((a, b) => a.start - b.start);
  const merged: { start: number; end: number }[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (last !== undefined && part.start <= last.end) last.end = Math.max(last.end, part.end);
    else merged.push(part);
  }
  return merged;
}

/**
 * Named ranges as a sorted disjoint list: widened to whole pages, clipped, and where two overlap the one that
 * starts first keeps the shared part.
 */
export function disjoint(occupied: readonly Occupied[], clip: Range, pageSize: number): Occupied[] {
  const sorted = [...occupied].sort((a, b) => a.start - b.start);
  const result: Occupied[] = [];
  let from: number = clip.start;
  for (const item of sorted) {
    const start = Math.max(alignDown(item.start, pageSize), from);
    const end = Math.min(alignUp(item.end, pageSize), clip.end);
    if (start >= end) continue;
    result.push(start === item.start && end === item.end ? item : { ...item, start, end });
    from = end;
  }
  return result;
}
