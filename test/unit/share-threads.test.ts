/**
 * Sharing a mirror with threads of one process: views and no mappings, and memory that stays until the last view of the
 * last thread has gone.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type AttachError, attachMirror, openMirror, PlacementError, type StateError } from 'mirrorspace';
import { SharedMemory } from '../../src/engine/shared-memory.ts';
import { SHARE_BYTES } from '../../src/mirror/sharing/control-layout.ts';
import { Members } from '../../src/mirror/sharing/members.ts';
import { collect, holdings } from '../fixtures/leaks.ts';
import { arenaMappings, descriptors, eventually, mappings } from '../fixtures/proc.ts';
import { withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'threads' });

describe('a thread of the process that opened the mirror', () => {
  test('sees the same memory, without a mapping or a descriptor of the arena of its own', () =>
    withShared(open, async ({ mirror, thread }) => {
      const buffer = mirror.alloc(65536, { name: 'numbers' });
      buffer.view(Int32Array)[1] = 11;
      const other = await thread();
      const seen = await other.run(({ attached, api }) => {
        const found = attached.buffer('numbers')!;
        found.view(Int32Array)[1]! += 1;
        return [found.address, typeof api.openMirror, process.pid];
      });
      assert.deepEqual(seen, [buffer.address, 'function', process.pid]);
      assert.equal(buffer.view(Int32Array)[1], 12);
      assert.equal(arenaMappings('threads').length, 1);
      const arenas = [...descriptors().values()].filter((target) =>
        target.startsWith('/memfd:mirrorspace-threads '),
      );
      assert.equal(arenas.length, 1);
      assert.equal(mirror.sharers().length, 1);
      assert.equal(mirror.sharers()[0]!.pid, process.pid);
      assert.notEqual(mirror.sharers()[0]!.tid, process.pid);
    }));

  test('never crashes on a view that it kept of a buffer that was freed', () =>
    withShared(open, async ({ mirror, thread }) => {
      const other = await thread();
      const buffer = mirror.alloc(65536, { name: 'gone' });
      // The owner makes no view: without the thread's it would just be unmapped.
      await other.run((scope) => {
        scope.kept.view = scope.attached.buffer('gone')!.bytes;
        scope.kept.view.fill(5);
      });
      const { address } = buffer;
      buffer.free();
      assert.ok(
        mappings().some((vma) => vma.start <= address && address < vma.end && !vma.name.includes('mirror')),
      );
      await eventually('the free is taken in', () => mirror.sharers()[0]!.upToDate);
      const after = await other.run(({ kept }) => {
        kept.view[0] = 1;
        return [kept.view.length, kept.view[1]];
      });
      assert.deepEqual(after, [65536, 0]);
      assert.throws(() => mirror.alloc(65536, { place: { at: address } }), PlacementError);
      await other.run(async (scope) => {
        scope.kept.view = undefined;
        const { gc } = globalThis as unknown as { gc?: () => void };
        for (let i = 0; i < 4; i++) {
          gc?.();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      await collect();
      await eventually('the place is free again', () => mirror.plan(65536, { place: { at: address } }).ok);
    }));

  test('is told that a buffer is freed if it asks for its first view after that, however busy it was', () =>
    withShared(open, async ({ mirror, thread }) => {
      const flag = mirror.alloc(4096, { name: 'flag' });
      const buffer = mirror.alloc(4096, { name: 'gone' });
      const other = await thread();
      const words = flag.view(Int32Array);
      const busy = other.run(({ attached }) => {
        const words = attached.buffer('flag')!.view(Int32Array);
        const gone = attached.buffer('gone')!;
        Atomics.store(words, 0, 1);
        while (Atomics.load(words, 1) === 0);
        try {
          return gone.bytes.length;
        } catch (error) {
          return (error as { state: string }).state;
        }
      });
      await eventually('it is busy', () => Atomics.load(words, 0) === 1);
      buffer.free();
      Atomics.store(words, 1, 1);
      assert.equal(await busy, 'freed');
    }));

  test('leaves nothing behind when it is terminated, not even in the middle of waiting', () =>
    withShared(open, async ({ mirror, thread }) => {
      const buffer = mirror.alloc(65536, { name: 'kept' });
      const signal = mirror.alloc(4096, { name: 'signal' }).view(Int32Array);
      const first = await thread();
      await first.end();
      await eventually('the first is gone', () => mirror.sharers().length === 0);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const before = holdings();
      for (let i = 0; i < 5; i++) {
        const other = await thread();
        const waiting = other.run(async ({ attached, kept }, round) => {
          const { address } = attached.buffer('kept')!;
          kept.view = attached.buffer('kept')!.bytes;
          attached.buffer('signal')!.view(Int32Array)[0] = round + 1;
          if (round % 2 === 0) await attached.waitAsync(address, 0);
          else await attached.whenBuffer('never');
        }, i);
        waiting.catch(() => {});
        // Not while it makes its view: to be terminated in that ends the process (docs/limits.md).
        await eventually('it has its view', () => signal[0] === i + 1);
        assert.equal(mirror.sharers().length, 1);
        await other.end();
        await eventually('it is gone', () => mirror.sharers().length === 0);
      }
      await eventually('nothing is left', () => {
        const now = holdings();
        return now.descriptors <= before.descriptors && now.ourVmas <= before.ourVmas;
      });
      const { address } = buffer;
      buffer.free();
      // Its views went with it: nothing keeps the place.
      assert.ok(mirror.plan(65536, { place: { at: address } }).ok);
    }));

  test('may attach twice, as may the thread that opened the mirror', async () => {
    const mirror = await open();
    const buffer = mirror.alloc(4096, { name: 'one' });
    const first = await attachMirror(mirror.share());
    const second = await attachMirror(JSON.stringify(mirror.share()));
    first.buffer('one')!.bytes[0] = 3;
    assert.equal(second.buffer(buffer.address)?.bytes[0], 3);
    assert.equal(arenaMappings('threads').length, 1);
    await first.close();
    await first.close();
    assert.equal(first.state, 'closed');
    assert.throws(() => first.query(buffer.address), { state: 'closed' });
    assert.deepEqual(first.buffers(), []);
    await assert.rejects(first.whenBuffer('one'), { state: 'closed' });
    assert.equal(second.buffer('one')?.bytes[0], 3);
    await mirror.close();
    assert.equal(await second.ended, 'closed');
  });
});

describe('a thread of a process that has attached', () => {
  test('uses the mappings that its process has, and outlives no buffer', () =>
    withShared(open, async ({ mirror, handle, child }) => {
      const buffer = mirror.alloc(65536, { name: 'numbers' });
      const other = await child();
      const seen = await other.run(
        async (scope, handle, program) => {
          const { Worker } = await import('node:worker_threads');
          const worker = new Worker(program, { eval: true, workerData: handle });
          scope.kept.worker = worker;
          return new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          });
        },
        handle,
        `const { parentPort, workerData } = require('node:worker_threads');
         import(${JSON.stringify(import.meta.resolve('mirrorspace'))}).then(async ({ attachMirror }) => {
           const mirror = await attachMirror(workerData);
           const buffer = await mirror.whenBuffer('numbers');
           buffer.bytes[3] = 77;
           const late = mirror.whenBuffer('late');
           parentPort.postMessage(buffer.address);
           parentPort.postMessage((await late).address);
           parentPort.on('message', async (message) => {
             if (message === 'close') return mirror.close();
             if (message === '?') return parentPort.postMessage(buffer.freed);
             const later = await mirror.whenBuffer(message);
             later.bytes[5] = 55;
             parentPort.postMessage(later.address);
           });
           parentPort.postMessage(await mirror.ended);
         });`,
      );
      assert.equal(seen, buffer.address);
      assert.equal(buffer.bytes[3], 77);
      assert.equal(arenaMappings('threads', other.pid).length, 1);
      assert.equal(mirror.sharers().length, 2);
      const late = other.run(
        ({ kept }) => new Promise((resolve) => (kept.worker as Worker).once('message', resolve)),
      );
      const second = mirror.alloc(4096, { name: 'late' });
      assert.equal(await late, second.address);
      buffer.free();
      await eventually('both take it in', () => mirror.sharers().every(({ upToDate }) => upToDate));
      const freed = await other.run(({ kept }) => {
        const worker = kept.worker as Worker;
        const answer = new Promise((resolve) => worker.once('message', resolve));
        worker.postMessage('?');
        return answer;
      });
      assert.equal(freed, true);
      // The thread that mapped closes: what it has mapped serves the worker on, also with what comes later.
      await other.run(({ attached }) => attached.close());
      assert.deepEqual(
        mirror.sharers().map(({ tid }) => tid === other.pid),
        [false],
      );
      const answer = other.run(({ kept }) => {
        const worker = kept.worker as Worker;
        const answer = new Promise((resolve) => worker.once('message', resolve));
        worker.postMessage('later');
        return answer;
      });
      const later = mirror.alloc(4096, { name: 'later' });
      assert.equal(await answer, later.address);
      assert.equal(later.bytes[5], 55);
      assert.ok(arenaMappings('threads', other.pid).length > 0);
      const ended = await other.run(({ kept }) => {
        const worker = kept.worker as Worker;
        const answer = new Promise((resolve) => worker.once('message', resolve));
        worker.postMessage('close');
        return answer;
      });
      assert.equal(ended, 'closed');
      assert.equal(mirror.sharers().length, 0);
      await eventually('nothing is mapped', () => arenaMappings('threads', other.pid).length === 0);
      await other.run(({ kept }) => (kept.worker as Worker).terminate());
    }));
});

describe('a process that attaches twice in one thread', () => {
  test('has two that close each by itself, in either order', () =>
    withShared(open, async ({ mirror, handle, child }) => {
      const buffer = mirror.alloc(65536, { name: 'one' });
      const other = await child();
      for (const last of ['second', 'first'] as const) {
        const freed = mirror.alloc(4096, { name: 'freed' });
        freed.bytes.fill(9);
        await other.run(
          async (scope, handle, last) => {
            scope.kept.second = await scope.api.attachMirror(handle);
            const [stays, goes] =
              last === 'second' ? [scope.kept.second, scope.attached] : [scope.attached, scope.kept.second];
            scope.kept.stays = stays;
            scope.kept.buffer = goes.buffer('one');
            scope.kept.view = goes.buffer('freed').bytes;
            scope.kept.waiting = goes
              .waitAsync(goes.buffer('one').address, 0)
              .catch((error: StateError) => error.state);
            await goes.close();
            await goes.close();
          },
          handle,
          last,
        );
        assert.equal(mirror.sharers().length, 1);
        const seen = await other.run(async ({ kept }) => {
          const here = kept.stays.buffer('one')!;
          here.view(Int32Array)[7] = 70;
          return [kept.stays.state, kept.buffer.freed, await kept.waiting, kept.stays.buffers().length];
        });
        assert.deepEqual(seen, ['open', true, 'closed', 2]);
        assert.equal(buffer.view(Int32Array)[7], 70);
        const later = mirror.alloc(4096, { name: 'later' });
        later.bytes[1] = 11;
        const late = await other.run(({ kept }) => {
          // Without a turn of the event loop, though what maps may be the one that is closed.
          const found = kept.stays.buffer('later');
          return [found.address, found.bytes[1]];
        });
        assert.deepEqual(late, [later.address, 11]);
        later.free();
        freed.free();
        await eventually('the free is taken in', () => mirror.sharers().every(({ upToDate }) => upToDate));
        assert.equal(await other.run(({ kept }) => kept.stays.buffer('later')), undefined);
        // A view that was kept of the one that is closed reads zeros, once the one that maps has taken the free in.
        const stale = await other.run(async ({ kept }) => {
          while (kept.view[0] !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
          kept.view[1] = 3;
          return [kept.view[0], kept.view[1], kept.view.length];
        });
        assert.deepEqual(stale, [0, 3, 4096]);
        await other.run(async (scope) => {
          await scope.kept.stays.close();
          scope.kept.stays = scope.kept.buffer = scope.kept.view = undefined;
        });
        assert.equal(mirror.sharers().length, 0);
        await eventually('nothing is mapped', () => arenaMappings('threads', other.pid).length === 0);
        // What it had views of is in its own way until they have been collected.
        await other.run(async (scope, handle) => {
          for (;;) {
            globalThis.gc!();
            try {
              scope.attached = await scope.api.attachMirror(handle);
              return;
            } catch (error) {
              if ((error as AttachError).reason !== 'conflict') throw error;
            }
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        }, handle);
      }
    }));
});

test('a thread is of a process, and follows nobody of another that has the slot of its leader now', () => {
  const control = SharedMemory.create('slots', SHARE_BYTES);
  try {
    const members = new Members(control);
    const ends = { bell: { fd: 0, inode: 0 }, life: { fd: 0, inode: 0 } };
    const join = (thread: number, process: number, processStart: number): number =>
      members.claim({ thread, threadStart: 1, process, processStart, ...ends }, 0, 1)!;
    const leader = join(10, 10, 7);
    const thread = join(11, 10, 7);
    members.set(thread, 'LEADER', leader + 1);
    assert.ok(members.follows(thread, leader));
    members.release(leader);
    for (const [process, start] of [
      [20, 7],
      [10, 8],
    ] as const) {
      assert.equal(join(process, process, start), leader);
      assert.ok(!members.follows(thread, leader));
      members.release(leader);
    }
  } finally {
    control.unmap();
    closeSync(control.fd);
  }
});

test('a worker that has attached and has nothing to do ends by itself', async () => {
  const mirror = await open();
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
     import(${JSON.stringify(import.meta.resolve('mirrorspace'))}).then(({ attachMirror }) => attachMirror(workerData));`,
    { eval: true, workerData: mirror.share() },
  );
  const [code] = await once(worker, 'exit');
  assert.equal(code, 0);
  await mirror.close();
});
