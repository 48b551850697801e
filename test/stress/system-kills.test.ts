/**
 * A device with system SVM, and its host, that end at any moment, while kernels store to the host's memory and while that
 * is written back: the host's memory holds what was there or what was stored, and the launch names what may be missing.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeviceLost } from 'mirrorspace';
import { full, generator, SEED } from '../fixtures/many-mirrors.ts';
import { eventually, isRunning } from '../fixtures/proc.ts';
import { runProgram } from '../fixtures/run-child.ts';
import { hostPages, PAGE, withSystem } from '../fixtures/system.ts';

const KILLS = full ? 300 : 12;
const all = { system: 'all' } as const;
const skip = process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd';

describe('a device that is killed while it stores to system memory', { skip }, () => {
  it('names what was not written back, and that is as it was', () =>
    withSystem(async ({ mirror, proc, program }) => {
      const pages = hostPages(4, 1);
      const word = mirror.alloc(PAGE);
      const slow = program.kernel('putThenWait', ['pointer', 'u32', 'pointer']);
      const command = proc.queue.launch(slow, { items: 1, args: [pages.address + 2 * PAGE + 9, 200, word] });
      while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
      process.kill(proc.pid, 'SIGKILL');
      const error = await command.done.catch((reason: unknown) => reason);
      assert.ok(error instanceof DeviceLost);
      assert.deepEqual(error.unwritten, [{ start: pages.address + 2 * PAGE, end: pages.address + 3 * PAGE }]);
      assert.match(error.message, /may not have been written back/);
      assert.equal(pages.bytes[2 * PAGE + 9], 3);
      await proc.reopen();
      const put = program.kernel('put', ['pointer', 'u32']);
      await proc.queue.launch(put, { items: 1, args: [pages.address, 77] }).done;
      assert.equal(pages.bytes[0], 77);
    }, all));

  it(`leaves old bytes or new ones, ${KILLS} times at random moments (seed ${SEED})`, () =>
    withSystem(async ({ proc, program }) => {
      const below = generator(SEED);
      const count = 512;
      const pages = hostPages(count);
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const stride = 64;
      const items = (count * PAGE) / stride;
      for (let kill = 0; kill < KILLS; kill++) {
        const before = pages.bytes.slice();
        const command = proc.queue.launch(increment, { items, chunk: 4096, args: [pages.address, stride] });
        const ended = command.done.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        for (let turn = below(60); turn > 0; turn--) await new Promise(setImmediate);
        process.kill(proc.pid, 'SIGKILL');
        const error = await ended;
        assert.ok(error === undefined || error instanceof DeviceLost, String(error));
        await eventually('the loss is noticed', () => !isRunning(proc.pid));
        // A kernel adds one to what it finds: chunks that share a page may both have done so, each to its own bytes.
        for (let i = 0; i < pages.size; i++) {
          const added = (pages.bytes[i]! - before[i]!) & 255;
          if (i % stride !== 0 ? added !== 0 : added > 1 || (error === undefined && added !== 1))
            assert.fail(`byte ${i} went from ${before[i]} to ${pages.bytes[i]} (${String(error)})`);
        }
        await proc.reopen();
      }
    }, all));
});

describe('a host that ends while its device stores to its memory', { skip }, () => {
  for (const how of ['exit while it runs', 'killed while it runs'])
    it(`leaves no process: ${how}`, async () => {
      const { end, said, stderr } = await runProgram('system-ends.mjs', [how]);
      assert.equal(end, how.startsWith('exit') ? 0 : 'SIGKILL', stderr);
      const { pid } = said[0] as { pid: number };
      await eventually("the device's process ends", () => !isRunning(pid));
    });
});
