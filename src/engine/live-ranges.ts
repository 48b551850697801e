/**
 * The ranges that are live for one device, as its pager knows them from the log of maps: a gap tree, what access is
 * allowed, and how the last faults in a range went, which decides how much the next one fills. Pure.
 *
 * @module
 */
import { type Address, alignDown, KiB, MiB, type Range } from '../mm/address.ts';
import { GapTree } from '../mm/gap-tree.ts';
import { MAP_ENTRY } from './control-layout.ts';

const SMALLEST_FILL = 64 * KiB;
const LARGEST_FILL = 2 * MiB;

interface LiveRange extends Range {
  readonly readOnly: boolean;
  /** Where a sequential reader would fault next, and how much that would fill. */
  next: Address;
  size: number;
}

export class LiveRanges {
  readonly #tree: GapTree;
  readonly #byStart = new Map<number, LiveRange>();

  constructor(limit: number) {
    this.#tree = new GapTree(0, limit);
  }

  /** Takes in one entry of the log. */
  apply(kind: number, start: Address, end: Address): void {
    if (kind === MAP_ENTRY.UNMAP || kind === MAP_ENTRY.UNMAP_IN_USE) {
      this.#remove(start, end);
      return;
    }
    this.#tree.insert(start, end);
    this.#add(start, end, kind === MAP_ENTRY.MAP_READ);
  }

  #add(start: Address, end: Address, readOnly: boolean): void {
    this.#byStart.set(start, { start, end, readOnly, next: start, size: SMALLEST_FILL });
  }

  /** What was mapped in several pieces may go at once, and of one piece a part: what is left of it stays live. */
  #remove(start: Address, end: Address): void {
    const pieces: LiveRange[] = [];
    for (let piece = this.find(start); piece && piece.start < end; piece = this.find(piece.end))
      pieces.push(piece);
    this.#tree.remove(start, end);
    for (const piece of pieces) {
      this.#byStart.delete(piece.start);
      if (piece.start < start) this.#add(piece.start, start, piece.readOnly);
      if (piece.end > end) this.#add(end, piece.end, piece.readOnly);
    }
  }

  find(address: Address): LiveRange | undefined {
    const range = this.#tree.at(address);
    return range && this.#byStart.get(range.start);
  }

  /**
   * What to fill for a missing page: 64 KiB around it at first, twice as much each time a fault comes just behind the
   * last fill, up to 2 MiB, and never beyond the range.
   */
  fillAround(range: LiveRange, page: Address): Range {
    range.size = page === range.next ? Math.min(range.size * 2, LARGEST_FILL) : SMALLEST_FILL;
    const start = Math.max(range.start, alignDown(page, range.size));
    const end = Math.min(range.end, alignDown(page, range.size) + range.size);
    range.next = end;
    return { start, end };
  }

  /** What to map for a page that the file has already: the largest chunk, since it costs no memory. */
  residentAround(range: LiveRange, page: Address): Range {
    const start = alignDown(page, LARGEST_FILL);
    return { start: Math.max(range.start, start), end: Math.min(range.end, start + LARGEST_FILL) };
  }
}
