/**
 * Disjoint half-open ranges of integers and the search for a gap between them: what an address space is to
 * whoever looks for a place in it. A B+tree in typed arrays whose parents know the largest gap below each
 * child, so that a search descends once; about 26 bytes a range, no object per
 * range, and nothing allocated by a change but when the tree grows.
 *
 * The unit is the caller's (bytes, pages). Numbers are exact: keys, lengths and masks are safe integers.
 * The idea of keeping the largest gap per subtree is that of Linux's address space trees (mm/mmap.c 3.8, then
 * lib/maple_tree.c).
 *
 * @module
 */

import { invalidType, outOfRange } from '../errors.ts';
import { type Address, isPowerOfTwo, type Range } from './address.ts';
import { buildTree } from './range-build.ts';
import { checkTree } from './range-check.ts';
import {
  locate,
  pathEnd,
  pathStart,
  QUERY_HIGH,
  QUERY_LENGTH,
  QUERY_LOW,
  QUERY_MASK,
  QUERY_NEED,
  QUERY_OFFSET,
  RangeTree,
  stepBack,
  stepForward,
} from './range-nodes.ts';
import { LEAF_FANOUT } from './range-pool.ts';
import { highestPlace, lowestPlace, NONE } from './range-search.ts';
import { insertAfterPath, removeAtPath, splitAtPath, trimAtPath } from './range-update.ts';

/**
 * `'linux'`: the gap, clipped to the window, must hold `length + alignMask`, as the kernel asks; a place that
 * exists may be missed. `'exact'`: a place is found whenever one exists.
 */
export type Fit = 'linux' | 'exact';

/** What to look for, in the tree's own unit. */
export interface GapRequest {
  /** Size of the place. A padded length of 0 fits nowhere. */
  readonly length: number;
  /** First key of the window. Default: the tree's `low`. */
  readonly low?: number;
  /** Exclusive end of the window. Default: the tree's `high`. The window is clipped to the tree. */
  readonly high?: number;
  /** Alignment less one: 2^k - 1, k up to 52. Default 0. */
  readonly alignMask?: number;
  /** The place is this, modulo `alignMask + 1`. Default 0; any safe integer. */
  readonly alignOffset?: number;
  /** Default `'linux'`. */
  readonly fit?: Fit;
}

export class GapTree implements Iterable<Range> {
  readonly low: number;
  readonly high: number;
  #tree: RangeTree;
  /** The last mask that was seen to be 2^k - 1: requests repeat theirs. */
  #goodMask = 0;

  /** An empty tree over [low, high). Throws `RangeError` unless 0 <= low < high <= 2^53 - 1. */
  constructor(low: number, high: number) {
    checkKey('low', low);
    checkKey('high', high);
    if (low < 0) throw outOfRange('low', 'at least 0', low);
    if (high <= low) throw outOfRange('high', `greater than low (${low})`, high);
    this.low = low;
    this.high = high;
    this.#tree = new RangeTree(low, high);
  }

  /**
   * A tree of the given ranges, in time proportional to their number. They must be disjoint, in ascending
   * order and within [low, high), else `RangeError`.
   */
  static from(sortedRanges: Iterable<Range>, low: number, high: number): GapTree {
    const tree = new GapTree(low, high);
    let bounds = new Float64Array(Array.isArray(sortedRanges) ? sortedRanges.length * 2 : 64);
    let count = 0;
    let previousEnd = low;
    for (const { start, end } of sortedRanges) {
      tree.#checkRange(start, end);
      if (start < previousEnd)
        throw outOfRange(
          `sortedRanges[${count}].start`,
          `at least ${previousEnd}, the end of the range before`,
          start,
        );
      previousEnd = end;
      if (2 * count === bounds.length) {
        const wider = new Float64Array(Math.max(64, bounds.length * 2));
        wider.set(bounds);
        bounds = wider;
      }
      bounds[2 * count] = start;
      bounds[2 * count + 1] = end;
      count++;
    }
    tree.#tree = buildTree(bounds, count, low, high);
    return tree;
  }

  /** Number of ranges. Ranges that touch are counted, and kept, apart. */
  get size(): number {
    return this.#tree.size;
  }

  /** Bytes of memory behind the tree's ranges and nodes, spare capacity included. */
  get bytes(): number {
    return this.#tree.leaves.bytes + this.#tree.inners.bytes;
  }

  /**
   * Adds [start, end) as a range of its own. Throws `RangeError` where it is empty, outside the tree, not of
   * safe integers, or overlaps a range; nothing is changed then.
   */
  insert(start: number, end: number): void {
    this.#checkRange(start, end);
    const tree = this.#tree;
    const entry = locate(tree, start);
    const leaf = tree.pathNode[0]!;
    const base = leaf * 2 * LEAF_FANOUT;
    const { bounds, counts } = tree.leaves;
    if (entry >= 0 && bounds[base + LEAF_FANOUT + entry]! > start)
      throw overlap(start, end, bounds[base + entry]!, bounds[base + LEAF_FANOUT + entry]!);
    // Two comparisons: a number chosen between the two would be an object on the heap.
    if (entry + 1 < counts[leaf]! ? bounds[base + entry + 1]! < end : followingStart(tree) < end) {
      const hit = this.next(start)!;
      throw overlap(start, end, hit.start, hit.end);
    }
    insertAfterPath(tree, start, end);
  }

  /**
   * Takes exactly [start, end) out, as munmap does: whole ranges, and parts of those across its edges. Throws
   * `RangeError` where any of it is not present; nothing is changed then.
   */
  remove(start: number, end: number): void {
    this.#checkRange(start, end);
    const tree = this.#tree;
    let entry = locate(tree, start);
    const at = tree.pathNode[0]! * 2 * LEAF_FANOUT + entry;
    if (entry >= 0 && tree.leaves.bounds[at] === start && tree.leaves.bounds[at + LEAF_FANOUT] === end) {
      removeAtPath(tree);
      return;
    }
    if (entry < 0 || pathEnd(tree) <= start) throw absent(start, end, start);
    let covered = pathEnd(tree);
    if (covered < end) {
      while (covered < end) {
        if (!stepForward(tree) || pathStart(tree) !== covered) throw absent(start, end, covered);
        covered = pathEnd(tree);
      }
      entry = locate(tree, start);
    }
    for (let from = start; from < end; ) {
      const first = pathStart(tree);
      const last = pathEnd(tree);
      if (first === from && last <= end) removeAtPath(tree);
      else if (first === from) trimAtPath(tree, end, last);
      else if (last <= end) trimAtPath(tree, first, from);
      else splitAtPath(tree, from, end);
      from = last;
      if (from < end) locate(tree, from);
    }
  }

  /** The lowest start of a free place in the window, or undefined. Bad arguments: `TypeError`, `RangeError`. */
  findGap(request: GapRequest): Address | undefined {
    return this.#find(request, false);
  }

  /** The highest start of a free place in the window, or undefined. Bad arguments: `TypeError`, `RangeError`. */
  findGapTopdown(request: GapRequest): Address | undefined {
    return this.#find(request, true);
  }

  /** The range that contains `x`. */
  at(x: number): Range | undefined {
    checkKey('x', x);
    const tree = this.#tree;
    if (locate(tree, x) < 0) return undefined;
    const end = pathEnd(tree);
    return x < end ? { start: pathStart(tree), end } : undefined;
  }

  /** The first range that starts above `x`: not one that starts at `x`, nor one that contains it. */
  next(x: number): Range | undefined {
    checkKey('x', x);
    const tree = this.#tree;
    locate(tree, x);
    return stepForward(tree) ? { start: pathStart(tree), end: pathEnd(tree) } : undefined;
  }

  /** The last range that ends at or below `x`. */
  previous(x: number): Range | undefined {
    checkKey('x', x);
    const tree = this.#tree;
    // The last range that starts at or below x is the one, or contains x and then the one before it is.
    if (locate(tree, x) < 0) return undefined;
    if (pathEnd(tree) > x && !stepBack(tree)) return undefined;
    return { start: pathStart(tree), end: pathEnd(tree) };
  }

  /**
   * Ranges in ascending order. The tree may be changed meanwhile: the iteration goes on with the first range
   * that starts at or above the end of the one given last.
   */
  *[Symbol.iterator](): Generator<Range, void, undefined> {
    const tree = this.#tree;
    let from = this.low;
    for (;;) {
      const entry = locate(tree, from);
      if ((entry < 0 || pathStart(tree) < from) && !stepForward(tree)) return;
      const leaf = tree.pathNode[0]!;
      const version = tree.version;
      for (let i = tree.pathIndex[0]!; tree.version === version && i < tree.leaves.counts[leaf]!; i++) {
        const at = leaf * 2 * LEAF_FANOUT + i;
        const start = tree.leaves.bounds[at]!;
        from = tree.leaves.bounds[at + LEAF_FANOUT]!;
        yield { start, end: from };
      }
    }
  }

  /** Checks the whole structure; throws an `Error` that says what is wrong. Linear in the tree's size. */
  validate(): void {
    checkTree(this.#tree);
  }

  #find(request: GapRequest, topdown: boolean): number | undefined {
    const { length, low = this.low, high = this.high, alignMask = 0, alignOffset = 0, fit } = request;
    checkKey('length', length);
    if (length < 0) throw outOfRange('length', 'at least 0', length);
    checkKey('low', low);
    checkKey('high', high);
    let offset = 0;
    if (alignMask !== 0) {
      if (alignMask !== this.#goodMask) this.#goodMask = checkMask(alignMask);
      checkKey('alignOffset', alignOffset);
      const modulus = alignMask + 1;
      offset = alignOffset - Math.floor(alignOffset / modulus) * modulus;
    } else if (alignOffset !== 0) checkKey('alignOffset', alignOffset);
    if (fit !== undefined && fit !== 'linux' && fit !== 'exact')
      throw outOfRange('fit', "'linux' or 'exact'", fit);
    const need = fit === 'exact' ? length : length + alignMask;
    if (need === 0) return undefined;
    const { query } = this.#tree;
    query[QUERY_LOW] = low;
    query[QUERY_HIGH] = high;
    query[QUERY_NEED] = need;
    query[QUERY_LENGTH] = length;
    query[QUERY_MASK] = alignMask;
    query[QUERY_OFFSET] = offset;
    const place = topdown ? highestPlace(this.#tree) : lowestPlace(this.#tree);
    return place === NONE ? undefined : place;
  }

  #checkRange(start: number, end: number): void {
    checkKey('start', start);
    checkKey('end', end);
    if (start >= end) throw outOfRange('end', `greater than start (${start})`, end);
    if (start < this.low) throw outOfRange('start', `at least ${this.low}`, start);
    if (end > this.high) throw outOfRange('end', `at most ${this.high}`, end);
  }
}

/** Start of the range after the path's leaf, or Infinity. */
function followingStart(tree: RangeTree): number {
  const { inners, pathNode, pathIndex } = tree;
  for (let level = 1; level < tree.height; level++) {
    const entry = pathIndex[level]! + 1;
    const node = pathNode[level]!;
    if (entry < inners.counts[node]!) return inners.bounds[node * 2 * inners.fanout + entry]!;
  }
  return Number.POSITIVE_INFINITY;
}

function checkKey(name: string, value: number): void {
  if (Number.isSafeInteger(value)) return;
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  throw outOfRange(name, 'a safe integer', value);
}

function checkMask(mask: number): number {
  checkKey('alignMask', mask);
  if (mask < 0 || mask >= 2 ** 52 || !isPowerOfTwo(mask + 1))
    throw outOfRange('alignMask', 'an alignment less one: 2^k - 1, with k up to 52', mask);
  return mask;
}

function overlap(start: number, end: number, hitStart: number, hitEnd: number): RangeError {
  return outOfRange('start', `clear of [${hitStart}, ${hitEnd}), which [${start}, ${end}) overlaps`, start);
}

function absent(start: number, end: number, hole: number): RangeError {
  return outOfRange('start', `such that all of [${start}, ${end}) is present; ${hole} is not`, start);
}
