/**
 * `queue.invalidate`: what a device has copied of the host's memory is forgotten when the command's turn has come. That is
 * for changes that nobody can see: here those of the kernel's own, to pages that it has pinned.
 */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FixedBuffer } from '../fixtures/fixed-buffers.ts';
import { hostPages, PAGE, withSystem } from '../fixtures/system.ts';
import { withBoth } from '../fixtures/with-both.ts';

describe('queue.invalidate', () => {
  it('has the next launch fetch again, and only what is named', () =>
    withSystem(async ({ proc, touch }) => {
      const pages = hostPages(8, 1);
      await touch(pages.address, 8);
      const before = proc.systemCounters();
      const command = proc.queue.invalidate({ address: pages.address + PAGE, size: 2 * PAGE });
      assert.equal(command.type, 'invalidate');
      assert.deepEqual(
        await touch(pages.address, 8),
        Uint8Array.from({ length: 8 }, (_, i) => 1 + i),
      );
      assert.equal(command.status, 'complete');
      const after = proc.systemCounters();
      assert.equal(after.advisedBytes - before.advisedBytes, 2 * PAGE);
      assert.equal(after.fetchedBytes - before.fetchedBytes, 2 * PAGE);
    }));

  it('comes in its turn: not before what is under way has ended, nor before what it waits for', () =>
    withSystem(async ({ mirror, proc, program, out }) => {
      const pages = hostPages(1, 1);
      const word = mirror.alloc(PAGE);
      const slow = program.kernel('waitFor', ['pointer', 'pointer', 'pointer']);
      const event = mirror.createEvent();
      const under = proc.queue.launch(slow, { items: 1, args: [pages.address, word, out] });
      const command = proc.queue.invalidate(pages, { after: event });
      const last = proc.queue.launch(slow, { items: 1, args: [pages.address, word, out] });
      const answer = async () => {
        while (Atomics.load(word.view(Int32Array), 0) !== 1) await new Promise(setImmediate);
        Atomics.store(word.view(Int32Array), 0, 2);
      };
      await answer();
      await under.done;
      assert.equal(command.status, 'queued');
      assert.equal(proc.systemCounters().advisedBytes, 0);
      event.complete();
      await answer();
      await last.done;
      assert.equal(proc.systemCounters().advisedBytes, PAGE);
      const failed = mirror.createEvent();
      failed.fail(new Error('not today'));
      const never = proc.queue.invalidate(pages, { after: failed });
      await assert.rejects(never.done, { code: 'ERR_MIRROR_DEPENDENCY' });
    }));

  it('shows what the kernel has stored to pages that it has pinned (io_uring), which nothing else does', (t) =>
    withSystem(async ({ proc, read }) => {
      const pages = hostPages(1, 1);
      const ring = FixedBuffer.pin(pages.address, PAGE);
      if (typeof ring === 'string') return t.skip(`io_uring is refused here: ${ring}`);
      const folder = mkdtempSync(join(tmpdir(), 'system-svm-'));
      const file = openSync(join(folder, 'file'), 'w+');
      try {
        for (const [round, invalidate] of [
          [1, () => proc.queue.invalidate(pages)],
          [2, () => proc.advise(pages, 'drop')],
        ] as const) {
          const before = pages.bytes[0]!;
          const now = 100 + round;
          writeSync(file, new Uint8Array(PAGE).fill(now), 0, PAGE, 0);
          assert.equal((await read(pages.address, 1))[0], before);
          assert.equal(ring.read(file, PAGE), PAGE);
          assert.equal(pages.bytes[7], now);
          assert.equal(
            (await read(pages.address, 1))[0],
            before,
            'it is seen by now: say so in docs/system-svm.md',
          );
          invalidate();
          assert.equal((await read(pages.address, 1))[0], now);
        }
      } finally {
        closeSync(file);
        rmSync(folder, { recursive: true });
        ring.close();
      }
    }));

  it('does nothing where there are no copies: on other devices, and for what is declared', async () => {
    await withBoth(async ({ mirror, wasm, proc }) => {
      const buffer = mirror.alloc(PAGE);
      for (const { queue } of [wasm, proc]) {
        const command = queue.invalidate(buffer);
        await command.done;
        assert.equal(command.status, 'complete');
      }
    });
    await withSystem(
      async ({ mirror, proc, read }) => {
        const bytes = new Uint8Array(PAGE).fill(1);
        using pin = mirror.pin(bytes);
        await proc.queue.invalidate(pin).done;
        assert.equal((await read(pin.address, 1))[0], 1);
      },
      { faults: 'trap' },
    );
  });

  it('is given a range, and says what it does not take', () =>
    withSystem(async ({ proc }) => {
      const { queue } = proc;
      for (const range of [undefined, 5, { address: '1', size: 1 }, { address: 1 }])
        assert.throws(() => queue.invalidate(range as never), { code: 'ERR_INVALID_ARG_TYPE' });
      for (const range of [
        { address: -1, size: 1 },
        { address: 1, size: 0.5 },
        { address: 2 ** 47, size: 1 },
      ])
        assert.throws(() => queue.invalidate(range), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => queue.invalidate({ address: 1, size: 1 }, 3 as never), {
        code: 'ERR_INVALID_ARG_TYPE',
      });
      await queue.finish();
    }));
});
