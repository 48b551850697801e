/**
 * Storage of the gap tree: nodes of a B+tree in pools of typed arrays, and the summary that each parent keeps
 * of each child. An entry of a leaf is a range; an entry of an inner node stands for a whole subtree, by the
 * first byte and the end of what it holds, and by the largest gap between two neighbours inside it. A leaf's
 * entry has no gap inside it, so that both kinds of node share all code but this one column.
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
export const INNER_FANOUT = 32;

/**
 * Where a search finds its arguments in `RangeTree.query`. Passed as arguments they would each be boxed: large
 * numbers are heap objects wherever they are not in an array of doubles. `NEED` >= 1 is what a gap must hold;
 * `OFFSET` is in [0, MASK].
 */
export const QUERY_LOW = 0;
export const QUERY_HIGH = 1;
export const QUERY_NEED = 2;
export const QUERY_LENGTH = 3;
export const QUERY_MASK = 4;
export const QUERY_OFFSET = 5;

/** No tree that fits in memory is as high: 16^24 entries. */
const MAX_HEIGHT = 24;

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
      copyInts(this.children, innerFrom, innerTo, count);
    }
  }

  /** The largest gap between two neighbours within `node`, at any depth. */
  largestGap(node: number): number {
    const { fanout, bounds } = this;
    const count = this.counts[node]!;
    if (count === 0) return 0;
    const base = node * 2 * fanout;
    let largest = 0;
    let end = bounds[base + fanout]!;
    for (let i = 1; i < count; i++) {
      const gap = bounds[base + i]! - end;
      if (gap > largest) largest = gap;
      end = bounds[base + fanout + i]!;
    }
    if (this.inner) {
      const { gaps } = this;
      const start = node * fanout;
      for (let i = start; i < start + count; i++) {
        const gap = gaps[i]!;
        if (gap > largest) largest = gap;
      }
    }
    return largest;
  }

  get bytes(): number {
    return this.bounds.byteLength + this.gaps.byteLength + this.children.byteLength + this.counts.byteLength;
  }

  private grow(atLeast: number): void {
    // By a quarter, not by doubling: even right after growing, the spare space is then small.
    const now = this.counts.length;
    const nodes = Math.max(atLeast, now + 2, Math.ceil(now * 1.25));
    const bounds = widenFloats(this.bounds, nodes * 2 * this.fanout);
    const gaps = this.inner ? widenFloats(this.gaps, nodes * this.fanout) : this.gaps;
    const children = this.inner ? widenInts(this.children, nodes * this.fanout) : this.children;
    const counts = widenInts(this.counts, nodes);
    this.bounds = bounds;
    this.gaps = gaps;
    this.children = children;
    this.counts = counts;
  }
}

/** The whole tree. `pathNode` and `pathIndex` are scratch: the way from the root (level `height - 1`) to a leaf (0). */
export class RangeTree {
  readonly low: number;
  readonly high: number;
  readonly leaves = new NodePool(LEAF_FANOUT, false);
  readonly inners = new NodePool(INNER_FANOUT, true);
  root: number;
  /** Levels; 1 where the root is a leaf. */
  height = 1;
  size = 0;
  /** Counts changes, so that an iterator knows when its place is stale. */
  version = 0;
  readonly query = new Float64Array(6);
  readonly pathNode = new Int32Array(MAX_HEIGHT);
  readonly pathIndex = new Int32Array(MAX_HEIGHT);

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
    this.root = this.leaves.allocate();
  }

  pool(level: number): NodePool {
    return level === 0 ? this.leaves : this.inners;
  }
}

/**
 * The last entry of `node` whose first key is at most `key`, or -1. From the left, one by one: a binary search
 * does a third of the comparisons, but the processor guesses each of them wrong every other time, and at these
 * node sizes that makes it twice as slow.
 */
export function lastAtMost(pool: NodePool, node: number, key: number): number {
  const { bounds } = pool;
  const base = node * 2 * pool.fanout;
  const after = base + pool.counts[node]!;
  let at = base;
  while (at < after && bounds[at]! <= key) at++;
  return at - base - 1;
}

/**
 * Descends to the leaf that holds `key` or would, fills the path, and returns the entry there: the last range
 * that starts at or below `key`, or -1 where there is none in the whole tree (first keys are exact).
 */
export function locate(tree: RangeTree, key: number): number {
  const { inners, pathNode, pathIndex } = tree;
  let node = tree.root;
  for (let level = tree.height - 1; level > 0; level--) {
    const entry = Math.max(0, lastAtMost(inners, node, key));
    pathNode[level] = node;
    pathIndex[level] = entry;
    node = inners.children[node * inners.fanout + entry]!;
  }
  const entry = lastAtMost(tree.leaves, node, key);
  pathNode[0] = node;
  pathIndex[0] = entry;
  return entry;
}

/** Moves the path to the next range; false at the end of the tree, and the path is then of no use. */
export function stepForward(tree: RangeTree): boolean {
  const { pathNode, pathIndex, inners } = tree;
  let level = 0;
  while (pathIndex[level]! + 1 >= tree.pool(level).counts[pathNode[level]!]!) {
    if (++level >= tree.height) return false;
  }
  pathIndex[level] = pathIndex[level]! + 1;
  while (level > 0) {
    const child = inners.children[pathNode[level]! * inners.fanout + pathIndex[level]!]!;
    level--;
    pathNode[level] = child;
    pathIndex[level] = 0;
  }
  return true;
}

/** Moves the path to the range before; false at the beginning of the tree. */
export function stepBack(tree: RangeTree): boolean {
  const { pathNode, pathIndex, inners } = tree;
  let level = 0;
  while (pathIndex[level]! <= 0) {
    if (++level >= tree.height) return false;
  }
  pathIndex[level] = pathIndex[level]! - 1;
  while (level > 0) {
    const child = inners.children[pathNode[level]! * inners.fanout + pathIndex[level]!]!;
    level--;
    pathNode[level] = child;
    pathIndex[level] = tree.pool(level).counts[child]! - 1;
  }
  return true;
}

/** Start of the range that the path points at. */
export function pathStart(tree: RangeTree): number {
  return tree.leaves.bounds[tree.pathNode[0]! * 2 * LEAF_FANOUT + tree.pathIndex[0]!]!;
}

/** End of the range that the path points at. */
export function pathEnd(tree: RangeTree): number {
  return tree.leaves.bounds[tree.pathNode[0]! * 2 * LEAF_FANOUT + LEAF_FANOUT + tree.pathIndex[0]!]!;
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
