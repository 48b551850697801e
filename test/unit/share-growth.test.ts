/**
 * Buffers that grow while other processes and threads have them: these reach the new bytes at the same addresses, keep
 * the views that they have, and lose nothing where something of their own lies behind the buffer.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { attachMirror, MiB, type Mirror, openMirror, PlacementError } from 'mirrorspace';
import { collect } from '../fixtures/leaks.ts';
import { arenaMappings, eventually } from '../fixtures/proc.ts';
import { withShared } from '../fixtures/share-members.ts';

const PAGE = 4096;
const open = () => openMirror({ devices: {}, name: 'growth' });

/** A place with room behind it, here and in those who have attached. */
function roomy(mirror: Mirror, size = 16 * MiB): { readonly at: number } {
  const plan = mirror.plan(size, { guard: 2 });
  assert.ok(plan.ok);
  return { at: plan.placement.address };
}

describe('a buffer that grows after share()', () => {
  test('grows in a process that has attached too, which keeps its views and reaches the new bytes', () =>
    withShared(open, async ({ mirror, handle, child }) => {
      const buffer = mirror.alloc(PAGE + 10, { name: 'grows', place: roomy(mirror) });
      const { address } = buffer;
      buffer.bytes.fill(3);
      const other = await child();
      await other.run(({ attached, kept }) => {
        kept.buffer = attached.buffer('grows')!;
        kept.old = kept.buffer.bytes;
      });
      for (const size of [PAGE + 11, 3 * PAGE, 3 * PAGE, 300 * PAGE + 4]) {
        buffer.grow(size);
        buffer.bytes[size - 1] = size % 251;
        // Nobody asks for a buffer there: the bell tells.
        const seen = await other.run(async ({ kept }, size) => {
          for (const end = Date.now() + 20_000; kept.buffer.size !== size && Date.now() < end; )
            await new Promise((resolve) => setTimeout(resolve, 1));
          const { bytes } = kept.buffer;
          bytes[size - 2] = 77;
          return [kept.buffer.address, bytes.length, bytes[0], bytes[size - 1]];
        }, size);
        assert.deepEqual(seen, [address, size, 3, size % 251]);
        assert.equal(buffer.bytes[size - 2], 77);
      }
      const size = 300 * PAGE + 4;
      // One mapping, as if it had always been so long; the old view is of the same bytes.
      const theirs = arenaMappings('growth', other.pid).filter(({ start }) => start === address);
      assert.deepEqual(
        theirs.map(({ end, offset }) => [end, offset]),
        [[address + 301 * PAGE, address]],
      );
      const old = await other.run(
        ({ attached, kept }, last) => {
          kept.old[5] = 88;
          kept.newer = attached.buffer(last)!.bytes;
          const beyond = attached.query(last + 1) === undefined;
          return [kept.old.length, kept.newer[5], attached.query(last)?.offset, beyond];
        },
        address + size - 1,
      );
      assert.deepEqual(old, [PAGE + 10, 88, size - 1, true]);
      // One that attaches now has it at its new size.
      const late = await attachMirror(handle);
      assert.equal(late.buffer('grows')!.size, size);
      await late.close();

      buffer.free();
      await eventually('the free is taken in', () => mirror.sharers().every(({ upToDate }) => upToDate));
      const after = await other.run(({ kept }) => [
        kept.old.length,
        kept.newer.length,
        kept.old.every((byte: number) => byte === 0),
        kept.newer.every((byte: number) => byte === 0),
      ]);
      assert.deepEqual(after, [PAGE + 10, size, true, true]);
      // The address is used again only when both ArrayBuffers are gone.
      const place = { place: { at: address } };
      await other.run(async ({ kept }) => {
        kept.newer = undefined;
        const { gc } = globalThis as unknown as { gc: () => void };
        for (let i = 0; i < 10; i++) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      });
      await collect();
      assert.equal(mirror.plan(PAGE, place).ok, false);
      await other.run(({ kept }) => {
        kept.old = undefined;
        kept.collecting = setInterval((globalThis as unknown as { gc: () => void }).gc, 10);
      });
      await eventually('the place is free again', () => {
        void collect();
        return mirror.plan(300 * PAGE, place).ok;
      });
      await other.run(({ kept }) => clearInterval(kept.collecting));
    }));

  test('goes round what those who have attached have behind it, and says whose it is', () =>
    withShared(open, async ({ mirror, child }) => {
      const other = await child();
      const { at } = roomy(mirror);
      const buffer = mirror.alloc(PAGE, { name: 'first', place: { at } });
      await other.run(
        async ({ api, kept }, wall) => {
          kept.own = await api.openMirror({ devices: {}, name: 'rival' });
          kept.own.alloc(4096, { place: { at: wall } });
        },
        at + 8 * PAGE,
      );
      const { bytes } = buffer;
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.throws(
        () => buffer.grow(9 * PAGE),
        (error) => {
          assert.ok(error instanceof PlacementError);
          assert.match(error.message, new RegExp(`'first' can't grow.*process ${other.pid}`, 's'));
          return true;
        },
      );
      assert.equal(buffer.size, PAGE);
      assert.equal(buffer.bytes, bytes);
      buffer.grow(8 * PAGE);
      assert.equal(await other.run(({ attached }) => attached.buffer('first')!.size), 8 * PAGE);
    }));

  test('stays as long as it was where something came to lie behind it in the same instant, and both sides are told', () =>
    withShared(open, async ({ mirror, child }) => {
      const flag = mirror.alloc(PAGE, { name: 'flag' });
      const { at } = roomy(mirror);
      const buffer = mirror.alloc(2 * PAGE, { name: 'blocked', place: { at } });
      const other = await child();
      const raced = other.run(
        async ({ api, attached }, wall) => {
          const own = await api.openMirror({ devices: {}, name: 'rival' });
          const found = attached.buffer('blocked')!;
          found.bytes[0] = 9;
          const words = attached.buffer('flag')!.view(Int32Array);
          Atomics.store(words, 0, 1);
          while (Atomics.load(words, 1) === 0);
          // The owner's buffer is longer already; this side has not looked, and takes the place.
          const rival = own.alloc(4096, { place: { at: wall } });
          rival.bytes.fill(5);
          const again = attached.buffer('blocked')!;
          const [obstacle] = attached.unreachable();
          return {
            same: again === found,
            size: again.size,
            bytes: [again.bytes.length, again.bytes[0], rival.bytes.every((byte) => byte === 5)],
            beyond: attached.query(wall) === undefined,
            obstacle,
          };
        },
        at + 3 * PAGE,
      );
      const words = flag.view(Int32Array);
      await eventually('it stands still', () => Atomics.load(words, 0) === 1);
      buffer.grow(5 * PAGE);
      buffer.bytes.fill(7, 2 * PAGE);
      Atomics.store(words, 1, 1);
      const { obstacle, ...seen } = await raced;
      assert.deepEqual(seen, {
        ...{ same: true, size: 2 * PAGE, beyond: true },
        bytes: [2 * PAGE, 9, true],
      });
      assert.deepEqual(
        [obstacle?.name, obstacle?.start, obstacle?.end],
        ['blocked', at + 2 * PAGE, at + 5 * PAGE],
      );
      assert.match(obstacle!.blockers[0]!.name, /mirrorspace-rival/);
      assert.deepEqual(mirror.sharers()[0]!.unreachable, [{ name: 'blocked', address: at }]);
      assert.equal(mirror.sharers()[0]!.upToDate, true);
      // Its end takes nothing of the rival's with it.
      buffer.free();
      await eventually('it is forgotten', () => mirror.sharers()[0]!.unreachable.length === 0);
      const left = await other.run(({ attached }) => [
        attached.buffer('blocked') === undefined,
        attached.unreachable().length,
      ]);
      assert.deepEqual(left, [true, 0]);
      assert.deepEqual(
        arenaMappings('rival', other.pid).map(({ start, end }) => [start, end]),
        [[at + 3 * PAGE, at + 4 * PAGE]],
      );
    }));

  test('grows for threads of the process that opened the mirror, whose old and new views both hold its addresses', () =>
    withShared(open, async ({ mirror, thread }) => {
      const other = await thread();
      const place = roomy(mirror);
      const buffer = mirror.alloc(PAGE, { name: 'grows', place });
      await other.run(({ attached, kept }) => {
        kept.old = attached.buffer('grows')!.bytes;
        kept.old[0] = 1;
      });
      buffer.grow(64 * PAGE);
      await other.run(({ attached, kept }) => {
        kept.newer = attached.buffer('grows')!.bytes;
        kept.newer[64 * 4096 - 1] = 2;
      });
      assert.deepEqual([buffer.bytes[0], buffer.bytes[64 * PAGE - 1]], [1, 2]);
      buffer.free();
      await eventually('the free is taken in', () => mirror.sharers()[0]!.upToDate);
      const forget = (what: 'old' | 'newer') =>
        other.run(async ({ kept }, what) => {
          kept[what] = undefined;
          const { setFlagsFromString } = await import('node:v8');
          const { runInNewContext } = await import('node:vm');
          setFlagsFromString('--expose-gc');
          for (let i = 0; i < 10; i++) {
            runInNewContext('gc')();
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
        }, what);
      await forget('newer');
      await collect();
      assert.equal(mirror.plan(PAGE, { place }).ok, false, 'the old view is still there');
      assert.equal(await other.run(({ kept }) => kept.old[0] + kept.old.length), PAGE);
      await forget('old');
      await collect();
      await eventually('the place is free again', () => {
        void collect();
        return mirror.plan(64 * PAGE, { place }).ok;
      });
    }));

  test('grows for a thread beside the one that maps for their process, no sooner than that one has it', () =>
    withShared(open, async ({ mirror, handle, child }) => {
      const flag = mirror.alloc(PAGE, { name: 'flag' });
      const buffer = mirror.alloc(PAGE, { name: 'grows', place: roomy(mirror) });
      const other = await child();
      const program = `
        const { parentPort, workerData } = require('node:worker_threads');
        import(${JSON.stringify(import.meta.resolve('mirrorspace'))}).then(async ({ attachMirror }) => {
          const mirror = await attachMirror(workerData);
          const buffer = mirror.buffer('grows');
          const flag = mirror.buffer('flag').view(Int32Array);
          parentPort.postMessage('attached');
          while (Atomics.load(flag, 0) === 0);
          // The thread that maps is busy: the owner's buffer is longer, and not here.
          parentPort.postMessage([mirror.buffer('grows').size, buffer.bytes.length]);
          Atomics.store(flag, 0, 2);
          for (const end = Date.now() + 20000; buffer.size === 4096 && Date.now() < end; )
            await new Promise((resolve) => setTimeout(resolve, 1));
          const { bytes } = buffer;
          bytes[bytes.length - 1] = 9;
          parentPort.postMessage(bytes.length);
          parentPort.on('message', () => mirror.close());
        });`;
      await other.run(
        async (scope, handle, program) => {
          const { Worker } = await import('node:worker_threads');
          const worker = new Worker(program, { eval: true, workerData: handle });
          scope.kept.worker = worker;
          scope.kept.heard = [];
          await new Promise((resolve, reject) => {
            worker.on('error', reject);
            worker.once('message', resolve);
          });
          worker.on('message', (message) => scope.kept.heard.push(message));
        },
        handle,
        program,
      );
      const busy = other.run(({ attached }) => {
        const words = attached.buffer('flag')!.view(Int32Array);
        Atomics.store(words, 1, 1);
        while (Atomics.load(words, 0) !== 2);
      });
      const words = flag.view(Int32Array);
      await eventually('the thread that maps is busy', () => Atomics.load(words, 1) === 1);
      buffer.grow(100 * PAGE);
      Atomics.store(words, 0, 1);
      await busy;
      const heard = await other.run(async ({ kept }) => {
        for (const end = Date.now() + 20_000; kept.heard.length < 2 && Date.now() < end; )
          await new Promise((resolve) => setTimeout(resolve, 1));
        return kept.heard;
      });
      assert.deepEqual(heard, [[PAGE, PAGE], 100 * PAGE]);
      assert.equal(buffer.bytes[100 * PAGE - 1], 9);
      await other.run(({ kept }) => (kept.worker as Worker).terminate());
    }));

  test('takes nothing of others with it where the thread that had mapped it, as it was before, is terminated', () =>
    withShared(open, async ({ mirror, handle, forked }) => {
      const { at } = roomy(mirror);
      const buffer = mirror.alloc(PAGE, { name: 'grows', place: { at } });
      const other = forked();
      const leader = `
        const { parentPort, workerData } = require('node:worker_threads');
        import(${JSON.stringify(import.meta.resolve('mirrorspace'))}).then(async ({ attachMirror }) => {
          await attachMirror(workerData);
          parentPort.postMessage('attached');
          for (;;);
        });`;
      await other.run(
        async (scope, handle, leader) => {
          const { Worker } = await import('node:worker_threads');
          const { once } = (await import('node:events')).default;
          const { kept } = scope;
          kept.own = await scope.api.openMirror({ devices: {}, name: 'rival' });
          kept.leader = new Worker(leader, { eval: true, workerData: handle });
          await once(kept.leader, 'message');
          scope.attached = await scope.api.attachMirror(handle);
          kept.old = scope.attached.buffer('grows')!.bytes;
          kept.old[0] = 1;
        },
        handle,
        leader,
      );
      buffer.grow(4 * PAGE);
      const left = await other.run(
        async ({ attached, kept }, wall) => {
          const before = attached.buffer('grows')!.size;
          // Where the thread that hangs would have the rest of the buffer something else comes to lie.
          const rival = kept.own.alloc(4096, { place: { at: wall } });
          rival.bytes.fill(5);
          await kept.leader.terminate();
          await attached.ended;
          const [first] = kept.old;
          return [before, attached.state, kept.old.length, first, rival.bytes.every((b: number) => b === 5)];
        },
        at + 2 * PAGE,
      );
      assert.deepEqual(left, [PAGE, 'closed', PAGE, 0, true]);
      assert.deepEqual(arenaMappings('growth', other.pid), []);
      assert.equal(arenaMappings('rival', other.pid).length, 1);
    }));
});
