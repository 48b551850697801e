/**
 * What parents know of their children in the gap tree, after a change: the range that a child spans, and its two largest
 * gaps. A change says which gaps it took away and which it gave; with the largest two known that nearly always tells the
 * new largest, without a look at the child. A search needs the largest only, so the second may be unknown.
 *
 *     taken           |<- 7 ->|            largest 9, second 7    ->   9, unknown
 *     given           |3| [ ] |3|                                 ->   9, unknown
 *     taken           |<-- 9 -->|          largest unknown: the child is looked through
 *
 * @module
 */

import type { RangeTree } from './range-nodes.ts';
import type { NodePool } from './range-pool.ts';

/** In `taken`: the node's gaps have changed in ways not known in detail. */
export const EVERYTHING = Number.POSITIVE_INFINITY;

/**
 * The path's node at `level` has changed: brings the summaries above it up to date, as far as they differ. `taken` and
 * `given` are the gaps that the change took away and gave. With the two largest they nearly always tell the node's new
 * largest gap; else the node is looked through.
 */
export function refreshUp(tree: RangeTree, level: number): void {
  const { inners, pathNode, pathIndex, taken, given } = tree;
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
    // Negative where unknown. Literals, since a constant of the module would turn these into objects on the heap.
    let largest = taken[0] === EVERYTHING ? -1 : known;
    let second = inners.seconds[gapAt]!;
    for (let i = 0; i < 3; i++) {
      const gap = taken[i]!;
      if (gap === largest) {
        largest = second;
        second = -1;
      } else if (gap === second) second = -1;
    }
    for (let i = 0; i < 3; i++) {
      const gap = given[i]!;
      if (largest < 0) {
        // All that is left was at most `known`.
        if (gap >= known && taken[0] !== EVERYTHING) largest = gap;
      } else if (gap >= largest) {
        second = largest;
        largest = gap;
      } else if (second >= 0 && gap > second) second = gap;
    }
    if (largest < 0) {
      pool.measure(node);
      largest = pool.top[0]!;
      second = pool.top[1]!;
    }
    inners.seconds[gapAt] = second;
    const moved = inners.bounds[at] !== first || inners.bounds[at + inners.fanout] !== last;
    if (!moved && known === largest) return;
    inners.gaps[gapAt] = largest;
    if (moved) {
      noteGaps(inners, parent, entry, taken);
      inners.bounds[at] = first;
      inners.bounds[at + inners.fanout] = last;
      noteGaps(inners, parent, entry, given);
    } else {
      taken[0] = Number.NaN;
      taken[1] = Number.NaN;
      given[0] = Number.NaN;
      given[1] = Number.NaN;
    }
    taken[2] = known;
    given[2] = largest;
  }
}

/** The gap between an entry and the one below it in the same node, alone; none where there are not both. */
export function noteGapBelow(pool: NodePool, node: number, entry: number, into: Float64Array): void {
  const base = node * 2 * pool.fanout + entry;
  const both = entry > 0 && entry < pool.counts[node]!;
  into[0] = both ? pool.bounds[base]! - pool.bounds[base + pool.fanout - 1]! : Number.NaN;
  into[1] = Number.NaN;
  into[2] = Number.NaN;
}

/** The gaps that an entry has a part in: below it, above it, inside it. */
export function noteGaps(pool: NodePool, node: number, entry: number, into: Float64Array): void {
  const { bounds, fanout } = pool;
  const base = node * 2 * fanout + entry;
  into[0] = entry > 0 ? bounds[base]! - bounds[base + fanout - 1]! : Number.NaN;
  into[1] = entry + 1 < pool.counts[node]! ? bounds[base + 1]! - bounds[base + fanout]! : Number.NaN;
  into[2] = pool.inner ? pool.gaps[node * fanout + entry]! : Number.NaN;
}

/** Rewrites a parent's summary of `node`, whose entries have changed in ways not known in detail. */
export function refreshEntry(
  tree: RangeTree,
  level: number,
  node: number,
  parent: number,
  entry: number,
): void {
  const pool = tree.pool(level);
  const { inners } = tree;
  const base = node * 2 * pool.fanout;
  const at = parent * 2 * inners.fanout + entry;
  inners.bounds[at] = pool.bounds[base]!;
  inners.bounds[at + inners.fanout] = pool.bounds[base + pool.fanout + pool.counts[node]! - 1]!;
  pool.measure(node);
  inners.gaps[parent * inners.fanout + entry] = pool.top[0]!;
  inners.seconds[parent * inners.fanout + entry] = pool.top[1]!;
}
