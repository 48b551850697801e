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
import { type HostPages, hostPages, PAGE, withSystem } from '../fixtures/system.ts';

const KILLS = full ? 300 : 12;
const all = { system: 'all' } as const;
const refused = process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd';
const never = new Int32Array(new SharedArrayBuffer(4));
const MODES = [
  { paging: 'demand', faults: 'auto', skip: refused },
  { paging: 'declared', faults: 'trap', skip: false },
] as const;

describe('a device that is killed while it stores to system memory', () => {
  it('names what was not written back, and that is as it was', { skip: refused }, () =>
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
    }, all),
  );

  it('and that is killed while this is written back names what may be missing', { skip: refused }, (t) =>
    withSystem(async ({ proc, program }) => {
      const pages = hostPages(2048);
      const stride = 128;
      const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
      const items = pages.size / stride;
      let halfway = 0;
      for (let kill = 0; kill < 4; kill++) {
        const before = pages.bytes.slice();
        const { writeBacks } = proc.systemCounters();
        const command = proc.queue.launch(increment, { items, chunk: items, args: [pages.address, stride] });
        const ended = command.done.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        for (const end = Date.now() + 60_000; proc.systemCounters().writeBacks === writeBacks; )
          assert.ok(Date.now() < end, 'nothing is written back');
        process.kill(proc.pid, 'SIGKILL');
        // The pager comes to the end of it before this thread learns of the loss.
        Atomics.wait(never, 0, 0, 200);
        const error = await ended;
        if (error !== undefined) {
          assert.ok(error instanceof DeviceLost, String(error));
          assertNamed(error, pages, before, stride);
          if (error.unwritten.length > 0) halfway++;
        }
        await proc.reopen();
      }
      t.diagnostic(`${halfway} of 4 kills came before the end of it`);
    }, all),
  );

  for (const { paging, faults, skip } of MODES)
    it(
      `${paging}: leaves old bytes or new ones, ${KILLS} times at random moments (seed ${SEED})`,
      { skip },
      () =>
        withSystem(
          async ({ mirror, proc, program }) => {
            assert.equal(proc.systemPaging, paging);
            const below = generator(SEED);
            const count = 512;
            const pages = hostPages(count);
            using pin = mirror.pin(pages.bytes);
            assert.equal(pin.address, pages.address);
            const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
            const stride = 64;
            const items = (count * PAGE) / stride;
            for (let kill = 0; kill < KILLS; kill++) {
              const before = pages.bytes.slice();
              const command = proc.queue.launch(increment, {
                items,
                chunk: 4096,
                args: [pages.address, stride],
              });
              const ended = command.done.then(
                () => undefined,
                (reason: unknown) => reason,
              );
              for (let turn = below(60); turn > 0; turn--) await new Promise(setImmediate);
              process.kill(proc.pid, 'SIGKILL');
              // The pager goes on with what it has begun, and may learn of it before this thread does.
              if (below(2)) Atomics.wait(never, 0, 0, 30);
              const error = await ended;
              assert.ok(error === undefined || error instanceof DeviceLost, String(error));
              await eventually('the loss is noticed', () => !isRunning(proc.pid));
              // A kernel adds one to what it finds: chunks that share a page may both have done so, each to its own bytes.
              for (let i = 0; i < pages.size; i++) {
                const added = (pages.bytes[i]! - before[i]!) & 255;
                if (i % stride !== 0 ? added !== 0 : added > 1 || (error === undefined && added !== 1))
                  assert.fail(`byte ${i} went from ${before[i]} to ${pages.bytes[i]} (${String(error)})`);
              }
              if (error && paging === 'demand') assertNamed(error, pages, before, stride);
              await proc.reopen();
            }
          },
          { ...all, faults },
        ),
    );
});

/** Beside what a loss names all stores of a launch have arrived, or none has; where it names anything, none. */
function assertNamed({ unwritten }: DeviceLost, pages: HostPages, before: Uint8Array, stride: number): void {
  let stored = 0;
  let left = 0;
  for (let at = 0; at < pages.size; at += stride) {
    const address = pages.address + at;
    if (unwritten.some(({ start, end }) => start <= address && address < end)) continue;
    if (pages.bytes[at] === before[at]) left++;
    else stored++;
  }
  const found = `${stored} stores arrived and ${left} did not beside ${JSON.stringify(unwritten)}`;
  assert.ok(stored === 0 || (left === 0 && unwritten.length === 0), found);
}

describe('a host that ends while its device stores to its memory', () => {
  for (const { paging, faults, skip } of MODES)
    for (const how of ['exit while it runs', 'killed while it runs'])
      it(`${paging}: leaves no process: ${how}`, { skip }, async () => {
        const { end, said, stderr } = await runProgram('system-ends.mjs', [how, faults]);
        assert.equal(end, how.startsWith('exit') ? 0 : 'SIGKILL', stderr);
        const { pid } = said[0] as { pid: number };
        await eventually("the device's process ends", () => !isRunning(pid));
      });
});
