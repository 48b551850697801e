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

import { locate, type NodePool, type RangeTree } from './range-nodes.ts';

/** Inserts the range after the entry that the path points at (see `locate`). */
export function insertAfterPath(tree: RangeTree, start: number, end: number): void {
  const { pathNode, pathIndex } = tree;
  if (tree.leaves.counts[pathNode[0]!]! === tree.leaves.fanout) {
    tree.leaves.reserve(1);
    tree.inners.reserve(tree.height);
  }
  tree.version++;
  tree.size++;
  let first = start;
  let last = end;
  let gap = 0;
  let child = -1;
  for (let level = 0; ; level++) {
    const pool = tree.pool(level);
    const node = pathNode[level]!;
    const position = pathIndex[level]! + 1;
    if (pool.counts[node]! < pool.fanout) {
      // Above a split two entries have changed, not one: look at the whole node.
      const before = level === 0 ? gapBelow(pool, node, position) : UNKNOWN;
      put(pool, node, position, first, last, gap, child);
      refreshUp(tree, level, before, gapsAround(pool, node, position));
      return;
    }
    const right = split(tree, pool, level, node, position);
    const left = pool.counts[node]!;
    if (position <= left && left < pool.fanout) put(pool, node, position, first, last, gap, child);
    else put(pool, right, position - left, first, last, gap, child);
    if (level === tree.height - 1) {
      growRoot(tree, pool, node, right);
      return;
    }
    refreshEntry(tree, level, node, pathNode[level + 1]!, pathIndex[level + 1]!);
    const base = right * 2 * pool.fanout;
    first = pool.bounds[base]!;
    last = pool.bounds[base + pool.fanout + pool.counts[right]! - 1]!;
    gap = pool.largestGap(right);
    child = right;
  }
}

/** Removes the entry that the path points at. */
export function removeAtPath(tree: RangeTree): void {
  const { pathNode, pathIndex } = tree;
  tree.version++;
  tree.size--;
  let before = gapsAround(tree.leaves, pathNode[0]!, pathIndex[0]!);
  takeOut(tree.leaves, pathNode[0]!, pathIndex[0]!);
  let after = gapBelow(tree.leaves, pathNode[0]!, pathIndex[0]!);
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
    before = UNKNOWN;
    after = 0;
    refreshEntry(tree, level, left, parent, leftAt);
    if (!merged) {
      refreshEntry(tree, level, right, parent, leftAt + 1);
      level++;
      break;
    }
    takeOut(inners, parent, leftAt + 1);
  }
  refreshUp(tree, level, before, after);
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
  const before = gapsAround(leaves, leaf, entry);
  leaves.bounds[at] = start;
  leaves.bounds[at + leaves.fanout] = end;
  refreshUp(tree, 0, before, gapsAround(leaves, leaf, entry));
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

function put(
  pool: NodePool,
  node: number,
  position: number,
  first: number,
  last: number,
  gap: number,
  child: number,
): void {
  const count = pool.counts[node]!;
  pool.move(node, position, node, position + 1, count - position);
  pool.counts[node] = count + 1;
  const base = node * 2 * pool.fanout + position;
  pool.bounds[base] = first;
  pool.bounds[base + pool.fanout] = last;
  if (pool.inner) {
    pool.gaps[node * pool.fanout + position] = gap;
    pool.children[node * pool.fanout + position] = child;
  }
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
  for (const [entry, node] of [left, right].entries()) {
    const base = node * 2 * pool.fanout;
    const last = pool.bounds[base + pool.fanout + pool.counts[node]! - 1]!;
    put(inners, root, entry, pool.bounds[base]!, last, pool.largestGap(node), node);
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

/** Rewrites a parent's summary of `node`, whose entries have changed in ways not known in detail. */
function refreshEntry(tree: RangeTree, level: number, node: number, parent: number, entry: number): void {
  const pool = tree.pool(level);
  const { inners } = tree;
  const base = node * 2 * pool.fanout;
  const at = parent * 2 * inners.fanout + entry;
  inners.bounds[at] = pool.bounds[base]!;
  inners.bounds[at + inners.fanout] = pool.bounds[base + pool.fanout + pool.counts[node]! - 1]!;
  inners.gaps[parent * inners.fanout + entry] = pool.largestGap(node);
}

/** As the largest gap that a change took away: the node's gaps must all be looked at. */
const UNKNOWN = Number.POSITIVE_INFINITY;

/**
 * The path's node at `level` has changed: brings the summaries above it up to date, as far as they differ.
 * `before` and `after` are the largest gaps that the change took away and gave. They nearly always tell the
 * node's new largest gap; only where the largest itself was taken away must the node be looked through.
 */
function refreshUp(tree: RangeTree, level: number, before: number, after: number): void {
  const { inners, pathNode, pathIndex } = tree;
  let taken = before;
  let given = after;
  for (let l = level; l < tree.height - 1; l++) {
    const pool = tree.pool(l);
    const node = pathNode[l]!;
    const parent = pathNode[l + 1]!;
    const entry = pathIndex[l + 1]!;
    const base = node * 2 * pool.fanout;
    const at = parent * 2 * inners.fanout + entry;
    const gapAt = parent * inners.fanout + entry;
    const first = pool.bounds[base]!;
    const last = pool.bounds[base + pool.fanout + pool.counts[node]! - 1]!;
    const known = inners.gaps[gapAt]!;
    let gap = known;
    if (taken >= known) gap = given >= known && taken !== UNKNOWN ? given : pool.largestGap(node);
    else if (given > known) gap = given;
    if (inners.bounds[at] === first && inners.bounds[at + inners.fanout] === last && known === gap) return;
    taken = gapsAround(inners, parent, entry);
    inners.bounds[at] = first;
    inners.bounds[at + inners.fanout] = last;
    inners.gaps[gapAt] = gap;
    given = gapsAround(inners, parent, entry);
  }
}

/** The gap between an entry and the one below it in the same node, 0 where there are not both. */
function gapBelow(pool: NodePool, node: number, entry: number): number {
  if (entry <= 0 || entry >= pool.counts[node]!) return 0;
  const base = node * 2 * pool.fanout + entry;
  return pool.bounds[base]! - pool.bounds[base + pool.fanout - 1]!;
}

/** The largest gap that an entry has a part in: below it, above it, inside it. */
function gapsAround(pool: NodePool, node: number, entry: number): number {
  const around = Math.max(gapBelow(pool, node, entry), gapBelow(pool, node, entry + 1));
  return pool.inner ? Math.max(around, pool.gaps[node * pool.fanout + entry]!) : around;
}
