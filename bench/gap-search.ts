/**
 * The gap tree at 1e3, 1e5 and 1e6 ranges: a search in a random window, a range taken out and put back, and
 * memory, beside the npm interval trees, a sorted B+tree and a linear scan.
 *
 * None of the peers has a search for a gap. Each gets what a user of it would write: start at the window's
 * lower edge and walk its entries upwards until a gap is long enough. That is the kindest workload for them,
 * too: here most gaps are long enough, so that the walk is short. The exceptions, and what they cost:
 * node-interval-tree and @flatten-js/interval-tree can only list what overlaps an interval, so that the walk
 * takes one slice of the window after another, doubled each time, instead of listing the whole window. The second
 * workload, where only a few gaps are long enough, is what an address space in use for a while is like; the
 * peers walk nearly everything then and get few iterations.
 *
 * @module
 */

import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import FlattenTree from '@flatten-js/interval-tree';
import { IntervalTree } from 'node-interval-tree';
import sortedBtree from 'sorted-btree';
import { GapTree } from '../src/mm/index.ts';
import { beside, nanoseconds, printRows, type Row, rounded } from './rows.ts';

// A CommonJS module with a default export: Node gives its `exports` as the default.
const BTree = sortedBtree.default;

const SPAN = 2 ** 47;
const PAGE = 4096;
const QUERIES = 1 << 14;

const targets = new Map([
  [1e3, { search: 'under 100 ns', pair: undefined }],
  [1e5, { search: 'under 250 ns', pair: 'under 1000 ns' }],
  [1e6, { search: 'under 500 ns', pair: undefined }],
]);

interface Interval {
  low: number;
  high: number;
}

/** The same job for everyone; `search` gives -1 where nothing fits. `high` of an interval is its last byte. */
interface Contender {
  readonly name: string;
  search(length: number, low: number, high: number): number;
  insert(interval: Interval): void;
  remove(interval: Interval): void;
}

interface Workload {
  readonly count: number;
  readonly ranges: Interval[];
  /** Windows, and lengths: such as many gaps hold, and such as one in a thousand does. */
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  readonly lengths: Float64Array;
  readonly scarce: Float64Array;
  /** Ranges to take out and put back. */
  readonly victims: Interval[];
}

/** A small generator with a fixed seed (Park and Miller's), so that every run measures the same. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

function workload(count: number): Workload {
  const random = generator(count + 1);
  // After every 999 slots with a range in them comes an empty one: the only gaps larger than a slot.
  const slots = count + Math.ceil(count / 999);
  const slot = Math.floor(SPAN / slots / PAGE);
  const pages = (most: number) => Math.floor(random() * most) * PAGE;
  const ranges: Interval[] = [];
  for (let i = 0; i < count; i++) {
    const low = (i + Math.floor(i / 999)) * slot * PAGE + pages(slot / 4);
    ranges.push({ low, high: low + (Math.floor(slot / 4) + 1) * PAGE + pages(slot / 2) - 1 });
  }
  const lows = new Float64Array(QUERIES);
  const highs = new Float64Array(QUERIES);
  const lengths = new Float64Array(QUERIES);
  const scarce = new Float64Array(QUERIES);
  const victims: Interval[] = [];
  const chosen = new Set<number>();
  for (let i = 0; i < QUERIES; i++) {
    const a = Math.floor(random() * SPAN);
    const b = Math.floor(random() * SPAN);
    lows[i] = Math.min(a, b);
    highs[i] = Math.max(a, b);
    lengths[i] = PAGE + pages(slot * 0.7);
    scarce[i] = (slot + 1) * PAGE;
    // Copied, so that they lie together in memory: the benchmark's own cache misses are not the subject.
    const victim = Math.floor(random() * count);
    if (!chosen.has(victim)) ranges[victim] = { ...ranges[victim]! };
    chosen.add(victim);
    victims.push(ranges[victim]!);
  }
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [ranges[i], ranges[j]] = [ranges[j]!, ranges[i]!];
  }
  return { count, ranges, lows, highs, lengths, scarce, victims };
}

class Ours implements Contender {
  readonly name = 'mirrorspace';
  readonly tree = new GapTree(0, SPAN);
  search(length: number, low: number, high: number): number {
    return this.tree.findGap({ length, low, high }) ?? -1;
  }
  insert({ low, high }: Interval): void {
    this.tree.insert(low, high + 1);
  }
  remove({ low, high }: Interval): void {
    this.tree.remove(low, high + 1);
  }
}

class LinearScan implements Contender {
  readonly name = 'linear scan';
  /** Sorted by address; removal and insertion shift what follows. */
  readonly #ranges: Interval[];
  constructor(ranges: Interval[]) {
    this.#ranges = ranges.toSorted((a, b) => a.low - b.low);
  }
  search(length: number, low: number, high: number): number {
    let free = low;
    for (const range of this.#ranges) {
      if (range.high < free) continue;
      if (range.low - free >= length) break;
      free = range.high + 1;
    }
    return free + length <= high ? free : -1;
  }
  insert(interval: Interval): void {
    let at = this.#ranges.findIndex((r) => r.low > interval.low);
    if (at < 0) at = this.#ranges.length;
    this.#ranges.splice(at, 0, interval);
  }
  remove(interval: Interval): void {
    this.#ranges.splice(
      this.#ranges.findIndex((r) => r.low === interval.low),
      1,
    );
  }
}

class SortedBtree implements Contender {
  readonly name = 'sorted-btree';
  readonly #tree = new BTree<number, number>();
  search(length: number, low: number, high: number): number {
    let free = low;
    const before = this.#tree.getPairOrNextLower(low);
    if (before !== undefined && before[1] >= low) free = before[1] + 1;
    // `entries` begins at the given key, so the walk starts at the window and not at the tree's first entry.
    const pair: (number | undefined)[] = [];
    for (const [start, last] of this.#tree.entries(low, pair as number[]) as Iterable<[number, number]>) {
      if (start - free >= length || start >= high) break;
      free = last + 1;
    }
    return free + length <= high ? free : -1;
  }
  insert({ low, high }: Interval): void {
    this.#tree.set(low, high);
  }
  remove({ low }: Interval): void {
    this.#tree.delete(low);
  }
}

/** For trees that list what overlaps [from, to]: slices of the window, each twice as long as the one before. */
function searchBySlices(
  list: (from: number, to: number) => Interval[],
  slice: number,
  length: number,
  low: number,
  high: number,
): number {
  let free = low;
  let size = Math.max(slice, length);
  for (let from = low; from < high; size *= 2) {
    const to = Math.min(high, from + size);
    for (const range of list(from, to - 1)) {
      if (range.low - free >= length) return free;
      if (range.high + 1 > free) free = range.high + 1;
    }
    if (Math.max(from, to) - free >= length) return free;
    from = to;
  }
  return free + length <= high ? free : -1;
}

class NodeIntervalTree implements Contender {
  readonly name = 'node-interval-tree';
  readonly #tree = new IntervalTree<Interval>();
  readonly #slice: number;
  constructor(slice: number) {
    this.#slice = slice;
  }
  search(length: number, low: number, high: number): number {
    return searchBySlices((a, b) => this.#sorted(a, b), this.#slice, length, low, high);
  }
  #sorted(from: number, to: number): Interval[] {
    // Its results come in the order of the tree's nodes, not of addresses.
    return this.#tree.search(from, to).sort((a, b) => a.low - b.low);
  }
  insert(interval: Interval): void {
    this.#tree.insert(interval);
  }
  remove(interval: Interval): void {
    this.#tree.remove(interval);
  }
}

class FlattenIntervalTree implements Contender {
  readonly name = '@flatten-js/interval-tree';
  readonly #tree = new FlattenTree<Interval>();
  readonly #slice: number;
  constructor(slice: number) {
    this.#slice = slice;
  }
  search(length: number, low: number, high: number): number {
    return searchBySlices(
      (a, b) => this.#tree.search([a, b]) as unknown as Interval[],
      this.#slice,
      length,
      low,
      high,
    );
  }
  insert(interval: Interval): void {
    this.#tree.insert([interval.low, interval.high], interval);
  }
  remove(interval: Interval): void {
    this.#tree.remove([interval.low, interval.high], interval);
  }
}

/** Heap and array buffers that `make` leaves behind, in bytes; meaningful only where the collector can be called. */
function retained<T>(make: () => T): { made: T; bytes: number | undefined } {
  const collect = globalThis.gc;
  const used = () => {
    collect?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const made = make();
  const after = used();
  return { made, bytes: collect === undefined ? undefined : after - before };
}

function filled<C extends Contender>(contender: C, load: Workload): C {
  for (const range of load.ranges) contender.insert(range);
  return contender;
}

/** Nanoseconds of one search; fewer queries where one is slow. */
function timeSearch(contender: Contender, load: Workload, lengths: Float64Array, queries: number): number {
  let sum = 0;
  const run = () => {
    for (let i = 0; i < queries; i++) sum += contender.search(lengths[i]!, load.lows[i]!, load.highs[i]!);
  };
  const slow = queries < 1000;
  const time = nanoseconds(queries, run, slow ? { warmups: 1, rounds: 3 } : {});
  if (Number.isNaN(sum)) throw new Error(`${contender.name}: a search gave no number`);
  return time;
}

function timePair(contender: Contender, load: Workload, pairs: number): number {
  const run = () => {
    for (let i = 0; i < pairs; i++) {
      contender.remove(load.victims[i]!);
      contender.insert(load.victims[i]!);
    }
  };
  return nanoseconds(pairs, run, pairs < 1000 ? { warmups: 1, rounds: 3 } : {});
}

/** Every contender must give our answer, or its time means nothing. */
function checkAnswers(ours: Contender, peer: Contender, load: Workload, lengths: Float64Array): void {
  for (let i = 0; i < 20; i++) {
    const args = [lengths[i]!, load.lows[i]!, load.highs[i]!] as const;
    const [mine, theirs] = [ours.search(...args), peer.search(...args)];
    if (mine !== theirs) throw new Error(`${peer.name} finds ${theirs} where we find ${mine}: ${args}`);
  }
}

/** The rows of this benchmark. Takes a minute or two; `quick` leaves the largest size out. */
export async function gapSearch(quick = false): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of quick ? [1e3, 1e5] : [1e3, 1e5, 1e6]) {
    const load = workload(count);
    const target = targets.get(count)!;
    const label = `1e${Math.round(Math.log10(count))} ranges`;
    const slice = (SPAN / count) * 4;
    const ours = filled(new Ours(), load);
    const row = (what: string, unit: string, value: number, aim: string | undefined): Row => ({
      group: 'gap search',
      what: `${what}, ${label}`,
      unit,
      ours: rounded(value),
      ...(aim === undefined ? {} : { target: aim }),
    });
    const search = row('search', 'ns', timeSearch(ours, load, load.lengths, QUERIES), target.search);
    const scarce = row('search, few gaps fit', 'ns', timeSearch(ours, load, load.scarce, QUERIES), undefined);
    const pair = row('insert + remove', 'ns', timePair(ours, load, QUERIES), target.pair);
    const memory = row('memory of a range', 'bytes', ours.tree.bytes / count, 'under 44 bytes');

    const peers: (() => Contender)[] = [
      () => filled(new NodeIntervalTree(slice), load),
      () => filled(new FlattenIntervalTree(slice), load),
      () => filled(new SortedBtree(), load),
      () => new LinearScan(load.ranges),
    ];
    for (const make of peers) {
      const { made: peer, bytes } = retained(make);
      checkAnswers(ours, peer, load, load.lengths);
      checkAnswers(ours, peer, load, load.scarce);
      // About a hundred thousand steps a round: a walk takes up to `count` of them when few gaps fit.
      const long = Math.max(20, Math.min(QUERIES, Math.floor(1e5 / Math.min(count, 1000))));
      const linear = Math.max(20, Math.min(QUERIES, Math.floor(1e7 / count)));
      const isLinear = peer instanceof LinearScan;
      rows.push(
        beside(
          search,
          peer.name,
          timeSearch(peer, load, load.lengths, isLinear ? linear : Math.min(QUERIES, 4096)),
        ),
        beside(scarce, peer.name, timeSearch(peer, load, load.scarce, isLinear ? linear : long)),
        beside(pair, peer.name, timePair(peer, load, isLinear ? linear : 4096)),
      );
      if (bytes !== undefined && !isLinear) rows.push(beside(memory, peer.name, bytes / count));
    }
    // Without the collector at hand the peers' memory is not known, and ours stands alone.
    if (globalThis.gc === undefined) rows.push(memory);
  }
  return rows;
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) printRows(await gapSearch());
