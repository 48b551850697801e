/**
 * Nearest-point search in plain JavaScript, twice: the kernel's own algorithm on the very same bytes, and a
 * brute-force scan that knows nothing of trees and serves as the judge. All three compute a distance by the
 * same operations in the same order, so equal answers are equal to the last bit.
 *
 * @module
 */

import { unitVector, type Vector } from './globe.ts';
import { HIGH, INDEX, LEFT, LOW, RIGHT, readPointer, type TreeMemory } from './kd-tree.ts';
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
  private readonly tree: TreeMemory;

  constructor(tree: TreeMemory) {
    this.tree = tree;
  }

  find([x, y, z]: Vector): Answer {
    this.x = x;
    this.y = y;
    this.z = z;
    this.index = -1;
    this.distance = Infinity;
    this.visit(readPointer(this.tree.words, 0));
    return this;
  }

  private visit(node: number): void {
    const { doubles, words, address } = this.tree;
    const word = (node - address) >>> 2;
    const double = word >>> 1;
    const dx = this.x - doubles[double]!;
    const dy = this.y - doubles[double + 1]!;
    const dz = this.z - doubles[double + 2]!;
    const distance = dx * dx + dy * dy + dz * dz;
    if (distance < this.distance) {
      this.distance = distance;
      this.index = words[word + INDEX]!;
    }
    const leftNode = readPointer(words, word + LEFT);
    const rightNode = readPointer(words, word + RIGHT);
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

  private boxDistance(node: number): number {
    if (node === 0) return Infinity;
    const { doubles, address } = this.tree;
    const low = ((node - address) >>> 3) + LOW;
    const high = low + (HIGH - LOW);
    const dx = Math.max(doubles[low]! - this.x, this.x - doubles[high]!, 0);
    const dy = Math.max(doubles[low + 1]! - this.y, this.y - doubles[high + 1]!, 0);
    const dz = Math.max(doubles[low + 2]! - this.z, this.z - doubles[high + 2]!, 0);
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
