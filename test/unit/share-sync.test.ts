/**
 * Waiting, locks and channels in mirrored memory, between threads of different processes.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Mirror, openMirror, SharedChannel, SharedMutex } from 'mirrorspace';
import { asleep, eventually } from '../fixtures/proc.ts';
import { withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'sync' });

async function withMirror(body: (mirror: Mirror) => Promise<void> | void): Promise<void> {
  const mirror = await open();
  try {
    await body(mirror);
  } finally {
    await mirror.close();
  }
}

describe('wait and notify', () => {
  test('give what Atomics.wait and Atomics.notify give', () =>
    withMirror(async (mirror) => {
      const buffer = mirror.alloc(4096);
      const { address } = buffer;
      const words = buffer.view(Int32Array);
      assert.equal(mirror.wait(address, 1), 'not-equal');
      assert.equal(mirror.wait(address, 0, { timeout: 0 }), 'timed-out');
      assert.equal(mirror.wait(address, 0, { timeout: 5 }), 'timed-out');
      assert.equal(await mirror.waitAsync(address, 1), 'not-equal');
      assert.equal(await mirror.waitAsync(address, 0, { timeout: 0 }), 'timed-out');
      assert.equal(await mirror.waitAsync(address, 0, { timeout: 5 }), 'timed-out');
      assert.equal(mirror.notify(address), 0);
      words[1] = -1;
      assert.equal(mirror.wait(address + 4, -1, { timeout: 0 }), 'timed-out');
      assert.equal(mirror.wait(address + 4, 2 ** 32 - 1, { timeout: 0 }), 'timed-out');
      assert.equal(mirror.wait(address + 4, 2 ** 31 - 1), 'not-equal');
    }));

  test('reach waiters of their own word, and as many as asked for', () =>
    withMirror(async (mirror) => {
      const { address } = mirror.alloc(4096);
      const ended: string[] = [];
      const waits = [0, 0, 0, 4].map(async (offset, i) => {
        await mirror.waitAsync(address + offset, 0);
        ended.push(`${offset}/${i}`);
      });
      await new Promise(setImmediate);
      assert.equal(mirror.notify(address, 0), 0);
      assert.equal(mirror.notify(address, 2), 2);
      await eventually('two go on', () => ended.length === 2);
      assert.equal(mirror.notify(address + 4), 1);
      assert.equal(mirror.notify(address + 8), 0);
      await eventually('the other word goes on', () => ended.length === 3);
      assert.equal(mirror.notify(address), 1);
      await Promise.all(waits);
      assert.deepEqual(ended.filter((each) => each.startsWith('4')).length, 1);
      assert.equal(mirror.notify(address), 0);
    }));

  test('wake threads that block and event loops that do not, in other processes', () =>
    withShared(open, async ({ mirror, child, thread }) => {
      const buffer = mirror.alloc(4096, { name: 'word' });
      const members = [await child(), await child(), await thread()];
      const [blocked, ...asynchronous] = members.map((member, i) =>
        member.run(async ({ attached }, i) => {
          const { address } = attached.buffer('word')!;
          return i === 0 ? attached.wait(address, 0) : await attached.waitAsync(address, 0);
        }, i),
      );
      let woken = 0;
      await eventually('all were woken', () => {
        woken += mirror.notify(buffer.address, 1);
        return woken >= 3;
      });
      assert.equal(woken, 3);
      assert.deepEqual(await Promise.all([blocked, ...asynchronous]), ['ok', 'ok', 'ok']);
    }));

  test('give up for a signal, and leave nothing of it behind', () =>
    withMirror(async (mirror) => {
      const { address } = mirror.alloc(4096);
      const controller = new AbortController();
      const wait = mirror.waitAsync(address, 0, { signal: controller.signal });
      controller.abort(new Error('enough'));
      await assert.rejects(wait, { message: 'enough' });
      assert.equal(mirror.notify(address), 0);
      await assert.rejects(mirror.waitAsync(address, 0, { signal: controller.signal }), {
        message: 'enough',
      });
    }));

  test('are refused for what is no word of a live buffer, before anything is waited for', () =>
    withMirror(async (mirror) => {
      const buffer = mirror.alloc(4096);
      const { address } = buffer;
      const range = { code: 'ERR_OUT_OF_RANGE' };
      const type = { code: 'ERR_INVALID_ARG_TYPE' };
      assert.throws(() => mirror.wait(address + 2, 0), range);
      assert.throws(() => mirror.wait(buffer.end, 0), range);
      assert.throws(() => mirror.wait(-4, 0), range);
      assert.throws(() => mirror.wait('0' as unknown as number, 0), type);
      assert.throws(() => mirror.wait(address, 0.5), range);
      assert.throws(() => mirror.wait(address, 2 ** 32), range);
      assert.throws(() => mirror.wait(address, '1' as unknown as number), type);
      assert.throws(() => mirror.wait(address, 0, { timeout: -1 }), range);
      assert.throws(() => mirror.wait(address, 0, { timeout: Number.NaN }), range);
      assert.throws(() => mirror.wait(address, 0, null as unknown as object), type);
      assert.throws(() => mirror.notify(address, -1), range);
      assert.throws(() => mirror.notify(address, '1' as unknown as number), type);
      await assert.rejects(mirror.waitAsync(address + 1, 0), range);
      await assert.rejects(mirror.waitAsync(address, 0, { signal: {} as AbortSignal }), type);
      await assert.rejects(mirror.waitAsync(address, 0, { ref: 1 as unknown as boolean }), type);
      buffer.free();
      assert.throws(() => mirror.wait(address, 0), range);
    }));

  test('a blocked thread notices that its buffer was freed', () =>
    withShared(open, async ({ mirror, child }) => {
      const buffer = mirror.alloc(4096, { name: 'word' });
      const other = await child();
      const blocked = other.run(({ attached }) => {
        const { address } = attached.buffer('word')!;
        attached.buffer('word')!.view(Int32Array)[1] = 1;
        attached.wait(address, 0);
      });
      await eventually('it is about to wait', () => buffer.view(Int32Array)[1] === 1);
      await asleep(other.pid);
      buffer.free();
      await assert.rejects(blocked, { name: 'StateError', state: 'freed' });
    }));
});

describe('a lock', () => {
  test('is held by one thread at a time, of however many processes', () =>
    withShared(open, async ({ mirror, child, thread }) => {
      const buffer = mirror.alloc(4096, { name: 'lock' });
      const members = await Promise.all([child(), child(), thread()]);
      const rounds = 300;
      const all = members.map((member, i) =>
        member.run(
          async ({ attached, api }, i, rounds) => {
            const buffer = attached.buffer('lock')!;
            const lock = new api.SharedMutex(attached, buffer.address);
            const words = buffer.view(Int32Array);
            for (let round = 0; round < rounds; round++) {
              const add = (): void => {
                // Not atomic: only the lock makes it right.
                const value = words[4]!;
                for (let j = 0; j < 50; j++) words[5] = j;
                words[4] = value + 1;
              };
              if (i === 0) lock.with(add);
              else await lock.withAsync(add);
            }
          },
          i,
          rounds,
        ),
      );
      const own = new SharedMutex(mirror, buffer.address);
      for (let round = 0; round < rounds; round++) {
        await own.lockAsync();
        buffer.view(Int32Array)[4]! += 1;
        own.unlock();
      }
      await Promise.all(all);
      assert.equal(buffer.view(Int32Array)[4], rounds * 4);
      assert.equal(buffer.view(Int32Array)[0], 0);
    }));

  test('says what is wrong with taking it twice, or giving back what one has not', () =>
    withMirror(async (mirror) => {
      const buffer = mirror.alloc(4096);
      const lock = new SharedMutex(mirror, buffer.address);
      assert.throws(() => lock.unlock(), { name: 'StateError', state: 'held' });
      assert.equal(lock.lock(), 'ok');
      assert.equal(lock.held, true);
      assert.throws(() => lock.lock(), { name: 'StateError', state: 'held' });
      assert.equal(lock.tryLock(), false);
      await assert.rejects(lock.lockAsync({ timeout: 20 }), { name: 'TimeoutError', timeout: 20 });
      const waiting = lock.lockAsync();
      lock.unlock();
      assert.equal(await waiting, 'ok');
      lock.unlock();
      assert.throws(
        () =>
          lock.with(() => {
            throw new Error('within');
          }),
        { message: 'within' },
      );
      assert.equal(lock.held, false);
      assert.throws(() => new SharedMutex(mirror, buffer.end), { code: 'ERR_OUT_OF_RANGE' });
      for (const none of [undefined, null, {}, buffer])
        assert.throws(() => new SharedMutex(none as unknown as Mirror, buffer.address), {
          code: 'ERR_INVALID_ARG_TYPE',
        });
      buffer.free();
      assert.throws(() => lock.lock(), { state: 'freed' });
      assert.throws(() => lock.unlock(), { state: 'freed' });
      await assert.rejects(lock.lockAsync(), { state: 'freed' });
    }));

  test('of a holder that was killed goes to the next one, who is told, once', () =>
    withShared(open, async ({ mirror, child }) => {
      const buffer = mirror.alloc(4096, { name: 'lock' });
      const lock = new SharedMutex(mirror, buffer.address);
      for (const how of ['lock', 'lockAsync', 'tryLock'] as const) {
        const other = await child();
        const first = await other.run(({ attached, api }) =>
          new api.SharedMutex(attached, attached.buffer('lock')!.address).lock(),
        );
        assert.equal(first, 'ok');
        assert.equal(lock.tryLock(), false);
        assert.throws(() => lock.lock({ timeout: 10 }), { name: 'TimeoutError' });
        await other.end();
        assert.equal(await lock[how](), 'owner-died');
        lock.unlock();
        assert.equal(await lock[how](), 'ok');
        lock.unlock();
      }
    }));

  test('of a thread that was terminated while its process lives on is known to be free', () =>
    withShared(open, async ({ mirror, thread }) => {
      const buffer = mirror.alloc(4096, { name: 'lock' });
      const lock = new SharedMutex(mirror, buffer.address);
      const other = await thread();
      await other.run(({ attached, api }) => {
        new api.SharedMutex(attached, attached.buffer('lock')!.address).lock();
      });
      assert.equal(lock.tryLock(), false);
      await other.end();
      assert.equal(lock.lock(), 'owner-died');
      lock.unlock();
    }));
});

describe('a channel', () => {
  test('gives messages in order, refuses what is too much, and ends when it is closed and empty', () =>
    withMirror(async (mirror) => {
      const options = { messageSize: 12, capacity: 3 };
      const buffer = mirror.alloc(SharedChannel.sizeOf(options));
      const channel = SharedChannel.create(mirror, buffer.address, options);
      assert.deepEqual([channel.messageSize, channel.capacity, channel.length], [12, 3, 0]);
      assert.equal(channel.tryReceive(), undefined);
      assert.throws(() => channel.receive({ timeout: 5 }), { name: 'TimeoutError' });
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 3; i++) channel.send(new Int32Array([round, i]));
        assert.equal(channel.trySend(new Int32Array([9])), false);
        assert.throws(() => channel.send(new Int32Array([9]), { timeout: 5 }), { name: 'TimeoutError' });
        assert.equal(channel.length, 3);
        for (let i = 0; i < 3; i++) {
          const message = channel.receive()!;
          assert.equal(message.byteLength, 12);
          assert.deepEqual([...new Int32Array(message.buffer)], [round, i, 0]);
        }
      }
      assert.throws(() => channel.send(new Uint8Array(13)), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => channel.send('text' as unknown as Uint8Array), { code: 'ERR_INVALID_ARG_TYPE' });
      channel.send(new Uint8Array([1]));
      channel.close();
      channel.close();
      assert.throws(() => channel.send(new Uint8Array([2])), { name: 'StateError', state: 'closed' });
      const left: number[] = [];
      for await (const message of channel) left.push(message[0]!);
      assert.deepEqual(left, [1]);
      assert.equal(channel.receive(), undefined);
      assert.equal(await channel.receiveAsync(), undefined);
    }));

  test('is opened where one was made, and nowhere else', () =>
    withMirror((mirror) => {
      const range = { code: 'ERR_OUT_OF_RANGE' };
      const options = { messageSize: 8, capacity: 4 };
      const buffer = mirror.alloc(4096);
      assert.throws(() => SharedChannel.open(mirror, buffer.address), range);
      SharedChannel.create(mirror, buffer.address, options);
      assert.equal(SharedChannel.open(mirror, buffer.address).capacity, 4);
      assert.throws(() => SharedChannel.create(mirror, buffer.end - 128, options), range);
      assert.throws(() => SharedChannel.create(mirror, buffer.address + 4, options), range);
      assert.throws(() => SharedChannel.sizeOf({ messageSize: 0, capacity: 1 }), range);
      assert.throws(() => SharedChannel.sizeOf({ messageSize: 8, capacity: 1.5 }), range);
      assert.throws(
        () => SharedChannel.sizeOf({ messageSize: 8 } as { messageSize: number; capacity: number }),
        {
          code: 'ERR_INVALID_ARG_TYPE',
        },
      );
    }));

  test('carries every message of several senders to one of several receivers, once', () =>
    withShared(open, async ({ mirror, child, thread }) => {
      const options = { messageSize: 8, capacity: 5 };
      const buffer = mirror.alloc(SharedChannel.sizeOf(options), { name: 'ring' });
      const channel = SharedChannel.create(mirror, buffer.address, options);
      const each = 400;
      const senders = await Promise.all([child(), thread()]);
      const receivers = await Promise.all([child(), child()]);
      const received = receivers.map((receiver, i) =>
        receiver.run(async ({ attached, api }, i) => {
          const channel = api.SharedChannel.open(attached, attached.buffer('ring')!.address);
          const got: number[] = [];
          if (i === 0) for await (const message of channel) got.push(new Float64Array(message.buffer)[0]!);
          else
            for (let message = channel.receive(); message; message = channel.receive())
              got.push(new Float64Array(message.buffer)[0]!);
          return got;
        }, i),
      );
      await Promise.all(
        senders.map((sender, i) =>
          sender.run(
            async ({ attached, api }, i, each) => {
              const channel = api.SharedChannel.open(attached, attached.buffer('ring')!.address);
              for (let k = 0; k < each; k++) {
                const message = new Float64Array([i * each + k]);
                if (i === 0) channel.send(message);
                else await channel.sendAsync(message);
              }
            },
            i,
            each,
          ),
        ),
      );
      channel.close();
      const got = await Promise.all(received);
      const sorted = got.flat().sort((a, b) => a - b);
      assert.deepEqual(sorted, [...Array(each * 2).keys()]);
      // Each receiver sees each sender's messages in order.
      for (const list of got)
        for (let i = 0; i < 2; i++) {
          const own = list.filter((value) => Math.floor(value / each) === i);
          assert.deepEqual(
            own,
            own.toSorted((a, b) => a - b),
          );
        }
    }));
});
