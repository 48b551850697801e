/**
 * Storage of the gap tree: nodes of a B+tree in pools of typed arrays, and the summary that each parent keeps
 * of each child. An entry of a leaf is a range; an entry of an inner node stands for a whole subtree, by the
 * first byte and the end of what it holds, and by the two largest gaps between two neighbours inside it. A leaf's
 * entry has no gap inside it, so that both kinds of node share all code but these columns.
 *
 * Keys are doubles (exact to 2^53). Only node and entry indexes are 32-bit integers.
 *
 * @module
 */

/**
 * Entries of a leaf and of an inner node. Larger leaves cost more to scan and shift, smaller ones more levels;
 * bench/gap-search.ts is what these were chosen with.
 */
export const LEAF_FANOUT = 32;
export const INNER_FANOUT = 64;

/** A second largest gap that is not known. */
export const UNKNOWN = -1;

/** The nodes of one kind. Node `n` owns the entries `n * fanout … n * fanout + counts[n] - 1` of each column. */
export class NodePool {
  readonly fanout: number;
  /**
   * Fewest entries of a node away from the tree's edges. A little less than half, so that a range inserted
   * and removed again and again at the border between two nodes does not split and merge them each time.
   */
  readonly minimum: number;
  readonly inner: boolean;
  /** Two columns a node: `fanout` first keys, then `fanout` ends. */
  bounds: Float64Array;
  /** Inner nodes: the largest gap between neighbours inside each child. */
  gaps: Float64Array;
  /**
   * Inner nodes: the second largest, or UNKNOWN. With it a child that loses its largest gap need not be looked through
   * to know the new one. It is written at the first chance, and forgotten where it would take a search.
   */
  seconds: Float64Array;
  /** What {@link measure} has found: the largest gap and the second largest. */
  readonly top = new Float64Array(2);
  /** Inner nodes: each child's node number, in the pool of the level below. */
  children: Int32Array;
  /** Entries in use; for a free node, -2 less the next free node (so -1 ends the list). */
  counts: Int32Array;
  freeHead = -1;
  freeCount = 0;
  /** Nodes below this number have been handed out at some time. */
  highWater = 0;

  constructor(fanout: number, inner: boolean) {
    this.fanout = fanout;
    this.minimum = Math.floor((fanout * 7) / 16);
    this.inner = inner;
    this.bounds = new Float64Array(0);
    this.gaps = new Float64Array(0);
    this.seconds = new Float64Array(0);
    this.children = new Int32Array(0);
    this.counts = new Int32Array(0);
    this.grow(1);
  }

  /** Makes sure that `nodes` allocations follow without growing, so that a failure to grow changes nothing. */
  reserve(nodes: number): void {
    const missing = nodes - this.freeCount - (this.counts.length - this.highWater);
    if (missing > 0) this.grow(this.counts.length + missing);
  }

  /** An empty node. */
  allocate(): number {
    let node = this.freeHead;
    if (node >= 0) {
      this.freeHead = -2 - this.counts[node]!;
      this.freeCount--;
    } else {
      if (this.highWater === this.counts.length) this.grow(this.highWater + 1);
      node = this.highWater++;
    }
    this.counts[node] = 0;
    return node;
  }

  release(node: number): void {
    this.counts[node] = -2 - this.freeHead;
    this.freeHead = node;
    this.freeCount++;
  }

  /** Copies `count` entries; the two places may overlap. */
  move(fromNode: number, fromEntry: number, toNode: number, toEntry: number, count: number): void {
    if (count <= 0) return;
    const { fanout, bounds } = this;
    const from = fromNode * 2 * fanout + fromEntry;
    const to = toNode * 2 * fanout + toEntry;
    copyFloats(bounds, from, to, count);
    copyFloats(bounds, from + fanout, to + fanout, count);
    if (this.inner) {
      const innerFrom = fromNode * fanout + fromEntry;
      const innerTo = toNode * fanout + toEntry;
      copyFloats(this.gaps, innerFrom, innerTo, count);
      copyFloats(this.seconds, innerFrom, innerTo, count);
      copyInts(this.children, innerFrom, innerTo, count);
    }
  }

  /** Finds the two largest gaps between neighbours within `node`, at any depth, into `top`; 0 where there is none. */
  measure(node: number): void {
    const { fanout, bounds, gaps, inner, top } = this;
    const base = node * 2 * fanout;
    const after = base + this.counts[node]!;
    const toEndBefore = fanout - 1;
    let largest = 0;
    let second = 0;
    for (let at = base + 1; at < after; at++) {
      const gap = bounds[at]! - bounds[at + toEndBefore]!;
      if (gap <= second) continue;
      if (gap > largest) {
        second = largest;
        largest = gap;
      } else second = gap;
    }
    if (inner) {
      const start = node * fanout;
      const end = start + this.counts[node]!;
      for (let at = start; at < end; at++) {
        const gap = gaps[at]!;
        if (gap <= second) continue;
        if (gap > largest) {
          second = largest;
          largest = gap;
        } else second = gap;
      }
    }
    top[0] = largest;
    top[1] = second;
  }

  get bytes(): number {
    const { bounds, gaps, seconds, children, counts } = this;
    return [bounds, gaps, seconds, children, counts].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  private grow(atLeast: number): void {
    // By a quarter, not by doubling: even right after growing, the spare space is then small.
    const now = this.counts.length;
    const nodes = Math.max(atLeast, now + 2, Math.ceil(now * 1.25));
    const bounds = widenFloats(this.bounds, nodes * 2 * this.fanout);
    const gaps = this.inner ? widenFloats(this.gaps, nodes * this.fanout) : this.gaps;
    const seconds = this.inner ? widenFloats(this.seconds, nodes * this.fanout) : this.seconds;
    const children = this.inner ? widenInts(this.children, nodes * this.fanout) : this.children;
    const counts = widenInts(this.counts, nodes);
    this.bounds = bounds;
    this.gaps = gaps;
    this.seconds = seconds;
    this.children = children;
    this.counts = counts;
  }
}

// Loops, not copyWithin: for the few entries of a node the call itself would cost more than the copying. One
// for each kind of array, because code that sees both kinds is compiled to something slower for either.
function copyFloats(array: Float64Array, from: number, to: number, count: number): void {
  if (to < from) for (let i = 0; i < count; i++) array[to + i] = array[from + i]!;
  else for (let i = count - 1; i >= 0; i--) array[to + i] = array[from + i]!;
}

function copyInts(array: Int32Array, from: number, to: number, count: number): void {
  if (to < from) for (let i = 0; i < count; i++) array[to + i] = array[from + i]!;
  else for (let i = count - 1; i >= 0; i--) array[to + i] = array[from + i]!;
}

function widenFloats(old: Float64Array, length: number): Float64Array {
  const wide = new Float64Array(length);
  wide.set(old);
  return wide;
}

function widenInts(old: Int32Array, length: number): Int32Array {
  const wide = new Int32Array(length);
  wide.set(old);
  return wide;
}
