/**
 * A pager that hardly ever runs: it answers faults late, and may have read about one when the call that had it is over
 * and its buffer gone. No launch may be blamed for that.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { after, test } from 'node:test';
import { libcFunction } from '../../src/ffi/library.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const SCHED_IDLE = 5;
const setScheduler = libcFunction('int sched_setscheduler(int, int, void *)');

const hogs: ChildProcess[] = cpus().map(() =>
  spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
);
after(() => {
  for (const hog of hogs) hog.kill('SIGKILL');
});

/** The kernel runs it only where nothing else wants to. */
function slowDown(pid: number, thread: string): void {
  const ids = readdirSync(`/proc/${pid}/task`).filter(
    (id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === thread,
  );
  assert.equal(ids.length, 1, `threads ${thread} of the device`);
  assert.equal(setScheduler(Number(ids[0]), SCHED_IDLE, new Int32Array(1)), 0);
}

test('a launch is not blamed for what the one before it had faulted on, though two cores did and the buffer is freed', () =>
  withMirror(
    async ({ mirror, wasm, program }) => {
      slowDown(wasm.pid, 'mirror-pager');
      const sum = program.kernel('tableSum', ['pointer']);
      const other = mirror.alloc(8192, { name: 'other' });
      for (let round = 0; round < 150; round++) {
        const freed = mirror.alloc(4096, { name: 'freed' });
        await wasm.queue.launch(sum, { items: 64, chunk: 1, args: [freed] }).done;
        freed.free();
        const next = () => wasm.queue.launch(sum, { items: 2000, chunk: 1, args: [other] });
        for (const command of Array.from({ length: 5 }, next)) await command.done;
      }
      assert.equal(wasm.counters().coreRestarts, 0);
    },
    { cores: 4 },
  ));
