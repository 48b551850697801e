/**
 * The search for a free place: one descent to the edge of the window, then outwards, passing over every
 * subtree whose largest gap is too small. Linux does the same with `mas_empty_area` and `mas_empty_area_rev`
 * (before 6.1 with an rb-tree that kept the largest gap below each node).
 *
 * Both directions serve both fits. A gap counts when, clipped to the window, it holds `need` bytes and an
 * aligned place of `length` bytes. For the Linux fit `need` is the padded length, which makes the second part
 * true by itself; for the exact fit `need` is the length, and a gap may fail on alignment alone. The next
 * aligned place is known then, so the search goes on there instead of looking at the gaps in between.
 *
 * @module
 */

import {
  lastAtMost,
  QUERY_HIGH,
  QUERY_LENGTH,
  QUERY_LOW,
  QUERY_MASK,
  QUERY_NEED,
  QUERY_OFFSET,
  type RangeTree,
} from './range-nodes.ts';

/** No place. Keys are never negative. */
export const NONE = -1;

/** The lowest start for `tree.query`, or NONE. */
export function lowestPlace(tree: RangeTree): number {
  const { query } = tree;
  const low = query[QUERY_LOW]!;
  const high = query[QUERY_HIGH]!;
  const need = query[QUERY_NEED]!;
  const length = query[QUERY_LENGTH]!;
  const mask = query[QUERY_MASK]!;
  const offset = query[QUERY_OFFSET]!;
  const { leaves, inners, pathNode, pathIndex, height } = tree;
  const top = height - 1;
  const leafFanout = leaves.fanout;
  const innerFanout = inners.fanout;
  const to = Math.min(high, tree.high);
  let from = Math.max(low, tree.low);
  // Sums of two keys may be rounded, but only beyond 2^53, where every comparison with a key comes out right.
  for (;;) {
    if (to - from < need) return NONE;
    let node = tree.root;
    let level = top;
    for (; level > 0; level--) {
      const found = lastAtMost(inners, node, from);
      const entry = Math.max(found, 0);
      pathNode[level] = node;
      pathIndex[level] = entry;
      node = inners.children[node * innerFanout + entry]!;
    }
    // The free space that is being looked at begins at `free`: where the window does, or the range before ends.
    let free = from;
    let entry = 0;
    {
      // Most searches end in this leaf, so it gets a loop of its own: find the window's start, then go on.
      const { bounds } = leaves;
      const base = node * 2 * leafFanout;
      const after = base + leaves.counts[node]!;
      let at = base;
      while (at < after && bounds[at]! <= from) at++;
      if (at > base && bounds[at + leafFanout - 1]! > from) free = bounds[at + leafFanout - 1]!;
      while (at < after && bounds[at]! - free < need) {
        free = bounds[at + leafFanout]!;
        at++;
      }
      entry = at - base;
    }
    let skipTo = -1;
    search: for (;;) {
      const pool = level === 0 ? leaves : inners;
      const { bounds } = pool;
      const base = node * 2 * pool.fanout;
      const ends = base + pool.fanout;
      const count = pool.counts[node]!;
      const innerBase = node * innerFanout;
      for (; entry < count; entry++) {
        const first = bounds[base + entry]!;
        if (first - free >= need) {
          const gapEnd = Math.min(first, to);
          if (gapEnd - free >= need) {
            const place = mask === 0 ? free : alignedUp(free, mask, offset);
            if (place + length <= gapEnd) return place;
            if (place > bounds[ends + count - 1]!) {
              skipTo = place;
              break search;
            }
          }
          if (first >= to) return NONE;
        }
        if (level > 0 && inners.gaps[innerBase + entry]! >= need) {
          // At the child's first entry there is no free space to see; what precedes it was looked at here.
          free = first;
          pathNode[level] = node;
          pathIndex[level] = entry;
          node = inners.children[innerBase + entry]!;
          level--;
          entry = 0;
          continue search;
        }
        free = bounds[ends + entry]!;
      }
      if (to - free < need) return NONE;
      if (level === top) {
        const place = mask === 0 ? free : alignedUp(free, mask, offset);
        return place + length <= to ? place : NONE;
      }
      level++;
      node = pathNode[level]!;
      entry = pathIndex[level]! + 1;
    }
    from = skipTo;
  }
}

/** The highest start for `tree.query`, or NONE. The mirror image of {@link lowestPlace}. */
export function highestPlace(tree: RangeTree): number {
  const { query } = tree;
  const low = query[QUERY_LOW]!;
  const high = query[QUERY_HIGH]!;
  const need = query[QUERY_NEED]!;
  const length = query[QUERY_LENGTH]!;
  const mask = query[QUERY_MASK]!;
  const offset = query[QUERY_OFFSET]!;
  const { leaves, inners, pathNode, pathIndex, height } = tree;
  const top = height - 1;
  const leafFanout = leaves.fanout;
  const innerFanout = inners.fanout;
  const from = Math.max(low, tree.low);
  let to = Math.min(high, tree.high);
  for (;;) {
    if (to - from < need) return NONE;
    let node = tree.root;
    let level = top;
    for (; level > 0; level--) {
      const found = lastAtMost(inners, node, to);
      const entry = Math.max(found, 0);
      pathNode[level] = node;
      pathIndex[level] = entry;
      node = inners.children[node * innerFanout + entry]!;
    }
    let entry = lastAtMost(leaves, node, to);
    // The free space that is being looked at ends at `free`. A range across the window's edge hides it for now.
    let free = to;
    if (entry >= 0 && leaves.bounds[node * 2 * leafFanout + leafFanout + entry]! > to) {
      free = leaves.bounds[node * 2 * leafFanout + entry]!;
      if (free - from < need) return NONE;
      // The gap below it is looked at in the loop, from this range's own place.
    }
    let skipTo = -1;
    search: for (;;) {
      const pool = level === 0 ? leaves : inners;
      const { bounds } = pool;
      const base = node * 2 * pool.fanout;
      const ends = base + pool.fanout;
      const innerBase = node * innerFanout;
      for (; entry >= 0; entry--) {
        const end = bounds[ends + entry]!;
        if (free - end >= need) {
          const gapStart = Math.max(end, from);
          if (free - gapStart >= need) {
            const place = mask === 0 ? free - length : alignedDown(free - length, mask, offset);
            if (place >= gapStart) return place;
            if (place + length < bounds[base]!) {
              skipTo = place + length;
              break search;
            }
          }
          if (end <= from) return NONE;
        }
        const first = bounds[base + entry]!;
        if (level > 0 && inners.gaps[innerBase + entry]! >= need) {
          free = end;
          pathNode[level] = node;
          pathIndex[level] = entry;
          node = inners.children[innerBase + entry]!;
          level--;
          entry = (level === 0 ? leaves : inners).counts[node]! - 1;
          continue search;
        }
        if (first < free) free = first;
      }
      if (free - from < need) return NONE;
      if (level === top) {
        const place = mask === 0 ? free - length : alignedDown(free - length, mask, offset);
        return place >= from ? place : NONE;
      }
      level++;
      node = pathNode[level]!;
      entry = pathIndex[level]! - 1;
    }
    to = skipTo;
  }
}

/**
 * The smallest number from `value` up that is `offset` modulo `mask + 1`. Division by a power of two is exact,
 * so that floor gives the quotient exactly; `%` gives the same, many times slower for large doubles.
 */
function alignedUp(value: number, mask: number, offset: number): number {
  const modulus = mask + 1;
  const distance = offset - value;
  return value + (distance - Math.floor(distance / modulus) * modulus);
}

/** The largest number from `value` down that is `offset` modulo `mask + 1`; may be negative. */
function alignedDown(value: number, mask: number, offset: number): number {
  const modulus = mask + 1;
  const distance = value - offset;
  return value - (distance - Math.floor(distance / modulus) * modulus);
}
