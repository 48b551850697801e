/**
 * Kernels stopped all the time on the same cores that run others: a stop that comes too late, when its core is in the
 * next packet already, must not hit that one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { full } from '../fixtures/many-mirrors.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const ROUNDS = full ? 1000 : 100;

test('aborting launches of one queue fails none of another', () =>
  withMirror(
    async ({ mirror, wasm, program }) => {
      const increment = program.kernel('increment', ['pointer']);
      const [stopped, innocent] = [mirror.alloc(64), mirror.alloc(64)];
      const other = wasm.createQueue();
      let aborted = 0;
      const launch = { items: 2000, chunk: 2000 };
      const long = { items: 100_000, chunk: 100_000 };
      for (let round = 0; round < ROUNDS; round++) {
        const jobs: Promise<unknown>[] = [];
        for (let i = 0; i < 30; i++) {
          const { signal, abort } = withAbort();
          const command = wasm.queue.launch(increment, { ...long, args: [stopped], signal });
          jobs.push(command.done.catch(() => aborted++));
          jobs.push(other.launch(increment, { ...launch, args: [innocent] }).done);
          if (i % 3 === 0) queueMicrotask(abort);
          else setTimeout(abort, i % 2);
        }
        await Promise.all(jobs);
      }
      assert.equal(innocent.view(Int32Array)[0], (ROUNDS * 30 * 2000) | 0, 'every item ran once');
      assert.ok(aborted > ROUNDS, String(aborted));
      assert.ok(wasm.counters().coreRestarts > 0, 'some were stopped in the middle');
    },
    { cores: 1 },
  ));

function withAbort(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
