/**
 * The whole public API at random, against a plain model (fixtures/model.ts): thousands of calls with good and bad
 * arguments, kernels that fault, devices that are killed, stopped and opened again.
 *
 * A failure says how to run it again: `MIRRORSPACE_SEED=...` replays the seed, or one path of it.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Runs, startOf } from '../fixtures/model-runs.ts';

/** The long run is of thousands of sequences, shorter ones. */
const [many, length] = process.env.MIRRORSPACE_STRESS === 'full' ? [20, 80] : [1, 200];
const start = startOf(process.env.MIRRORSPACE_SEED);
const lasting = new Runs(3);
const closing = new Runs(0);
const trapping = new Runs(1, { faults: 'trap' });
after(async () => {
  for (const runs of [lasting, closing, trapping]) await runs.dispose();
});

test(`a mirror does what its model says, whatever is asked of it (seed ${start.seed})`, async () => {
  await lasting.lasting(start, 70 * many, length);
  // The sequences do reach what they are for.
  if (start.path !== undefined) return;
  const { commands, launches, refusals, faults, aborts, kills } = lasting.tally;
  assert.ok(commands > 3000 && launches > 500 && refusals > 300, JSON.stringify(lasting.tally));
  assert.ok(faults > 20 && aborts > 0 && kills > 2, JSON.stringify(lasting.tally));
});

test(`so does one that may be closed at any moment (seed ${start.seed})`, async () => {
  await closing.closing(start, 20 * many, 60);
  assert.ok(start.path !== undefined || closing.tally.commands > 300, JSON.stringify(closing.tally));
});

test(`so does one whose device catches wild accesses by traps (seed ${start.seed})`, async () => {
  await trapping.lasting(start, 12 * many, length);
  assert.ok(start.path !== undefined || trapping.tally.commands > 500, JSON.stringify(trapping.tally));
});
