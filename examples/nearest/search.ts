/**
 * Nearest-point search in plain JavaScript, twice: the kernel's own algorithm on the very same bytes, and a
 * brute-force scan that knows nothing of trees and serves as the judge. All three compute a distance by the
 * same operations in the same order, so equal answers are equal to the last bit.
 *
 * The first is what the device's speed is compared with. So it reads a DataView at `offsetof`, as fast code by hand
 * would: accessors check every move, and were two to three times as slow in this recursion.
 *
 * @module
 */

import { type Accessor, type LayoutMemory, offsetof, type PiecedMemory } from 'mirrorspace/layout';
import { unitVector, type Vector } from './globe.ts';
import { Node, type Tree } from './layout.ts';
import type { Point } from './points.ts';

const X = offsetof(Node, 'x');
const Y = offsetof(Node, 'y');
const Z = offsetof(Node, 'z');
const LOW_X = offsetof(Node, 'lowX');
const LOW_Y = offsetof(Node, 'lowY');
const LOW_Z = offsetof(Node, 'lowZ');
const HIGH_X = offsetof(Node, 'highX');
const HIGH_Y = offsetof(Node, 'highY');
const HIGH_Z = offsetof(Node, 'highZ');
const LEFT = offsetof(Node, 'left');
const RIGHT = offsetof(Node, 'right');
const INDEX = offsetof(Node, 'index');

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
  private readonly memory: PiecedMemory;
  private readonly root: number;
  /** The piece of the memory that was read last. */
  private view: DataView = new DataView(new ArrayBuffer(0));
  private start = 0;
  private size = 0;
  private readonly views = new Map<LayoutMemory, DataView>();

  constructor(memory: PiecedMemory, tree: Accessor<typeof Tree>) {
    this.memory = memory;
    this.root = tree.root;
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

  private visit(node: number): void {
    const at = this.locate(node);
    const { view } = this;
    const dx = this.x - view.getFloat64(at + X, true);
    const dy = this.y - view.getFloat64(at + Y, true);
    const dz = this.z - view.getFloat64(at + Z, true);
    const distance = dx * dx + dy * dy + dz * dz;
    if (distance < this.distance) {
      this.distance = distance;
      this.index = view.getUint32(at + INDEX, true);
    }
    const leftNode = readPointer(view, at + LEFT);
    const rightNode = readPointer(view, at + RIGHT);
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
    const at = this.locate(node);
    const { view, x, y, z } = this;
    const dx = Math.max(view.getFloat64(at + LOW_X, true) - x, x - view.getFloat64(at + HIGH_X, true), 0);
    const dy = Math.max(view.getFloat64(at + LOW_Y, true) - y, y - view.getFloat64(at + HIGH_Y, true), 0);
    const dz = Math.max(view.getFloat64(at + LOW_Z, true) - z, z - view.getFloat64(at + HIGH_Z, true), 0);
    return dx * dx + dy * dy + dz * dz;
  }

  /** Where in `view` a node begins, once `view` is of the piece of the memory that holds it. */
  private locate(node: number): number {
    const offset = node - this.start;
    const at = offset >>> 0;
    return at === offset && at < this.size ? at : this.enter(node);
  }

  private enter(node: number): number {
    const piece = this.memory.memoryAt(node);
    if (piece === undefined) throw new RangeError(`there is no node at 0x${node.toString(16)}`);
    let view = this.views.get(piece);
    if (view === undefined) {
      const { buffer, byteOffset, byteLength } = piece.bytes;
      view = new DataView(buffer, byteOffset, byteLength);
      this.views.set(piece, view);
    }
    this.view = view;
    this.start = piece.address;
    this.size = piece.size;
    return (node - piece.address) >>> 0;
  }
}

function readPointer(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
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
