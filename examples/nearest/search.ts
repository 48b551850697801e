/**
 * Nearest-point search in plain JavaScript, twice: the kernel's own algorithm on the very same bytes, and a
 * brute-force scan that knows nothing of trees and serves as the judge. All three compute a distance by the
 * same operations in the same order, so equal answers are equal to the last bit.
 *
 * @module
 */

import type { Accessor, PiecedMemory } from 'mirrorspace/layout';
import { unitVector, type Vector } from './globe.ts';
import { Node, type Tree } from './layout.ts';
import type { Point } from './points.ts';

/** `distance` is the squared chord. */
export interface Answer {
  readonly index: number;
  readonly distance: number;
}

/** Follows the tree's pointers; after {@link find}, `index` and `distance` hold the answer. */
export class TreeSearch implements Answer {
  index = -1;
  distance = Infinity;
  private x = 0;
  private y = 0;
  private z = 0;
  private readonly root: number;
  /** The one accessor, which moves from node to node: a search allocates nothing. */
  private readonly node: Accessor<typeof Node>;

  constructor(memory: PiecedMemory, tree: Accessor<typeof Tree>) {
    this.root = tree.root;
    this.node = Node.in(memory).at(tree.root);
  }

  find([x, y, z]: Vector): Answer {
    this.x = x;
    this.y = y;
    this.z = z;
    this.index = -1;
    this.distance = Infinity;
    this.visit(this.root);
    return this;
  }

  private visit(address: number): void {
    const { node } = this;
    node.move(address);
    const dx = this.x - node.x;
    const dy = this.y - node.y;
    const dz = this.z - node.z;
    const distance = dx * dx + dy * dy + dz * dz;
    if (distance < this.distance) {
      this.distance = distance;
      this.index = node.index;
    }
    const leftNode = node.left;
    const rightNode = node.right;
    const left = this.boxDistance(leftNode);
    const right = this.boxDistance(rightNode);
    if (left <= right) {
      if (left < this.distance) this.visit(leftNode);
      if (right < this.distance) this.visit(rightNode);
    } else {
      if (right < this.distance) this.visit(rightNode);
      if (left < this.distance) this.visit(leftNode);
    }
  }

  private boxDistance(address: number): number {
    if (address === 0) return Infinity;
    const { node } = this;
    node.move(address);
    const dx = Math.max(node.lowX - this.x, this.x - node.highX, 0);
    const dy = Math.max(node.lowY - this.y, this.y - node.highY, 0);
    const dz = Math.max(node.lowZ - this.z, this.z - node.highZ, 0);
    return dx * dx + dy * dy + dz * dz;
  }
}

/** Looks at every point. Of equally near ones, the first. */
export class BruteForce {
  private readonly vectors: readonly Vector[];

  constructor(points: readonly Point[]) {
    this.vectors = points.map((point) => unitVector(point.latitude, point.longitude));
  }

  find([x, y, z]: Vector): Answer {
    let index = -1;
    let best = Infinity;
    for (let i = 0; i < this.vectors.length; i++) {
      const distance = this.distance(i, x, y, z);
      if (distance < best) {
        best = distance;
        index = i;
      }
    }
    return { index, distance: best };
  }

  /** From one point; `-1`, or whatever else is no point, is infinitely far. */
  distance(index: number, x: number, y: number, z: number): number {
    const vector = this.vectors[index];
    if (vector === undefined) return Infinity;
    const dx = x - vector[0];
    const dy = y - vector[1];
    const dz = z - vector[2];
    return dx * dx + dy * dy + dz * dz;
  }
}

/** Mulberry32: the same seed gives the same numbers in [0, 1) everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
