/**
 * The six cases of Linux's test suite for the DRM range manager (drm_mm), written from their description:
 * init, debug, align32, align64, lowest, highest. The gap tree is the range manager here; its unit is theirs.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GapRequest, GapTree } from '../../src/mm/index.ts';

const SIZE = 4096;
const LARGEST = Number.MAX_SAFE_INTEGER;

/** Searches, inserts what was found, and returns its start. */
function place(tree: GapTree, request: GapRequest, topdown = false): number {
  const start = topdown ? tree.findGapTopdown(request) : tree.findGap(request);
  assert.notEqual(start, undefined, `no place for ${JSON.stringify(request)}`);
  tree.insert(start!, start! + request.length);
  tree.validate();
  return start!;
}

test('drm_mm init: a new manager is clean and one hole, full when a node covers it, clean again without it', () => {
  const tree = new GapTree(0, SIZE);
  tree.validate();
  assert.equal(tree.size, 0);
  assert.equal(tree.findGap({ length: SIZE }), 0);
  assert.equal(tree.findGap({ length: SIZE + 1 }), undefined);

  tree.insert(0, SIZE);
  tree.validate();
  assert.equal(tree.size, 1);
  assert.equal(tree.findGap({ length: 1 }), undefined);
  assert.equal(tree.findGapTopdown({ length: 1 }), undefined);
  assert.throws(() => tree.insert(0, SIZE), RangeError);

  tree.remove(0, SIZE);
  tree.validate();
  assert.equal(tree.size, 0);
  assert.equal(tree.findGap({ length: SIZE }), 0);
});

test('drm_mm debug: two nodes with holes around and between them are walked as they are', () => {
  const tree = new GapTree(0, SIZE);
  // 0        512        1536     2560        3584     4096
  // |  hole   |  first   |  hole  |  second   |  hole  |
  assert.deepEqual([...tree], []);
  tree.insert(512, 1536);
  tree.insert(2560, 3584);
  tree.validate();
  assert.deepEqual(
    [...tree],
    [
      { start: 512, end: 1536 },
      { start: 2560, end: 3584 },
    ],
  );
});

for (const { name, bits } of [
  { name: 'align32', bits: 32 },
  // The case goes to 2^63; keys here end at 2^53.
  { name: 'align64', bits: 53 },
]) {
  for (const topdown of [false, true]) {
    for (const fit of ['linux', 'exact'] as const) {
      const how = `${topdown ? 'top-down' : 'bottom-up'}, ${fit} fit`;
      test(`drm_mm ${name}: every power of two up to 2^${bits - 1} is kept as alignment, ${how}`, () => {
        const tree = new GapTree(1, LARGEST);
        for (let bit = bits - 1; bit > 0; bit--) {
          const align = 2 ** bit;
          const length = 2 ** (bit - 1) + 1;
          const start = place(tree, { length, alignMask: align - 1, fit }, topdown);
          assert.equal(start % align, 0, `2^${bit}`);
        }
        assert.equal(tree.size, bits - 1);
      });
    }
  }
}

/** Seven units with nodes at 1 and 5: holes of one at both ends, and one of three in the middle. */
function twoReserved(): GapTree {
  const tree = new GapTree(0, 7);
  tree.insert(1, 2);
  tree.insert(5, 6);
  return tree;
}

test('drm_mm lowest: the search passes the low hole that is too small and takes the bottom of the next', () => {
  assert.equal(place(twoReserved(), { length: 2 }), 2);
  assert.equal(place(twoReserved(), { length: 1 }), 0);
});

test('drm_mm highest: the search passes the high hole that is too small and takes the top of the next', () => {
  assert.equal(place(twoReserved(), { length: 2 }, true), 3);
  assert.equal(place(twoReserved(), { length: 1 }, true), 6);
});
