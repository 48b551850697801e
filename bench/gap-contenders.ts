/**
 * Who takes part in the gap-search benchmark: the gap tree, npm's interval and ordered trees, a linear scan.
 *
 * None of the peers has a search for a gap. Each gets what a user of it would write: start at the window's edge and walk
 * its entries until a gap is long enough. That is the kindest workload for them, too: here most gaps are long enough, so
 * that the walk is short. The exceptions, and what they cost: node-interval-tree and @flatten-js/interval-tree can only
 * list what overlaps an interval, so that the walk takes one slice of the window after another, doubled each time,
 * instead of listing the whole window.
 *
 * @module
 */
import FlattenTree from '@flatten-js/interval-tree';
import { IntervalTree } from 'node-interval-tree';
import sortedBtree from 'sorted-btree';
import { GapTree } from '../src/mm/index.ts';
import { SPAN, type Workload } from './gap-workload.ts';

// A CommonJS module with a default export: Node gives its `exports` as the default.
const BTree = sortedBtree.default;

/** The same job for everyone; a search gives -1 where nothing fits. Ranges are given by their index. */
export interface Contender {
  /** Takes all ranges, which come in ascending order. */
  build(): void;
  insert(index: number): void;
  remove(index: number): void;
  /** The lowest place of `length` in [low, high), a multiple of `align`. */
  find(length: number, low: number, high: number, align: number): number;
  /** The highest. */
  findTopdown(length: number, low: number, high: number, align: number): number;
  /** Where it is known without measuring. */
  bytes?(): number;
}

const up = (value: number, align: number) => (align === 1 ? value : Math.ceil(value / align) * align);
const down = (value: number, align: number) => (align === 1 ? value : Math.floor(value / align) * align);

class Ours implements Contender {
  tree = new GapTree(0, SPAN);
  readonly #load: Workload;
  /** One for all searches, as whoever searches often would have it. */
  readonly #request = { length: 0, low: 0, high: 0, alignMask: 0, fit: 'exact' as const };
  constructor(load: Workload) {
    this.#load = load;
  }
  build(): void {
    const { starts, ends, count } = this.#load;
    const range = { start: 0, end: 0 };
    function* ranges() {
      for (let i = 0; i < count; i++) {
        range.start = starts[i]!;
        range.end = ends[i]!;
        yield range;
      }
    }
    this.tree = GapTree.from(ranges(), 0, SPAN);
  }
  insert(i: number): void {
    this.tree.insert(this.#load.starts[i]!, this.#load.ends[i]!);
  }
  remove(i: number): void {
    this.tree.remove(this.#load.starts[i]!, this.#load.ends[i]!);
  }
  find(length: number, low: number, high: number, align: number): number {
    return this.tree.findGap(this.#query(length, low, high, align)) ?? -1;
  }
  findTopdown(length: number, low: number, high: number, align: number): number {
    return this.tree.findGapTopdown(this.#query(length, low, high, align)) ?? -1;
  }
  #query(length: number, low: number, high: number, align: number) {
    const request = this.#request;
    request.length = length;
    request.low = low;
    request.high = high;
    request.alignMask = align - 1;
    return request;
  }
  bytes(): number {
    return this.tree.bytes;
  }
}

/** Two sorted arrays, walked from their beginning (or end). */
class LinearScan implements Contender {
  readonly #load: Workload;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  #count = 0;
  constructor(load: Workload) {
    this.#load = load;
    this.#starts = new Float64Array(load.count);
    this.#ends = new Float64Array(load.count);
  }
  build(): void {
    this.#starts.set(this.#load.starts);
    this.#ends.set(this.#load.ends);
    this.#count = this.#load.count;
  }
  find(length: number, low: number, high: number, align: number): number {
    let free = low;
    for (let i = 0; i < this.#count; i++) {
      const end = this.#ends[i]!;
      if (end <= free) continue;
      const place = up(free, align);
      if (this.#starts[i]! - place >= length) return place + length <= high ? place : -1;
      free = end;
    }
    const place = up(free, align);
    return place + length <= high ? place : -1;
  }
  findTopdown(length: number, low: number, high: number, align: number): number {
    let free = high;
    for (let i = this.#count - 1; i >= 0; i--) {
      const start = this.#starts[i]!;
      if (start >= free) continue;
      const place = down(free - length, align);
      if (place >= this.#ends[i]!) return place >= low ? place : -1;
      free = start;
    }
    const place = down(free - length, align);
    return place >= low ? place : -1;
  }
  insert(index: number): void {
    const start = this.#load.starts[index]!;
    const at = this.#after(start);
    this.#starts.copyWithin(at + 1, at, this.#count);
    this.#ends.copyWithin(at + 1, at, this.#count);
    this.#starts[at] = start;
    this.#ends[at] = this.#load.ends[index]!;
    this.#count++;
  }
  remove(index: number): void {
    const at = this.#after(this.#load.starts[index]!) - 1;
    this.#starts.copyWithin(at, at + 1, this.#count);
    this.#ends.copyWithin(at, at + 1, this.#count);
    this.#count--;
  }
  #after(start: number): number {
    let at = 0;
    while (at < this.#count && this.#starts[at]! <= start) at++;
    return at;
  }
}

class SortedBtree implements Contender {
  readonly #load: Workload;
  #tree = new BTree<number, number>();
  constructor(load: Workload) {
    this.#load = load;
  }
  build(): void {
    const { starts, ends, count } = this.#load;
    this.#tree = new BTree<number, number>();
    for (let i = 0; i < count; i++) this.#tree.set(starts[i]!, ends[i]!);
  }
  find(length: number, low: number, high: number, align: number): number {
    let free = low;
    const before = this.#tree.getPairOrNextLower(low);
    if (before !== undefined && before[1] > low) free = before[1];
    const pair: (number | undefined)[] = [];
    for (const [start, end] of this.#tree.entries(low, pair as number[]) as Iterable<[number, number]>) {
      if (start - up(free, align) >= length || start >= high) break;
      if (end > free) free = end;
    }
    const place = up(free, align);
    return place + length <= high ? place : -1;
  }
  findTopdown(length: number, low: number, high: number, align: number): number {
    let free = high;
    const pair: (number | undefined)[] = [];
    const entries = this.#tree.entriesReversed(high - 1, pair as number[]) as Iterable<[number, number]>;
    for (const [start, end] of entries) {
      if (down(free - length, align) >= end || end <= low) break;
      free = start;
    }
    const place = down(free - length, align);
    return place >= low ? place : -1;
  }
  insert(i: number): void {
    this.#tree.set(this.#load.starts[i]!, this.#load.ends[i]!);
  }
  remove(i: number): void {
    this.#tree.delete(this.#load.starts[i]!);
  }
}

/** An interval of the trees below; `high` is its last byte. */
interface Interval {
  readonly low: number;
  readonly high: number;
}

/** For trees that list what overlaps: slices of the window, each twice as long as the one before. */
abstract class BySlices implements Contender {
  readonly load: Workload;
  constructor(load: Workload) {
    this.load = load;
  }
  /** In ascending order. */
  abstract list(from: number, to: number): readonly Interval[];
  abstract insert(index: number): void;
  abstract remove(index: number): void;
  build(): void {
    for (let i = 0; i < this.load.count; i++) this.insert(i);
  }
  find(length: number, low: number, high: number, align: number): number {
    let free = low;
    let size = Math.max((SPAN / this.load.count) * 4, length);
    for (let from = low; from < high; size *= 2) {
      const to = Math.min(high, from + size);
      for (const range of this.list(from, to - 1)) {
        const place = up(free, align);
        if (range.low - place >= length) return place;
        if (range.high + 1 > free) free = range.high + 1;
      }
      const place = up(free, align);
      if (to - place >= length) return place;
      from = to;
    }
    return -1;
  }
  findTopdown(length: number, low: number, high: number, align: number): number {
    let free = high;
    let size = Math.max((SPAN / this.load.count) * 4, length);
    for (let to = high; to > low; size *= 2) {
      const from = Math.max(low, to - size);
      const list = this.list(from, to - 1);
      for (let i = list.length - 1; i >= 0; i--) {
        const place = down(free - length, align);
        if (place > list[i]!.high) return place;
        if (list[i]!.low < free) free = list[i]!.low;
      }
      const place = down(free - length, align);
      if (place >= from) return place;
      to = from;
    }
    return -1;
  }
}

class NodeIntervalTree extends BySlices {
  readonly #tree = new IntervalTree<Interval>();
  list(from: number, to: number): Interval[] {
    // Its results come in the order of the tree's nodes, not of addresses.
    return this.#tree.search(from, to).sort((a, b) => a.low - b.low);
  }
  insert(i: number): void {
    this.#tree.insert({ low: this.load.starts[i]!, high: this.load.ends[i]! - 1 });
  }
  remove(i: number): void {
    this.#tree.remove({ low: this.load.starts[i]!, high: this.load.ends[i]! - 1 });
  }
}

class FlattenIntervalTree extends BySlices {
  readonly #tree = new FlattenTree<number>();
  list(from: number, to: number): Interval[] {
    return this.#tree.search([from, to], (_value: unknown, key: unknown) => key) as unknown as Interval[];
  }
  insert(i: number): void {
    this.#tree.insert([this.load.starts[i]!, this.load.ends[i]! - 1], i);
  }
  remove(i: number): void {
    this.#tree.remove([this.load.starts[i]!, this.load.ends[i]! - 1], i);
  }
}

export const OURS = 'mirrorspace';

export const contenders: Readonly<Record<string, (load: Workload) => Contender>> = {
  [OURS]: (load) => new Ours(load),
  'node-interval-tree': (load) => new NodeIntervalTree(load),
  '@flatten-js/interval-tree': (load) => new FlattenIntervalTree(load),
  'sorted-btree': (load) => new SortedBtree(load),
  'linear scan': (load) => new LinearScan(load),
};
