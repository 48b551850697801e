/**
 * The address space as one set of devices sees it: the addresses that the host can map and all of them reach
 * (the candidate), and one gap tree with everything that is taken in there, whoever took it. A search is then a
 * single descent, however many devices and owners there are.
 *
 * The tree goes on beyond the candidate, with nothing in it:
 *
 *     candidate.start            candidate.end                    tree's end
 *     |####.....####......####...|................................|
 *                             <--- buffer --><--- guard --->
 *
 * A buffer and its guard are searched as one length, and the empty tail is what lets the end of the window cut
 * a guard short without a second search.
 *
 * @module
 */

import type { Address, Range } from '../mm/address.ts';
import { GapTree } from '../mm/gap-tree.ts';
import {
  type DeviceWindow,
  firstEndingAbove,
  intersection,
  type Occupied,
  pagesWithin,
  subtract,
  union,
} from './occupied.ts';

export class DeviceSet {
  readonly devices: readonly DeviceWindow[];
  /** Whole pages; `null` if the windows have not a page in common. */
  readonly candidate: Range | null;
  readonly #reserved: readonly Range[] = [];
  readonly #tree: GapTree | undefined;
  // One object for all searches: the tree reads it before it returns, and a search then allocates nothing.
  readonly #query = { length: 0, low: 0, high: 0, alignMask: 0, alignOffset: 0, fit: 'exact' as const };

  /** @param occupied what the host and the mirror hold, sorted by start and disjoint */
  constructor(devices: readonly DeviceWindow[], limit: Range, pageSize: number, occupied: readonly Range[]) {
    this.devices = devices;
    let common: Range | null = limit;
    for (const { window } of devices) common = common && intersection(common, window);
    this.candidate = common && pagesWithin(common, pageSize);
    if (this.candidate === null) return;
    const { start, end } = this.candidate;
    this.#reserved = union(
      devices.flatMap((device) => device.reserved),
      this.candidate,
      pageSize,
    );
    const taken = union([...occupied, ...this.#reserved], this.candidate, pageSize);
    // As long as the longest guard that a search asks for: all but a page of the candidate.
    this.#tree = GapTree.from(taken, start, end + (end - start) - pageSize);
  }

  /**
   * The lowest (or highest) start of `length` free bytes in `[low, high)`, or -1. Inside the bounds of the
   * tree; `align` a power of two.
   */
  search(length: number, low: Address, high: Address, align: number, topdown: boolean): Address | -1 {
    if (this.#tree === undefined || high - low < length) return -1;
    const query = this.#query;
    query.length = length;
    query.low = low;
    query.high = high;
    query.alignMask = align - 1;
    return (topdown ? this.#tree.findGapTopdown(query) : this.#tree.findGap(query)) ?? -1;
  }

  /**
   * Takes a range. `fromHost` are the parts of it that were a mapping of the host until now: they are in the
   * tree already and pass to the new owner.
   */
  insert(range: Range, fromHost: readonly Range[]): void {
    for (const part of fromHost)
      for (const piece of this.#outsideReserved(part)) this.#tree?.remove(piece.start, piece.end);
    for (const piece of this.#outsideReserved(range)) this.#tree?.insert(piece.start, piece.end);
  }

  /** Gives back a range that was inserted; what a device reserves under it stays taken. */
  remove(range: Range): void {
    for (const piece of this.#outsideReserved(range)) this.#tree?.remove(piece.start, piece.end);
  }

  /** The free ranges of the candidate, each as long as it can be, from the lowest up. */
  holes(): Range[] {
    const holes: Range[] = [];
    if (this.candidate === null || this.#tree === undefined) return holes;
    let at: number = this.candidate.start;
    for (const range of this.#tree) {
      if (range.start > at) holes.push({ start: at, end: range.start });
      at = range.end;
    }
    if (at < this.candidate.end) holes.push({ start: at, end: this.candidate.end });
    return holes;
  }

  /** The parts of a range that are in the candidate and that no device of the set reserves. */
  #outsideReserved(range: Range): readonly Range[] {
    if (this.candidate === null) return [];
    const start = Math.max(range.start, this.candidate.start);
    const end = Math.min(range.end, this.candidate.end);
    if (start >= end) return [];
    const reserved = this.#reserved;
    const first = firstEndingAbove(reserved, start);
    // Nearly always: no device reserves any of it.
    if (first === reserved.length || reserved[first]!.start >= end)
      return start === range.start && end === range.end ? [range] : [{ start, end }];
    return subtract(start, end, reserved);
  }
}

/** What an explanation may ask of the whole picture. `names` absent: all devices. Asking changes nothing. */
export interface Picture {
  readonly pageSize: number;
  /** What the host can map. */
  readonly limit: Range;
  set(names: readonly string[] | undefined): DeviceSet;
  /** The same as if all quarantined ranges were free already. */
  withoutQuarantine(names: readonly string[] | undefined): DeviceSet;
  /** Everything that is in the way in a range for these devices, by start. */
  occupants(range: Range, names: readonly string[] | undefined): Occupied[];
}
