/**
 * Members of a share that are killed at any moment: nobody else is held up, no lock stays taken, no channel is broken,
 * nothing is left. `MIRRORSPACE_STRESS=full` makes it long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMirror, PlacementError, SharedChannel, SharedMutex } from 'mirrorspace';
import { collect, holdings } from '../fixtures/leaks.ts';
import { eventually } from '../fixtures/proc.ts';
import { type Member, withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'kills' });
const rounds = process.env.MIRRORSPACE_STRESS === 'full' ? 200 : 12;

const later = (most: number) => new Promise((resolve) => setTimeout(resolve, Math.random() * most));

test('buffers come, grow and go while members attach and are killed', () =>
  withShared(open, async ({ mirror, child, thread }) => {
    const word = mirror.alloc(4096, { name: 'word' });
    for (const warm of await Promise.all([child(), thread()])) await warm.end();
    await eventually('they are forgotten', () => mirror.sharers().length === 0);
    await later(200);
    const before = holdings();
    let grown = 0;
    for (let round = 0; round < rounds; round++) {
      const members = await Promise.all([child(), round % 3 === 0 ? thread() : child()]);
      const work = members.map((member) =>
        member
          .run(async ({ attached }) => {
            for (;;) {
              for (const buffer of attached.buffers()) {
                // Not what comes after it in its place: that is nobody's but the test's.
                if (!/^b\d$/.test(buffer.name)) continue;
                const { bytes } = buffer;
                bytes[0]! += 1;
                bytes[bytes.length - 1]! += 1;
              }
              await new Promise(setImmediate);
            }
          })
          .catch(() => {}),
      );
      const buffers = Array.from({ length: 10 }, (_, i) => mirror.alloc(65536, { name: `b${i}` }));
      const end = members.map(async (member) => {
        await later(30);
        await member.end();
      });
      // The last first: behind each there is room then, once all have let go of it.
      for (const buffer of buffers.reverse()) {
        await later(4);
        const { address } = buffer;
        try {
          buffer.grow(buffer.size + Math.floor(Math.random() * 60_000));
          buffer.bytes[buffer.size - 1] = 1;
          grown++;
        } catch (error) {
          assert.ok(error instanceof PlacementError);
        }
        await later(2);
        const { size } = buffer;
        buffer.free();
        // Whoever gets the place finds it empty.
        const plan = mirror.plan(size, { place: { at: address } });
        if (plan.ok) {
          const next = mirror.alloc(size, { place: { at: address } });
          assert.ok(next.bytes.every((byte) => byte === 0));
          next.free();
        }
      }
      await Promise.all([...end, ...work]);
    }
    await eventually('all are forgotten', () => mirror.sharers().length === 0);
    assert.ok(grown > 0, `${grown} times a buffer has grown`);
    assert.equal(mirror.wait(word.address, 1), 'not-equal');
    await collect();
    mirror.alloc(4096).free();
    const left = () => {
      const { descriptors, ourVmas } = holdings();
      return {
        descriptors: Math.max(descriptors, before.descriptors),
        ourVmas: Math.max(ourVmas, before.ourVmas),
      };
    };
    const { descriptors, ourVmas } = before;
    await eventually(
      'nothing is left of them',
      () => left().descriptors === descriptors && left().ourVmas === ourVmas,
    ).catch(() => assert.deepEqual(left(), { descriptors, ourVmas }));
  }));

test('a lock is never lost with a holder, and what it guards is mended by the next one', () =>
  withShared(open, async ({ mirror, child }) => {
    const buffer = mirror.alloc(4096, { name: 'lock' });
    const words = buffer.view(Int32Array);
    const lock = new SharedMutex(mirror, buffer.address);
    const start = async (): Promise<{ member: Member; work: Promise<void> }> => {
      const member = await child();
      const work = member
        .run(async ({ attached, api }, blocks) => {
          const buffer = attached.buffer('lock')!;
          const words = buffer.view(Int32Array);
          const lock = new api.SharedMutex(attached, buffer.address);
          for (;;) {
            const locked = blocks ? lock.lock() : await lock.lockAsync();
            if (locked === 'owner-died') words[5] = words[4]!;
            // The two are equal whenever the lock is free.
            if (words[4] !== words[5]) words[6]! += 1;
            words[4]! += 1;
            for (let i = 0; i < 2000; i++) words[7] = i;
            words[5]! += 1;
            lock.unlock();
            await new Promise(setImmediate);
          }
        }, Math.random() < 0.5)
        .catch(() => {});
      return { member, work };
    };
    let mended = 0;
    let running = await Promise.all([start(), start()]);
    for (let round = 0; round < rounds; round++) {
      await later(20);
      const [victim, other] = running as [(typeof running)[0], (typeof running)[0]];
      await victim.member.end();
      const locked = round % 2 === 0 ? lock.lock() : await lock.lockAsync();
      if (locked === 'owner-died') {
        mended++;
        words[5] = words[4]!;
      }
      assert.equal(words[4], words[5]);
      lock.unlock();
      running = [other, await start()];
    }
    await Promise.all(running.map(({ member }) => member.end()));
    lock.lock();
    assert.equal(words[6], 0);
    lock.unlock();
    assert.ok(mended <= rounds);
  }));

test('a channel goes on when senders and receivers are killed, and no message comes twice', () =>
  withShared(open, async ({ mirror, child }) => {
    const options = { messageSize: 16, capacity: 8 };
    const buffer = mirror.alloc(SharedChannel.sizeOf(options), { name: 'ring' });
    const channel = SharedChannel.create(mirror, buffer.address, options);
    const seen = new Set<string>();
    let stop = false;
    const taking = (async () => {
      while (!stop) {
        const message = await channel.receiveAsync({ timeout: 200 }).catch((error) => {
          if (error.name !== 'TimeoutError') throw error;
          return undefined;
        });
        if (!message) continue;
        const [sender, count] = new Float64Array(message.buffer);
        const key = `${sender}/${count}`;
        assert.ok(!seen.has(key), key);
        seen.add(key);
      }
    })();
    for (let round = 0; round < rounds; round++) {
      const [sender, receiver] = await Promise.all([child(), child()]);
      const sends = sender
        .run(async ({ attached, api }) => {
          const channel = api.SharedChannel.open(attached, attached.buffer('ring')!.address);
          for (let count = 0; ; count++) {
            const message = new Float64Array([process.pid, count]);
            if (count % 2 === 0) channel.send(message);
            else await channel.sendAsync(message);
          }
        })
        .catch(() => {});
      const receives = receiver
        .run(({ attached, api }) => {
          const channel = api.SharedChannel.open(attached, attached.buffer('ring')!.address);
          while (channel.receive());
        })
        .catch(() => {});
      const had = seen.size;
      await eventually('messages come', () => seen.size > had);
      await later(10);
      await Promise.all([sender.end(), receiver.end()]);
      await Promise.all([sends, receives]);
      assert.ok(channel.length <= options.capacity);
    }
    stop = true;
    await taking;
    assert.ok(seen.size >= rounds);
  }));
