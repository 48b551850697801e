/**
 * A kd-tree whose links are addresses, built from TypeScript in memory that a device can read: whoever sees the same
 * bytes at the same address can follow it, with nothing copied or translated. The memory may be a heap of a mirror,
 * an arena of one, or anything else that gives out parts of itself.
 *
 * @module
 */

import type { Accessor, AllocatingMemory, PiecedMemory } from 'mirrorspace/layout';
import { unitVector } from './globe.ts';
import { Node, Tree } from './layout.ts';
import type { Point } from './points.ts';

/** The tree of all points (at least one), made in `memory`; `index` in a node is the point's place in the list. */
export function buildTree(memory: AllocatingMemory, points: readonly Point[]): Accessor<typeof Tree> {
  if (points.length === 0) throw new RangeError('a tree needs at least one point');
  const order = Uint32Array.from(points.keys());
  const { xs, ys, zs } = coordinates(points);
  const nodes = Node.in(memory);

  /** Makes nodes of the points order[low, high); returns the address of their root, 0 where there are none. */
  const place = (low: number, high: number): number => {
    if (low === high) return 0;
    const node = nodes.create();
    const x = extent(xs, order, low, high);
    const y = extent(ys, order, low, high);
    const z = extent(zs, order, low, high);
    node.lowX = x.low;
    node.lowY = y.low;
    node.lowZ = z.low;
    node.highX = x.high;
    node.highY = y.high;
    node.highZ = z.high;

    const middle = (low + high) >>> 1;
    const widest = x.width >= y.width && x.width >= z.width ? xs : y.width >= z.width ? ys : zs;
    select(order, low, high - 1, middle, widest);
    const index = order[middle]!;
    node.x = xs[index]!;
    node.y = ys[index]!;
    node.z = zs[index]!;
    node.index = index;
    node.left = place(low, middle);
    node.right = place(middle + 1, high);
    return node.address;
  };

  const tree = Tree.in(memory).create();
  tree.root = place(0, points.length);
  tree.count = points.length;
  return tree;
}

/** A node as an ordinary object. */
export interface TreeObject {
  x: number;
  y: number;
  z: number;
  lowX: number;
  lowY: number;
  lowZ: number;
  highX: number;
  highY: number;
  highZ: number;
  index: number;
  left: TreeObject | null;
  right: TreeObject | null;
}

/** The same tree as ordinary objects: what a program without shared memory would have, and would have to copy. */
export function toObjects(memory: PiecedMemory, tree: Accessor<typeof Tree>): TreeObject {
  const nodes = Node.in(memory);
  const toObject = (address: number): TreeObject => {
    const { x, y, z, lowX, lowY, lowZ, highX, highY, highZ, index, left, right } = nodes.at(address);
    return {
      ...{ x, y, z, lowX, lowY, lowZ, highX, highY, highZ, index },
      left: left === 0 ? null : toObject(left),
      right: right === 0 ? null : toObject(right),
    };
  };
  return toObject(tree.root);
}

/** The points as unit vectors, an array per axis. */
function coordinates(points: readonly Point[]) {
  const xs = new Float64Array(points.length);
  const ys = new Float64Array(points.length);
  const zs = new Float64Array(points.length);
  points.forEach(({ latitude, longitude }, i) => {
    [xs[i], ys[i], zs[i]] = unitVector(latitude, longitude);
  });
  return { xs, ys, zs };
}

/** The lowest and highest of the values of order[from, to). */
function extent(values: Float64Array, order: Uint32Array, from: number, to: number) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = from; i < to; i++) {
    const value = values[order[i]!]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high, width: high - low };
}

/** Hoare's selection: afterwards order[k] is in its sorted place, with nothing above it before, nor below it after. */
function select(order: Uint32Array, low: number, high: number, k: number, values: Float64Array): void {
  while (low < high) {
    const pivot = values[order[(low + high) >>> 1]!]!;
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[order[i]!]! < pivot) i++;
      while (values[order[j]!]! > pivot) j--;
      if (i > j) break;
      const held = order[i]!;
      order[i++] = order[j]!;
      order[j--] = held;
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else return;
  }
}
