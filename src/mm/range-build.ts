/**
 * Builds a gap tree from ranges that are already in order, level by level, without searching. Nodes are left
 * an eighth empty, so that the first insertions do not split every one of them.
 *
 * @module
 */

import { RangeTree } from './range-nodes.ts';
import type { NodePool } from './range-pool.ts';

/** `bounds` holds start, end, start, end, … of `count` ranges, already checked. */
export function buildTree(bounds: Float64Array, count: number, low: number, high: number): RangeTree {
  const tree = new RangeTree(low, high);
  if (count === 0) return tree;
  tree.size = count;
  const { leaves } = tree;
  leaves.release(tree.root);
  let nodes: number[] = spread(leaves, count, (node, entry, i) => {
    const at = node * 2 * leaves.fanout + entry;
    leaves.bounds[at] = bounds[2 * i]!;
    leaves.bounds[at + leaves.fanout] = bounds[2 * i + 1]!;
  });
  while (nodes.length > 1) {
    const below = nodes;
    const from = tree.pool(tree.height - 1);
    const { inners } = tree;
    nodes = spread(inners, below.length, (node, entry, i) => {
      const child = below[i]!;
      const base = child * 2 * from.fanout;
      const at = node * 2 * inners.fanout + entry;
      inners.bounds[at] = from.bounds[base]!;
      inners.bounds[at + inners.fanout] = from.bounds[base + from.fanout + from.counts[child]! - 1]!;
      from.measure(child);
      inners.gaps[node * inners.fanout + entry] = from.top[0]!;
      inners.seconds[node * inners.fanout + entry] = from.top[1]!;
      inners.children[node * inners.fanout + entry] = child;
    });
    tree.height++;
  }
  tree.root = nodes[0]!;
  return tree;
}

/** Deals `count` entries evenly to as few nodes as keep to seven eighths; returns the nodes in order. */
function spread(
  pool: NodePool,
  count: number,
  write: (node: number, entry: number, index: number) => void,
): number[] {
  const wanted = count <= pool.fanout ? 1 : Math.ceil(count / Math.floor((pool.fanout * 7) / 8));
  pool.reserve(wanted);
  const nodes: number[] = [];
  for (let n = 0, next = 0; n < wanted; n++) {
    const node = pool.allocate();
    const until = Math.floor((count * (n + 1)) / wanted);
    const entries = until - next;
    for (let entry = 0; entry < entries; entry++) write(node, entry, next++);
    pool.counts[node] = entries;
    nodes.push(node);
  }
  return nodes;
}
