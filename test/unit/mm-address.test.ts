/** Alignment and ranges by example, mostly where 32-bit arithmetic would go wrong. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignDown, alignUp, GiB, isPowerOfTwo, KiB, MiB, overlaps, TiB } from '../../src/mm/index.ts';

test('the units are binary', () => {
  assert.deepEqual([KiB, MiB, GiB, TiB], [2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40]);
});

test('aligning up and down is exact beyond 2^32', () => {
  assert.equal(alignUp(2 ** 47 - 1, 4096), 2 ** 47);
  assert.equal(alignUp(2 ** 47, 4096), 2 ** 47);
  assert.equal(alignDown(2 ** 47 - 1, 4096), 2 ** 47 - 4096);
  assert.equal(alignUp(2 ** 40 + 1, 2 ** 40), 2 ** 41);
  assert.equal(alignDown(2 ** 41 - 1, 2 ** 40), 2 ** 40);
  assert.equal(alignUp(7, 3), 9);
  assert.equal(alignDown(7, 3), 6);
  assert.equal(alignUp(0, 4096), 0);
});

test('powers of two are told from their neighbours up to 2^52', () => {
  for (let k = 0; k <= 52; k++) assert.equal(isPowerOfTwo(2 ** k), true, `2^${k}`);
  for (let k = 2; k <= 52; k++) {
    assert.equal(isPowerOfTwo(2 ** k + 1), false, `2^${k} + 1`);
    assert.equal(isPowerOfTwo(2 ** k - 1), false, `2^${k} - 1`);
  }
  for (const value of [0, -1, -4, 0.5, 3, Number.NaN, Number.POSITIVE_INFINITY])
    assert.equal(isPowerOfTwo(value), false, String(value));
});

test('ranges that touch do not overlap', () => {
  assert.equal(overlaps({ start: 0, end: 10 }, { start: 10, end: 20 }), false);
  assert.equal(overlaps({ start: 0, end: 11 }, { start: 10, end: 20 }), true);
  assert.equal(overlaps({ start: 12, end: 13 }, { start: 10, end: 20 }), true);
});
