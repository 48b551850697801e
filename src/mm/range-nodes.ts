/**
 * The gap tree as a whole, and the ways in it: from the root to the leaf of a key, from a range to its neighbours. A way
 * is kept as a path, in scratch of the tree.
 *
 * @module
 */

import { INNER_FANOUT, LEAF_FANOUT, NodePool } from './range-pool.ts';

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
  /** Scratch for updates: gaps that a change takes away from a node, and gaps that it gives; NaN is none. */
  readonly taken = new Float64Array(3);
  readonly given = new Float64Array(3);
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
