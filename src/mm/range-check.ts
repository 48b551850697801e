/**
 * The gap tree's own consistency: every rule that searches and updates rely on, checked over the whole
 * structure. For tests and for debugging; it takes time and memory in proportion to the tree.
 *
 * @module
 */

import type { RangeTree } from './range-nodes.ts';
import { type NodePool, UNKNOWN } from './range-pool.ts';

interface Summary {
  first: number;
  last: number;
  gap: number;
  second: number;
  ranges: number;
}

/** Throws an Error that says what is wrong. */
export function checkTree(tree: RangeTree): void {
  const seen = [new Set<number>(), new Set<number>()] as const;
  let previousEnd = tree.low;

  const visit = (node: number, level: number, leftEdge: boolean, rightEdge: boolean): Summary => {
    const pool = tree.pool(level);
    const where = `${level === 0 ? 'leaf' : `inner node of level ${level}`} ${node}`;
    const known = seen[level === 0 ? 0 : 1];
    if (node < 0 || node >= pool.highWater) throw new Error(`${where} was never allocated`);
    if (known.has(node)) throw new Error(`${where} is in the tree twice`);
    known.add(node);
    const count = pool.counts[node]!;
    if (count < 0) throw new Error(`${where} is in the tree and in the free list`);
    if (count > pool.fanout) throw new Error(`${where} has ${count} entries of ${pool.fanout}`);
    const least = leastEntries(tree, pool, node, leftEdge || rightEdge);
    if (count < least) throw new Error(`${where} has ${count} entries, ${least} expected at least`);

    const summary: Summary = { first: 0, last: 0, gap: 0, second: 0, ranges: 0 };
    const gaps: number[] = [0, 0];
    for (let i = 0; i < count; i++) {
      const first = pool.bounds[node * 2 * pool.fanout + i]!;
      const last = pool.bounds[node * 2 * pool.fanout + pool.fanout + i]!;
      let gapInside = 0;
      let ranges = 1;
      if (level > 0) {
        const child = pool.children[node * pool.fanout + i]!;
        const below = visit(child, level - 1, leftEdge && i === 0, rightEdge && i === count - 1);
        const told = pool.gaps[node * pool.fanout + i]!;
        if (below.first !== first || below.last !== last)
          throw new Error(`${where} says [${first}, ${last}) of entry ${i}: [${below.first}, ${below.last})`);
        if (below.gap !== told)
          throw new Error(`${where} says largest gap ${told} of entry ${i}: ${below.gap}`);
        const second = pool.seconds[node * pool.fanout + i]!;
        if (second !== UNKNOWN && below.second !== second)
          throw new Error(`${where} says second largest gap ${second} of entry ${i}: ${below.second}`);
        gapInside = told;
        ranges = below.ranges;
      } else {
        checkRange(tree, where, first, last, previousEnd);
        previousEnd = last;
      }
      if (i === 0) summary.first = first;
      else gaps.push(first - summary.last);
      gaps.push(gapInside);
      summary.last = last;
      summary.ranges += ranges;
    }
    gaps.sort((a, b) => b - a);
    summary.gap = gaps[0]!;
    summary.second = gaps[1]!;
    return summary;
  };

  const { ranges } = visit(tree.root, tree.height - 1, true, true);
  if (ranges !== tree.size) throw new Error(`size says ${tree.size}, the tree holds ${ranges} ranges`);
  checkFreeList('leaf', tree.leaves, seen[0].size);
  checkFreeList('inner', tree.inners, seen[1].size);
}

function leastEntries(tree: RangeTree, pool: NodePool, node: number, edge: boolean): number {
  if (node === tree.root && !pool.inner) return 0;
  if (edge) return pool.inner ? 2 : 1;
  return pool.minimum;
}

function checkRange(tree: RangeTree, where: string, first: number, last: number, previousEnd: number): void {
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last))
    throw new Error(`${where}: [${first}, ${last}) is not a range of safe integers`);
  if (first >= last) throw new Error(`${where}: [${first}, ${last}) is empty`);
  if (first < previousEnd) throw new Error(`${where}: [${first}, ${last}) begins before ${previousEnd}`);
  if (last > tree.high) throw new Error(`${where}: [${first}, ${last}) ends after ${tree.high}`);
}

function checkFreeList(what: string, pool: NodePool, inTree: number): void {
  let length = 0;
  for (let node = pool.freeHead; node >= 0; node = -2 - pool.counts[node]!) {
    if (node >= pool.highWater || pool.counts[node]! > -1)
      throw new Error(`free list of ${what} nodes: node ${node} is not free`);
    if (++length > pool.highWater) throw new Error(`free list of ${what} nodes has a cycle`);
  }
  if (length !== pool.freeCount)
    throw new Error(`free list of ${what} nodes has ${length} nodes, ${pool.freeCount} expected`);
  if (length + inTree !== pool.highWater)
    throw new Error(
      `${what} nodes: ${inTree} in the tree, ${length} free, ${pool.highWater} handed out; some leaked`,
    );
}
