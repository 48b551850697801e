/**
 * The structures that both sides share, declared once. TypeScript builds and reads them through their accessors
 * (kd-tree.ts, search.ts); build.ts prints them as AssemblyScript classes for the kernels. The fields lie as C lays
 * them out; a pointer takes 8 bytes on every device, 0 is null.
 *
 * @module
 */

import { f64, pointer, struct, u32 } from 'mirrorspace/layout';

/**
 * A point on the unit sphere, and the corners of the box around it and everything below it: a search passes over a
 * box that is farther than the best it has.
 */
export const Node = struct('Node', {
  x: f64,
  y: f64,
  z: f64,
  lowX: f64,
  lowY: f64,
  lowZ: f64,
  highX: f64,
  highY: f64,
  highZ: f64,
  get left() {
    return pointer(Node);
  },
  get right() {
    return pointer(Node);
  },
  /** The point's place in the list. */
  index: u32,
});

/** What a search is given. */
export const Tree = struct('Tree', {
  root: pointer(Node),
  /** How many nodes there are. */
  count: u32,
  /** For whoever owns the tree. */
  stamp: u32,
});

/** What a device writes down of a tree: the addresses of the root and its children, and some of what it found there. */
export const Seen = struct('Seen', {
  root: pointer(Node),
  left: pointer(Node),
  right: pointer(Node),
  x: f64,
  index: u32,
  stamp: u32,
});
