/** What validate() finds: each way in which the tree's structure could be damaged, damaged on purpose. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildTree } from '../../src/mm/range-build.ts';
import { checkTree } from '../../src/mm/range-check.ts';
import type { RangeTree } from '../../src/mm/range-nodes.ts';

const COUNT = 5000;

function sound(): RangeTree {
  const bounds = new Float64Array(COUNT * 2);
  for (let i = 0; i < COUNT; i++) {
    bounds[2 * i] = 100 * i + 10;
    bounds[2 * i + 1] = 100 * i + 50 + (i % 7);
  }
  return buildTree(bounds, COUNT, 0, COUNT * 100);
}

test('a sound tree passes', () => {
  checkTree(sound());
});

const damages: [name: string, damage: (tree: RangeTree) => void, message: RegExp][] = [
  ['an empty range', (t) => (t.leaves.bounds[t.leaves.fanout] = 10), /is empty/],
  ['ranges out of order', (t) => (t.leaves.bounds[1] = 20), /begins before/],
  ['a key that is no integer', (t) => (t.leaves.bounds[1] = 110.5), /not a range of safe integers/],
  ['a range outside the tree', (t) => (t.leaves.bounds[0] = -5), /begins before 0/],
  [
    'a summary of the wrong bounds',
    (t) => (t.inners.bounds[t.root * 2 * t.inners.fanout] = 9),
    /says \[9, .* of entry 0/,
  ],
  [
    'a gap summary too large',
    (t) => t.inners.gaps[t.root * t.inners.fanout]!++,
    /says largest gap 61 of entry 0: 60/,
  ],
  [
    'a gap summary too small',
    (t) => t.inners.gaps[t.root * t.inners.fanout]!--,
    /says largest gap 59 of entry 0: 60/,
  ],
  [
    'a second largest gap that is another',
    (t) => t.inners.seconds[t.root * t.inners.fanout]!--,
    /says second largest gap 59 of entry 0: 60/,
  ],
  ['a wrong size', (t) => t.size++, /size says 5001/],
  ['a node in the tree twice', (t) => (t.inners.children[1] = t.inners.children[0]!), /in the tree twice/],
  ['a child that never was', (t) => (t.inners.children[1] = 1 << 20), /never allocated/],
  ['a node with too few entries', (t) => (t.leaves.counts[1] = 2), /2 entries, 14 expected/],
  ['a node with too many entries', (t) => (t.leaves.counts[1] = 99), /99 entries/],
  ['a node in the tree and in the free list', (t) => t.leaves.release(1), /in the free list/],
  ['a leaked node', (t) => t.leaves.allocate(), /some leaked/],
  [
    'a wrong count of free nodes',
    (t) => {
      t.leaves.release(t.leaves.allocate());
      t.leaves.freeCount = 0;
    },
    /1 nodes, 0 expected/,
  ],
  [
    'a cycle in the free list',
    (t) => {
      const node = t.inners.allocate();
      t.inners.release(node);
      t.inners.counts[node] = -2 - node;
    },
    /has a cycle/,
  ],
];

for (const [name, damage, message] of damages) {
  test(`the check reports ${name}`, () => {
    const tree = sound();
    damage(tree);
    assert.throws(() => checkTree(tree), message);
  });
}
