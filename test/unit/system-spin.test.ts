/**
 * When the host's pager looks for the next fault before it sleeps.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpinCredit } from '../../src/device/process/system/spin-credit.ts';

const tries = (credit: SpinCredit, waits: number, found: (wait: number) => boolean): boolean[] =>
  Array.from({ length: waits }, (_, wait) => {
    const look = credit.next();
    if (look) credit.looked(found(wait));
    return look;
  });

test('it looks while one in four looks is of use, and one in sixteen times where none is', () => {
  const credit = new SpinCredit();
  assert.ok(tries(credit, 100, (wait) => wait % 4 === 0).every(Boolean));
  const idle = tries(credit, 4 + 16 * 5, () => false);
  // What was left of the credit, three or four looks, and then every sixteenth.
  assert.ok(idle.filter(Boolean).length <= 4 + 5, String(idle));
  assert.ok(idle.slice(4).filter(Boolean).length >= 5, String(idle));
});

test('it looks again every time as soon as one look was of use', () => {
  const credit = new SpinCredit();
  tries(credit, 100, () => false);
  while (!credit.next());
  credit.looked(true);
  assert.ok(tries(credit, 4, () => false).every(Boolean));
});
