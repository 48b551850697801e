/**
 * How long a thread looks before it sleeps, against machines that answer after a given time: what looking costs where it
 * is in vain, and that it is found out again when it is of use.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsefulSpin } from '../../src/engine/useful-spin.ts';

const LONGEST = 0.05;

/** Waits once for an answer that takes so many milliseconds; gives how long was looked, and whether it was of use. */
function wait(spin: UsefulSpin, answer: number): { looked: number; found: boolean } {
  const looked = spin.next();
  const found = answer <= looked;
  if (found) spin.worked(looked);
  else spin.failed(looked);
  return { looked: Math.min(looked, answer), found };
}

test('never looks longer than it may, nor for less than no time, whatever came of it before', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 300 }), (answers) => {
      const spin = new UsefulSpin(LONGEST);
      for (const answer of answers) {
        const { looked } = wait(spin, answer);
        assert.ok(looked >= 0 && looked <= LONGEST, String(looked));
      }
    }),
  );
});

test('where answers take too long, looking soon costs a fiftieth of what it would at full length', () => {
  fc.assert(
    fc.property(fc.double({ min: LONGEST * 1.01, max: 100, noNaN: true }), (answer) => {
      const spin = new UsefulSpin(LONGEST);
      let cost = 0;
      for (let i = 0; i < 1000; i++) cost += wait(spin, answer).looked;
      assert.ok(cost < (1000 * LONGEST) / 50, String(cost));
    }),
  );
});

test('where answers become quick, each is found by looking after at most 64 waits more', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 500 }),
      fc.double({ min: 0, max: LONGEST / 2, noNaN: true }),
      (slow, answer) => {
        const spin = new UsefulSpin(LONGEST);
        for (let i = 0; i < slow; i++) wait(spin, 1);
        for (let i = 0; i < 64; i++) wait(spin, answer);
        for (let i = 0; i < 200; i++) assert.ok(wait(spin, answer).found, `wait ${i}`);
      },
    ),
  );
});
