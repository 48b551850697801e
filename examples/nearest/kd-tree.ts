/**
 * A kd-tree whose links are addresses, built from TypeScript into memory that a device can read: whoever sees
 * the same bytes at the same address can follow it, with nothing copied or translated. `bytes` may be a
 * mirrored buffer or any other memory; `address` is what its first byte is called on the device.
 *
 *     tree    0 root: pointer     8 count: u32    12 stamp: u32, for whoever owns the tree  16 bytes
 *     node    0 x, y, z: f64     24 low corner: 3 f64     48 high corner: 3 f64
 *            72 left: pointer    80 right: pointer        88 index: u32                 96 bytes
 *
 * Little endian; a pointer takes 8 bytes, 0 is null. The corners are those of the box around a node's point
 * and everything below it: a search passes over a box that is farther than the best it has.
 *
 * @module
 */

import { unitVector, type Vector } from './globe.ts';
import type { Point } from './points.ts';

export const HEADER_BYTES = 16;
/** The stamp, counted in 32-bit words. */
export const STAMP = 3;
export const NODE_BYTES = 96;

// Places in a node: the box counted in doubles, the rest in 32-bit words.
export const LOW = 3;
export const HIGH = 6;
export const LEFT = 18;
export const RIGHT = 20;
export const INDEX = 22;

const WORD = 2 ** 32;

export function treeBytes(points: number): number {
  return HEADER_BYTES + points * NODE_BYTES;
}

/** Fills `bytes` with the tree of all points (at least one); `index` in a node is the point's place in the list. */
export function buildTree(bytes: Uint8Array, address: number, points: readonly Point[]): void {
  if (points.length === 0) throw new RangeError('a tree needs at least one point');
  if (bytes.length < treeBytes(points.length)) throw new RangeError('the buffer is too small for the tree');
  const memory = openTree(bytes, address);
  const vectors = points.map((point) => unitVector(point.latitude, point.longitude));
  const order = Uint32Array.from(points.keys());
  let next = HEADER_BYTES;

  /** Places the points order[low, high), of which there is at least one; returns the address of their root. */
  const place = (low: number, high: number): number => {
    const box = boundingBox(vectors, order, low, high);
    const middle = (low + high) >>> 1;
    select(order, low, high - 1, middle, (index) => vectors[index]![box.widest]!);
    const index = order[middle]!;
    const offset = next;
    next += NODE_BYTES;
    memory.doubles.set([...vectors[index]!, ...box.low, ...box.high], offset / 8);
    const words = offset / 4;
    memory.words[words + INDEX] = index;
    writePointer(memory.words, words + LEFT, low < middle ? place(low, middle) : 0);
    writePointer(memory.words, words + RIGHT, middle + 1 < high ? place(middle + 1, high) : 0);
    return address + offset;
  };

  const root = place(0, points.length);
  memory.words[2] = points.length;
  writePointer(memory.words, 0, root);
}

/** A tree's memory as numbers; a node at address `a` begins at byte `a - address`. */
export interface TreeMemory {
  readonly address: number;
  readonly doubles: Float64Array;
  readonly words: Uint32Array;
}

export function openTree(bytes: Uint8Array, address: number): TreeMemory {
  const length = Math.floor(bytes.length / 8);
  return {
    address,
    doubles: new Float64Array(bytes.buffer, bytes.byteOffset, length),
    words: new Uint32Array(bytes.buffer, bytes.byteOffset, 2 * length),
  };
}

export function readPointer(words: Uint32Array, at: number): number {
  return words[at]! + words[at + 1]! * WORD;
}

function writePointer(words: Uint32Array, at: number, pointer: number): void {
  words[at] = pointer % WORD;
  words[at + 1] = Math.floor(pointer / WORD);
}

/** The same tree as ordinary objects: what a program without shared memory would have, and would have to copy. */
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

export function toObjects(memory: TreeMemory, node = readPointer(memory.words, 0)): TreeObject {
  const double = (node - memory.address) / 8;
  const [x = 0, y = 0, z = 0, lowX = 0, lowY = 0, lowZ = 0, highX = 0, highY = 0, highZ = 0] =
    memory.doubles.subarray(double, double + 9);
  const child = (at: number) => {
    const pointer = readPointer(memory.words, 2 * double + at);
    return pointer === 0 ? null : toObjects(memory, pointer);
  };
  const index = memory.words[2 * double + INDEX]!;
  return { x, y, z, lowX, lowY, lowZ, highX, highY, highZ, index, left: child(LEFT), right: child(RIGHT) };
}

interface Box {
  readonly low: Vector;
  readonly high: Vector;
  /** Along which axis it is widest: the one to divide. */
  readonly widest: 0 | 1 | 2;
}

function boundingBox(vectors: readonly Vector[], order: Uint32Array, from: number, to: number): Box {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (let i = from; i < to; i++) {
    const vector = vectors[order[i]!]!;
    for (const axis of [0, 1, 2] as const) {
      if (vector[axis] < low[axis]) low[axis] = vector[axis];
      if (vector[axis] > high[axis]) high[axis] = vector[axis];
    }
  }
  const [x, y, z] = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
  return { low, high, widest: x >= y && x >= z ? 0 : y >= z ? 1 : 2 };
}

/** Hoare's selection: afterwards order[k] is in its sorted place, with nothing above it before, nor below it after. */
function select(order: Uint32Array, low: number, high: number, k: number, key: (i: number) => number): void {
  while (low < high) {
    const pivot = key(order[(low + high) >>> 1]!);
    let i = low;
    let j = high;
    while (i <= j) {
      while (key(order[i]!) < pivot) i++;
      while (key(order[j]!) > pivot) j--;
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
