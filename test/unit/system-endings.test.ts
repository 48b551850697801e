/**
 * What is left of system SVM in its host when a mirror closes, or its thread ends in whichever way: nothing. As children: a
 * thread that ends amid a native call would take its process along.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runProgram } from '../fixtures/run-child.ts';

const skip = process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd';

interface Holdings {
  readonly ours: readonly string[];
  readonly eventfds: number;
}

describe('the descriptors and mappings of system SVM', { skip }, () => {
  for (const [how, threads, words] of [
    ['close', 3, 'go with the mirror'],
    ['exit', 4, 'go with the mirror or the next one where its thread calls process.exit while kernels store'],
    [
      'terminate',
      4,
      'are cleared up after by the next mirror where its thread is terminated while kernels store',
    ],
  ] as const)
    it(words, async () => {
      const { end, said, stderr } = await runProgram('system-threads.mjs', [how, String(threads)]);
      assert.equal(end, 0, stderr);
      const [found] = said as [{ before: Holdings; left: number; after: Holdings }];
      const { before, left, after } = found;
      assert.deepEqual([before.ours, after.ours], [[], []], stderr);
      assert.ok(after.eventfds <= before.eventfds, JSON.stringify(found));
      if (how === 'terminate') assert.ok(left > 0, 'the thread could not close its descriptors');
    });
});
