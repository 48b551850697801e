/**
 * The unmapped-area search by example: the mistakes that kernels have really made in it, each a test, and the
 * kernel's peculiarities that must stay.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  GapTree,
  GiB,
  KiB,
  MiB,
  type UnmappedAreaInfo,
  unmappedArea,
  unmappedAreaTopdown,
  type VmaSource,
  vmUnmappedArea,
} from '../../src/mm/index.ts';

const PAGE = 4 * KiB;
const STACK_GUARD = 256 * PAGE;
const TASK_SIZE = 2 ** 47 - PAGE;

/** Ranges in pages; a range may keep guard pages below (`before`) or above (`after`) it. */
function spaceOf(
  pages: [start: number, end: number, guards?: { before?: number; after?: number }][],
  end = TASK_SIZE,
): VmaSource {
  const ranges = new GapTree(0, end);
  const guards = new Map<number, { before?: number; after?: number }>();
  for (const [start, stop, guard = {}] of pages) {
    ranges.insert(start * PAGE, stop * PAGE);
    guards.set(start * PAGE, guard);
  }
  return {
    ranges,
    guardBefore: (start) => (guards.get(start)!.before ?? 0) * PAGE,
    guardAfter: (start) => (guards.get(start)!.after ?? 0) * PAGE,
  };
}

/** Window and length in pages, answer in pages. */
function search(
  space: VmaSource,
  low: number,
  high: number,
  length: number,
  more: Partial<UnmappedAreaInfo> = {},
) {
  const info = { lowLimit: low * PAGE, highLimit: high * PAGE, length: length * PAGE, ...more };
  const found = vmUnmappedArea(space, info);
  return found === undefined ? undefined : found / PAGE;
}

test('the direction is topdown’s for vmUnmappedArea, and the name’s for the other two', () => {
  const space = spaceOf([[10, 20]]);
  const info = { length: PAGE, lowLimit: 0, highLimit: 30 * PAGE };
  assert.equal(vmUnmappedArea(space, info), 0);
  assert.equal(vmUnmappedArea(space, { ...info, topdown: true }), 29 * PAGE);
  assert.equal(unmappedArea(space, { ...info, topdown: true }), 0);
  assert.equal(unmappedAreaTopdown(space, info), 29 * PAGE);
});

test('historic mistake: a gap is clipped at both ends of the window', () => {
  const space = spaceOf([
    [0, 100],
    [200, 300],
  ]);
  assert.equal(search(space, 120, 150, 30), 120);
  assert.equal(search(space, 120, 150, 30, { topdown: true }), 120);
  assert.equal(search(space, 120, 150, 31), undefined);
  assert.equal(search(space, 120, 150, 31, { topdown: true }), undefined);
});

test('historic mistake: a place that intrudes on the guard gap of a stack above it is passed over', () => {
  // pages 0   100                     500      600
  //           | free  ...  256 guard  | stack  | free
  const space = spaceOf([
    [0, 100],
    [500, 600, { before: 256 }],
  ]);
  assert.equal(search(space, 0, 1000, 144), 100);
  assert.equal(search(space, 0, 1000, 145), 600);
  assert.equal(search(space, 0, 600, 145), undefined);
  assert.equal(search(space, 0, 600, 10, { topdown: true }), 234);
  assert.equal(search(space, 0, 600, 145, { topdown: true }), undefined);
});

test('historic mistake: after one guard gap the search meets the next and passes that as well', () => {
  const space = spaceOf([
    [10, 20, { before: 8 }],
    [30, 40, { before: 8 }],
    [50, 60, { before: 8 }],
  ]);
  assert.equal(search(space, 0, 100, 5), 60);
  assert.equal(search(space, 0, 100, 2), 0);
  assert.equal(search(space, 5, 100, 2), 20);
  assert.equal(search(space, 0, 60, 2, { topdown: true }), 40);
  assert.equal(search(space, 0, 48, 5, { topdown: true }), undefined);
});

test('historic mistake: a guard gap above the VMA below the place is kept, in both directions', () => {
  const space = spaceOf([
    [10, 20, { after: 5 }],
    [40, 50],
  ]);
  assert.equal(search(space, 15, 100, 3), 25);
  // Top-down the place is at the top of its gap, so the guard matters only where the gap is short.
  assert.equal(search(space, 0, 50, 15, { topdown: true }), 25);
  assert.equal(search(space, 0, 50, 16, { topdown: true }), undefined);
});

test('historic mistake: a guard gap whose VMA lies beyond the window still counts', () => {
  const space = spaceOf([[100, 110, { before: 50 }]]);
  assert.equal(search(space, 40, 70, 10), 40);
  assert.equal(search(space, 40, 70, 11), undefined);
  assert.equal(search(space, 0, 70, 10, { topdown: true }), 40);
});

test('historic mistake: a guard gap larger than the address it guards is clamped at zero', () => {
  const space = spaceOf([[10, 20, { before: 256 }]]);
  assert.equal(search(space, 0, 100, 1), 20);
  assert.equal(search(space, 0, 20, 1, { topdown: true }), undefined);
});

test('historic mistake: after a failed top-down search, bottom-up in another window starts afresh', () => {
  const space = spaceOf([
    [0, 50],
    [50, 100],
  ]);
  assert.equal(search(space, 1, 100, 1, { topdown: true }), undefined);
  assert.equal(search(space, 1, 1000, 1), 100);
  assert.equal(search(space, 1, 100, 1), undefined);
  assert.equal(search(space, 1, 1000, 1, { topdown: true }), 999);
});

test('historic mistake: no search remembers where the one before it ended', () => {
  const space = spaceOf([[10, 20]]);
  const first = search(space, 0, 100, 10);
  assert.equal(search(space, 0, 100, 50, { topdown: true }), 50);
  assert.equal(search(space, 0, 100, 10), first);
  space.ranges.insert(0, 10 * PAGE);
  assert.equal(search(space, 0, 100, 10), 20);
  space.ranges.remove(0, 10 * PAGE);
  assert.equal(search(space, 0, 100, 10), 0);
});

test('historic mistake: an empty space and a space of one VMA are searched like any other', () => {
  const empty = spaceOf([]);
  assert.equal(search(empty, 5, 10, 5), 5);
  assert.equal(search(empty, 5, 10, 5, { topdown: true }), 5);
  assert.equal(search(empty, 5, 10, 6), undefined);
  const one = spaceOf([[5, 10]]);
  assert.equal(search(one, 5, 15, 5), 10);
  assert.equal(search(one, 0, 10, 5, { topdown: true }), 0);
  assert.equal(search(one, 5, 10, 1), undefined);
  assert.equal(search(one, 5, 10, 1, { topdown: true }), undefined);
});

test('historic mistake: a reverse search whose lower bound falls inside a gap uses what is above it', () => {
  const space = spaceOf([
    [0, 10],
    [90, 100],
  ]);
  assert.equal(search(space, 50, 100, 40, { topdown: true }), 50);
  assert.equal(search(space, 50, 100, 41, { topdown: true }), undefined);
  assert.equal(search(space, 89, 100, 1, { topdown: true }), 89);
});

test('a gap that holds the length but not the padding is missed by Linux and found by the exact fit', () => {
  // One 2 MiB gap, itself aligned to 2 MiB, in [0, 1 GiB).
  const ranges = new GapTree(0, GiB);
  ranges.insert(0, 512 * MiB);
  ranges.insert(514 * MiB, GiB);
  const info = { length: 2 * MiB, lowLimit: 0, highLimit: GiB, alignMask: 2 * MiB - 1 };
  for (const topdown of [false, true]) {
    assert.equal(vmUnmappedArea({ ranges }, { ...info, topdown }), undefined);
    assert.equal(vmUnmappedArea({ ranges }, { ...info, topdown, fit: 'exact' }), 512 * MiB);
  }
});

test('the result is congruent to alignOffset, also where mask and offset exceed 2^32', () => {
  const ranges = new GapTree(0, TASK_SIZE);
  ranges.insert(0, 64 * KiB);
  const alignMask = 2 ** 36 - 1;
  const alignOffset = 2 ** 36 * 5 + 3 * PAGE;
  const info = { length: PAGE, lowLimit: 0, highLimit: TASK_SIZE, alignMask, alignOffset };
  assert.equal(unmappedArea({ ranges }, info), 2 ** 36 + 3 * PAGE);
  assert.equal(unmappedAreaTopdown({ ranges }, info), 2 ** 47 - 2 ** 36 + 3 * PAGE);
});

test('the start gap is left free below the result, before alignment', () => {
  const ranges = new GapTree(0, TASK_SIZE);
  ranges.insert(0, 10 * PAGE);
  const info = { length: PAGE, lowLimit: 0, highLimit: TASK_SIZE, startGap: PAGE };
  assert.equal(unmappedArea({ ranges }, info), 11 * PAGE);
  assert.equal(unmappedArea({ ranges }, { ...info, alignMask: 8 * PAGE - 1 }), 16 * PAGE);
  ranges.insert(12 * PAGE, 20 * PAGE);
  assert.equal(unmappedArea({ ranges }, { ...info, length: 2 * PAGE }), 21 * PAGE);
  assert.equal(unmappedAreaTopdown({ ranges }, { ...info, highLimit: 12 * PAGE }), 11 * PAGE);
});

test('nothing is placed below mmap_min_addr', () => {
  const space: VmaSource = { ranges: new GapTree(0, TASK_SIZE), mmapMinAddr: 64 * KiB };
  const info = { length: PAGE, lowLimit: 0, highLimit: 128 * KiB };
  assert.equal(unmappedArea(space, info), 64 * KiB);
  assert.equal(unmappedArea(space, { ...info, highLimit: 64 * KiB }), undefined);
  assert.equal(unmappedAreaTopdown(space, { ...info, length: 64 * KiB }), 64 * KiB);
  assert.equal(unmappedAreaTopdown(space, { ...info, length: 65 * KiB }), undefined);
  assert.equal(unmappedAreaTopdown(space, { ...info, length: 65 * KiB, fit: 'exact' }), undefined);
});

test('a padded length of nothing, a high limit of 0 and an overflowing length find nothing', () => {
  const ranges = new GapTree(0, Number.MAX_SAFE_INTEGER);
  const info = { length: PAGE, lowLimit: 0, highLimit: Number.MAX_SAFE_INTEGER };
  for (const search of [unmappedArea, unmappedAreaTopdown]) {
    assert.equal(search({ ranges }, { ...info, length: 0 }), undefined);
    assert.equal(search({ ranges }, { ...info, highLimit: 0 }), undefined);
    assert.equal(search({ ranges }, { ...info, length: Number.MAX_SAFE_INTEGER, startGap: 1 }), undefined);
    assert.equal(search({ ranges }, { ...info, length: Number.MAX_SAFE_INTEGER, alignMask: 1 }), undefined);
  }
});

test('a guarded VMA above makes the kernel overlook the guard of the one below; the exact fit does not', () => {
  const space = spaceOf([
    [0, 10, { after: 5 }],
    [50, 60, { before: 5 }],
  ]);
  assert.equal(search(space, 0, 100, 3), 10);
  assert.equal(search(space, 0, 100, 3, { fit: 'exact' }), 15);
});

test('the exact fit uses what guard gaps leave of a gap, where Linux goes past it', () => {
  const space = spaceOf([
    [0, 100],
    [500, 600, { before: 256 }],
  ]);
  const aligned = { alignMask: 64 * PAGE - 1 };
  // 100 … 244 is left: aligned places at 128 and 192. Linux wants 116 + 63 pages to be clear.
  assert.equal(search(space, 0, 600, 100, aligned), undefined);
  assert.equal(search(space, 0, 600, 100, { ...aligned, fit: 'exact' }), 128);
  assert.equal(search(space, 0, 600, 50, { ...aligned, fit: 'exact', topdown: true }), 192);
});

test('the stack’s 256 guard pages hold at the top of a real layout', () => {
  const stackTop = 0x7ffffffde000;
  const ranges = new GapTree(0, TASK_SIZE);
  ranges.insert(stackTop, stackTop + 33 * PAGE);
  const space: VmaSource = { ranges, guardBefore: (start) => (start === stackTop ? STACK_GUARD : 0) };
  const info = { length: MiB, lowLimit: PAGE, highLimit: stackTop };
  assert.equal(unmappedAreaTopdown(space, info), stackTop - STACK_GUARD - MiB);
});

test('bad arguments are refused by kind and by value', () => {
  const space = { ranges: new GapTree(0, GiB) };
  const info = { length: PAGE, lowLimit: 0, highLimit: GiB };
  const bad: [Partial<Record<keyof UnmappedAreaInfo, unknown>>, string][] = [
    [{ length: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ length: 0.5 }, 'ERR_OUT_OF_RANGE'],
    [{ length: 2 ** 53 }, 'ERR_OUT_OF_RANGE'],
    [{ length: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ lowLimit: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ highLimit: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
    [{ highLimit: 5n }, 'ERR_INVALID_ARG_TYPE'],
    [{ alignMask: 5 }, 'ERR_OUT_OF_RANGE'],
    [{ alignOffset: 0.5 }, 'ERR_OUT_OF_RANGE'],
    [{ alignOffset: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ startGap: -PAGE }, 'ERR_OUT_OF_RANGE'],
    [{ fit: 'tight' }, 'ERR_OUT_OF_RANGE'],
  ];
  for (const [change, code] of bad)
    for (const search of [vmUnmappedArea, unmappedArea, unmappedAreaTopdown])
      assert.throws(() => search(space, { ...info, ...change } as UnmappedAreaInfo), { code });
});
