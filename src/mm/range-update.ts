/**
 * Changes to the gap tree: inserting a range, removing an entry, moving an edge, with the splits, merges and
 * balancing of a B+tree, and the summaries kept exact on the way up. Callers have checked that the change is
 * legal; nothing here throws once it has begun to change something.
 *
 * A node that overflows at the tree's own first or last entry is left full and its new neighbour nearly
 * empty, so that ranges inserted in ascending or descending order (as an address space fills up) pack tightly.
 *
 * @module
 */

import { locate, type RangeTree } from './range-nodes.ts';
import { LEAF_FANOUT, type NodePool } from './range-pool.ts';
import { EVERYTHING, noteGapBelow, noteGaps, refreshEntry, refreshUp } from './range-summary.ts';

/** Inserts the range after the entry that the path points at (see `locate`). */
export function insertAfterPath(tree: RangeTree, start: number, end: number): void {
  const { leaves } = tree;
  const leaf = tree.pathNode[0]!;
  if (leaves.counts[leaf]! === leaves.fanout) {
    leaves.reserve(1);
    tree.inners.reserve(tree.height);
    insertSplitting(tree, start, end);
    return;
  }
  const position = tree.pathIndex[0]! + 1;
  tree.version++;
  tree.size++;
  noteGapBelow(leaves, leaf, position, tree.taken);
  makeRoom(leaves, leaf, position);
  const at = leaf * 2 * LEAF_FANOUT + position;
  leaves.bounds[at] = start;
  leaves.bounds[at + LEAF_FANOUT] = end;
  noteGaps(leaves, leaf, position, tree.given);
  refreshUp(tree, 0);
}

function insertSplitting(tree: RangeTree, start: number, end: number): void {
  const { pathNode, pathIndex } = tree;
  tree.version++;
  tree.size++;
  const entry: Entry = { first: start, last: end, gap: 0, second: 0, child: -1 };
  for (let level = 0; ; level++) {
    const pool = tree.pool(level);
    const node = pathNode[level]!;
    const position = pathIndex[level]! + 1;
    if (pool.counts[node]! < pool.fanout) {
      put(pool, node, position, entry);
      // Above a split two entries have changed, not one.
      tree.taken[0] = EVERYTHING;
      refreshUp(tree, level);
      return;
    }
    const right = split(tree, pool, level, node, position);
    const left = pool.counts[node]!;
    if (position <= left && left < pool.fanout) put(pool, node, position, entry);
    else put(pool, right, position - left, entry);
    if (level === tree.height - 1) {
      growRoot(tree, pool, node, right);
      return;
    }
    refreshEntry(tree, level, node, pathNode[level + 1]!, pathIndex[level + 1]!);
    summarise(pool, right, entry);
  }
}

/** Removes the entry that the path points at. */
export function removeAtPath(tree: RangeTree): void {
  const { pathNode, pathIndex } = tree;
  tree.version++;
  tree.size--;
  noteGaps(tree.leaves, pathNode[0]!, pathIndex[0]!, tree.taken);
  takeOut(tree.leaves, pathNode[0]!, pathIndex[0]!);
  noteGapBelow(tree.leaves, pathNode[0]!, pathIndex[0]!, tree.given);
  let level = 0;
  for (; level < tree.height - 1; level++) {
    const pool = tree.pool(level);
    if (pool.counts[pathNode[level]!]! >= pool.minimum) break;
    const parent = pathNode[level + 1]!;
    const at = pathIndex[level + 1]!;
    const leftAt = at > 0 ? at - 1 : at;
    const { inners } = tree;
    const left = inners.children[parent * inners.fanout + leftAt]!;
    const right = inners.children[parent * inners.fanout + leftAt + 1]!;
    const merged = mergeOrBalance(pool, left, right);
    tree.taken[0] = EVERYTHING;
    refreshEntry(tree, level, left, parent, leftAt);
    if (!merged) {
      refreshEntry(tree, level, right, parent, leftAt + 1);
      level++;
      break;
    }
    takeOut(inners, parent, leftAt + 1);
  }
  refreshUp(tree, level);
  while (tree.height > 1 && tree.inners.counts[tree.root]! === 1) {
    const only = tree.inners.children[tree.root * tree.inners.fanout]!;
    tree.inners.release(tree.root);
    tree.root = only;
    tree.height--;
  }
}

/** Moves one edge of the range that the path points at; the new range lies within the old one. */
export function trimAtPath(tree: RangeTree, start: number, end: number): void {
  const { leaves } = tree;
  const leaf = tree.pathNode[0]!;
  const entry = tree.pathIndex[0]!;
  const at = leaf * 2 * leaves.fanout + entry;
  tree.version++;
  noteGaps(leaves, leaf, entry, tree.taken);
  leaves.bounds[at] = start;
  leaves.bounds[at + leaves.fanout] = end;
  noteGaps(leaves, leaf, entry, tree.given);
  refreshUp(tree, 0);
}

/** Cuts [start, end) out of the range that the path points at, which reaches past it on both sides. */
export function splitAtPath(tree: RangeTree, start: number, end: number): void {
  const { leaves } = tree;
  leaves.reserve(1);
  tree.inners.reserve(tree.height);
  const at = tree.pathNode[0]! * 2 * leaves.fanout + tree.pathIndex[0]!;
  const first = leaves.bounds[at]!;
  const last = leaves.bounds[at + leaves.fanout]!;
  trimAtPath(tree, first, start);
  locate(tree, end);
  insertAfterPath(tree, end, last);
}

/** An entry on its way into a node; `gap`, `second` and `child` are those of inner nodes. */
interface Entry {
  first: number;
  last: number;
  gap: number;
  second: number;
  child: number;
}

function summarise(pool: NodePool, node: number, into: Entry): void {
  const base = node * 2 * pool.fanout;
  pool.measure(node);
  into.first = pool.bounds[base]!;
  into.last = pool.bounds[base + pool.fanout + pool.counts[node]! - 1]!;
  into.gap = pool.top[0]!;
  into.second = pool.top[1]!;
  into.child = node;
}

function put(
  pool: NodePool,
  node: number,
  position: number,
  { first, last, gap, second, child }: Entry,
): void {
  makeRoom(pool, node, position);
  const base = node * 2 * pool.fanout + position;
  pool.bounds[base] = first;
  pool.bounds[base + pool.fanout] = last;
  if (pool.inner) {
    pool.gaps[node * pool.fanout + position] = gap;
    pool.seconds[node * pool.fanout + position] = second;
    pool.children[node * pool.fanout + position] = child;
  }
}

function makeRoom(pool: NodePool, node: number, position: number): void {
  const count = pool.counts[node]!;
  pool.move(node, position, node, position + 1, count - position);
  pool.counts[node] = count + 1;
}

function takeOut(pool: NodePool, node: number, position: number): void {
  const count = pool.counts[node]!;
  pool.move(node, position + 1, node, position, count - position - 1);
  pool.counts[node] = count - 1;
}

/** Moves the upper part of a full node to a new one, to its right. */
function split(tree: RangeTree, pool: NodePool, level: number, node: number, position: number): number {
  const right = pool.allocate();
  const { fanout } = pool;
  let keep = fanout / 2;
  // An inner node needs two children at least, one of which is the entry about to be put in.
  const least = pool.inner ? 1 : 0;
  if (position === fanout && onEdge(tree, level, true)) keep = fanout - least;
  else if (position <= 1 && onEdge(tree, level, false)) keep = 1;
  pool.move(node, keep, right, 0, fanout - keep);
  pool.counts[node] = keep;
  pool.counts[right] = fanout - keep;
  return right;
}

/** Whether the path's node at `level` is the last (or first) of its level. */
function onEdge(tree: RangeTree, level: number, last: boolean): boolean {
  for (let above = level + 1; above < tree.height; above++) {
    const edge = last ? tree.inners.counts[tree.pathNode[above]!]! - 1 : 0;
    if (tree.pathIndex[above] !== edge) return false;
  }
  return true;
}

function growRoot(tree: RangeTree, pool: NodePool, left: number, right: number): void {
  const { inners } = tree;
  const root = inners.allocate();
  const entry: Entry = { first: 0, last: 0, gap: 0, second: 0, child: -1 };
  for (const [position, node] of [left, right].entries()) {
    summarise(pool, node, entry);
    put(inners, root, position, entry);
  }
  tree.root = root;
  tree.height++;
}

/** One of two neighbours has too few entries: joins them (true), or evens them out. */
function mergeOrBalance(pool: NodePool, left: number, right: number): boolean {
  const leftCount = pool.counts[left]!;
  const rightCount = pool.counts[right]!;
  const total = leftCount + rightCount;
  if (total <= 2 * pool.minimum) {
    pool.move(right, 0, left, leftCount, rightCount);
    pool.counts[left] = total;
    pool.release(right);
    return true;
  }
  const half = Math.floor(total / 2);
  if (leftCount < half) {
    const moved = half - leftCount;
    pool.move(right, 0, left, leftCount, moved);
    pool.move(right, moved, right, 0, rightCount - moved);
  } else {
    const moved = leftCount - half;
    pool.move(right, 0, right, moved, rightCount);
    pool.move(left, half, right, 0, moved);
  }
  pool.counts[left] = half;
  pool.counts[right] = total - half;
  return false;
}
