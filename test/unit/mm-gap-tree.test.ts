/** The gap tree's contract by example: the edges of its arguments, what it refuses, what it keeps. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GapTree, type Range } from '../../src/mm/index.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const wrongType = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };

function treeOf(low: number, high: number, ...pairs: [number, number][]): GapTree {
  const tree = new GapTree(low, high);
  for (const [start, end] of pairs) tree.insert(start, end);
  return tree;
}

test('a tree needs 0 <= low < high <= 2^53 - 1', () => {
  assert.throws(() => new GapTree(-1, 5), outOfRange);
  assert.throws(() => new GapTree(5, 5), outOfRange);
  assert.throws(() => new GapTree(0, 2 ** 53), outOfRange);
  assert.throws(() => new GapTree(0.5, 5), outOfRange);
  assert.throws(() => new GapTree('0' as unknown as number, 5), wrongType);
  assert.throws(() => new GapTree(0, 5n as unknown as number), wrongType);
  assert.doesNotThrow(() => new GapTree(0, MAX));
});

test('insert refuses an empty, backward, outlying, fractional or overlapping range and changes nothing', () => {
  const tree = treeOf(10, 100, [20, 30], [40, 50]);
  const bad: [number, number][] = [
    [35, 35],
    [36, 35],
    [9, 12],
    [90, 101],
    [31.5, 33],
    [31, Number.NaN],
    [31, Number.POSITIVE_INFINITY],
    [15, 21],
    [29, 31],
    [22, 24],
    [20, 30],
    [15, 35],
    [30, 41],
    [49, 51],
    [15, 60],
  ];
  for (const [start, end] of bad)
    assert.throws(() => tree.insert(start, end), outOfRange, `${start}, ${end}`);
  assert.throws(() => tree.insert(1n as unknown as number, 2), wrongType);
  tree.validate();
  assert.deepEqual(
    [...tree],
    [
      { start: 20, end: 30 },
      { start: 40, end: 50 },
    ],
  );
});

test('the refusal of an overlap names both ranges', () => {
  const tree = treeOf(0, 100, [20, 30]);
  assert.throws(() => tree.insert(10, 25), /clear of \[20, 30\), which \[10, 25\) overlaps/);
});

test('ranges that touch stay separate entries', () => {
  const tree = treeOf(0, 100, [10, 20], [20, 30], [0, 10]);
  assert.equal(tree.size, 3);
  assert.deepEqual(tree.at(19), { start: 10, end: 20 });
  assert.deepEqual(tree.at(20), { start: 20, end: 30 });
});

test('remove cuts edges, splits a range in two, and spans several', () => {
  //   10   20   30   40   50   60
  //    |AAAA|BBBB|CCCC|    |DDDD|
  const tree = treeOf(0, 100, [10, 20], [20, 30], [30, 40], [50, 60]);
  tree.remove(53, 55);
  tree.remove(15, 33);
  tree.validate();
  assert.deepEqual(
    [...tree],
    [
      { start: 10, end: 15 },
      { start: 33, end: 40 },
      { start: 50, end: 53 },
      { start: 55, end: 60 },
    ],
  );
});

test('remove refuses a range that is not wholly present and changes nothing', () => {
  const tree = treeOf(0, 100, [10, 20], [20, 30], [40, 50]);
  const before = [...tree];
  for (const [start, end] of [
    [5, 12],
    [10, 31],
    [25, 45],
    [30, 40],
    [45, 51],
    [0, 100],
    [60, 70],
    [12, 12],
    [-1, 12],
  ] as const)
    assert.throws(() => tree.remove(start, end), outOfRange, `${start}, ${end}`);
  tree.validate();
  assert.deepEqual([...tree], before);
});

test('an empty tree is one gap', () => {
  const tree = new GapTree(100, 200);
  tree.validate();
  assert.equal(tree.size, 0);
  assert.equal(tree.findGap({ length: 100 }), 100);
  assert.equal(tree.findGap({ length: 101 }), undefined);
  assert.equal(tree.findGapTopdown({ length: 30 }), 170);
  assert.equal(tree.findGap({ length: 10, low: 0, high: 110 }), 100);
  assert.equal(tree.findGapTopdown({ length: 10, low: 195, high: 500 }), undefined);
  assert.equal(tree.at(150), undefined);
  assert.equal(tree.next(0), undefined);
  assert.equal(tree.previous(MAX), undefined);
  assert.deepEqual([...tree], []);
});

test('a tree of one entry has a gap on either side', () => {
  const tree = treeOf(0, 100, [40, 60]);
  assert.equal(tree.findGap({ length: 40 }), 0);
  assert.equal(tree.findGap({ length: 40, low: 1 }), 60);
  assert.equal(tree.findGapTopdown({ length: 40 }), 60);
  assert.equal(tree.findGapTopdown({ length: 40, high: 99 }), 0);
  assert.equal(tree.findGap({ length: 41 }), undefined);
  assert.equal(tree.findGap({ length: 1, low: 40, high: 60 }), undefined);
  assert.equal(tree.findGapTopdown({ length: 1, low: 40, high: 60 }), undefined);
});

test('a window that clips a gap at both ends leaves what is between', () => {
  const tree = treeOf(0, 1000, [100, 200], [800, 900]);
  assert.equal(tree.findGap({ length: 50, low: 300, high: 350 }), 300);
  assert.equal(tree.findGapTopdown({ length: 50, low: 300, high: 350 }), 300);
  assert.equal(tree.findGap({ length: 51, low: 300, high: 350 }), undefined);
  assert.equal(tree.findGapTopdown({ length: 51, low: 300, high: 350 }), undefined);
});

test('a window that begins or ends inside a range starts at that range’s edge', () => {
  const tree = treeOf(0, 1000, [100, 200], [300, 400]);
  assert.equal(tree.findGap({ length: 100, low: 150, high: 350 }), 200);
  assert.equal(tree.findGapTopdown({ length: 100, low: 150, high: 350 }), 200);
  assert.equal(tree.findGap({ length: 101, low: 150, high: 350 }), undefined);
});

test('an empty or backward window holds nothing', () => {
  const tree = new GapTree(0, 100);
  assert.equal(tree.findGap({ length: 1, low: 50, high: 50 }), undefined);
  assert.equal(tree.findGap({ length: 1, low: 60, high: 50 }), undefined);
  assert.equal(tree.findGapTopdown({ length: 1, low: 60, high: 50 }), undefined);
});

test('the Linux fit misses an aligned place that the exact fit finds', () => {
  // The gap [64, 128) is aligned and just large enough, but not for the padding.
  const tree = treeOf(0, 1024, [0, 64], [128, 1024]);
  const request = { length: 64, alignMask: 63 };
  assert.equal(tree.findGap(request), undefined);
  assert.equal(tree.findGapTopdown(request), undefined);
  assert.equal(tree.findGap({ ...request, fit: 'exact' }), 64);
  assert.equal(tree.findGapTopdown({ ...request, fit: 'exact' }), 64);
});

test('alignment and offset work far beyond 2^32', () => {
  const tree = new GapTree(1, MAX);
  const alignMask = 2 ** 40 - 1;
  assert.equal(tree.findGap({ length: 5, alignMask }), 2 ** 40);
  assert.equal(tree.findGap({ length: 5, alignMask, alignOffset: 4096 }), 4096);
  assert.equal(tree.findGap({ length: 5, alignMask, alignOffset: -4096 }), 2 ** 40 - 4096);
  assert.equal(tree.findGapTopdown({ length: 5, alignMask: 2 ** 52 - 1 }), 2 ** 52);
  assert.equal(
    tree.findGapTopdown({ length: 5, alignMask, alignOffset: 2 ** 50 + 7 }),
    2 ** 53 - 2 ** 40 + 7,
  );
});

test('padding that exceeds every key fits nowhere and is not rounded into a place', () => {
  const tree = new GapTree(0, MAX);
  assert.equal(tree.findGap({ length: MAX, alignMask: 2 ** 52 - 1 }), undefined);
  assert.equal(tree.findGap({ length: MAX, alignMask: 1 }), undefined);
  assert.equal(tree.findGap({ length: MAX }), 0);
  assert.equal(tree.findGap({ length: MAX, alignMask: 2 ** 52 - 1, fit: 'exact' }), 0);
  assert.equal(tree.findGap({ length: MAX, low: 1, fit: 'exact', alignMask: 1 }), undefined);
});

test('an exact fit skips long stretches of misaligned gaps in either direction', () => {
  // Gaps of 8 at 4, 20, 36, …: never aligned to 16 at the start, until the one that is.
  const tree = new GapTree(0, 2 ** 20);
  for (let at = 0; at < 2 ** 20; at += 16) {
    tree.insert(at, at + 4);
    tree.insert(at + 12, at + 16);
  }
  const request = { length: 8, alignMask: 15, fit: 'exact' as const };
  assert.equal(tree.findGap(request), undefined);
  assert.equal(tree.findGapTopdown(request), undefined);
  tree.remove(16 * 40_000, 16 * 40_000 + 4);
  assert.equal(tree.findGap(request), 16 * 40_000);
  assert.equal(tree.findGapTopdown(request), 16 * 40_000);
});

test('requests are checked: kinds are TypeErrors, values RangeErrors', () => {
  const tree = new GapTree(0, 100);
  assert.throws(() => tree.findGap({ length: -1 }), outOfRange);
  assert.throws(() => tree.findGap({ length: 1.5 }), outOfRange);
  assert.throws(() => tree.findGap({ length: 2 ** 53 }), outOfRange);
  assert.throws(() => tree.findGap({ length: '1' as unknown as number }), wrongType);
  assert.throws(() => tree.findGap({ length: 1, low: Number.NaN }), outOfRange);
  assert.throws(() => tree.findGap({ length: 1, high: Number.POSITIVE_INFINITY }), outOfRange);
  assert.throws(() => tree.findGapTopdown({ length: 1, alignMask: 4 }), outOfRange);
  assert.throws(() => tree.findGapTopdown({ length: 1, alignMask: -1 }), outOfRange);
  assert.throws(() => tree.findGapTopdown({ length: 1, alignMask: 2 ** 52 }), outOfRange);
  assert.throws(() => tree.findGapTopdown({ length: 1, alignMask: 2 ** 52 + 1 }), outOfRange);
  assert.throws(() => tree.findGap({ length: 1, alignMask: 3, alignOffset: 0.5 }), outOfRange);
  assert.throws(() => tree.findGap({ length: 1, fit: 'best' as 'exact' }), outOfRange);
  assert.throws(() => tree.at('5' as unknown as number), wrongType);
  assert.equal(tree.findGap({ length: 0 }), undefined);
});

test('at, next and previous are exact at edges', () => {
  const tree = treeOf(0, 100, [10, 20], [20, 30]);
  assert.equal(tree.at(9), undefined);
  assert.deepEqual(tree.at(10), { start: 10, end: 20 });
  assert.deepEqual(tree.next(9), { start: 10, end: 20 });
  assert.deepEqual(tree.next(10), { start: 20, end: 30 });
  assert.equal(tree.next(20), undefined);
  assert.equal(tree.previous(19), undefined);
  assert.deepEqual(tree.previous(20), { start: 10, end: 20 });
  assert.deepEqual(tree.previous(29), { start: 10, end: 20 });
  assert.deepEqual(tree.previous(30), { start: 20, end: 30 });
});

test('from builds the same tree as inserting, of any iterable, and refuses disorder', () => {
  for (const count of [0, 1, 2, 31, 32, 33, 63, 64, 65, 900, 20_000]) {
    const ranges = Array.from({ length: count }, (_, i) => ({ start: 10 * i, end: 10 * i + 1 + (i % 10) }));
    const tree = GapTree.from(ranges, 0, 200_000);
    tree.validate();
    assert.equal(tree.size, count);
    assert.deepEqual([...tree], ranges);
    const again = GapTree.from(new Set(ranges), 0, 200_000);
    assert.deepEqual([...again], ranges);
  }
  const bad: Range[][] = [
    [
      { start: 10, end: 20 },
      { start: 19, end: 30 },
    ],
    [
      { start: 30, end: 40 },
      { start: 10, end: 20 },
    ],
    [{ start: 5, end: 5 }],
    [{ start: 90, end: 101 }],
  ];
  for (const ranges of bad) assert.throws(() => GapTree.from(ranges, 0, 100), outOfRange);
});

test('an iteration goes on above the last range it gave when the tree changes meanwhile', () => {
  const tree = new GapTree(0, 100_000);
  for (let i = 0; i < 1000; i++) tree.insert(i * 100, i * 100 + 10);
  const seen: number[] = [];
  for (const { start, end } of tree) {
    seen.push(start);
    tree.remove(start, end);
    if (start === 0) tree.insert(20, 30);
    if (start === 500) tree.remove(600, 610);
  }
  assert.equal(tree.size, 0);
  assert.deepEqual(seen.slice(0, 8), [0, 20, 100, 200, 300, 400, 500, 700]);
  assert.equal(seen.length, 1000);
});

test('a million ranges take less than 44 bytes each, inserted in order or built', () => {
  const count = 1_000_000;
  const up = new GapTree(0, count * 3);
  const down = new GapTree(0, count * 3);
  for (let i = 0; i < count; i++) {
    up.insert(3 * i, 3 * i + 2);
    const j = count - 1 - i;
    down.insert(3 * j, 3 * j + 2);
  }
  const built = GapTree.from(up, 0, count * 3);
  for (const tree of [up, down, built]) {
    assert.equal(tree.size, count);
    assert.ok(tree.bytes / count < 44, `${tree.bytes / count} bytes a range`);
  }
  up.validate();
  down.validate();
});
