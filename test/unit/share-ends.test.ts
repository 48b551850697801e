/**
 * Threads that block in shared memory, and what they wait for ends: the buffer is freed, the mirror closed, its owner
 * killed. A blocked thread hears no bell, so each must find out by itself.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openMirror, SharedChannel, SharedMutex } from 'mirrorspace';
import { asleep, eventually } from '../fixtures/proc.ts';
import { forkMember, type Member, type Scope, withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'ends' });
const OPTIONS = { messageSize: 8, capacity: 2 };

/** Waits in some way on the buffer 'word'; the last word of 'flag' says that it is about to. */
type Wait = (scope: Scope) => unknown;

const WAITS: Record<string, { readonly wait: Wait; readonly prepared: 'full' | 'empty' | 'held' | 'zero' }> =
  {
    'receive()': {
      prepared: 'empty',
      wait: ({ api, attached }) =>
        api.SharedChannel.open(attached, attached.buffer('word')!.address).receive(),
    },
    'send()': {
      prepared: 'full',
      wait: ({ api, attached }) =>
        api.SharedChannel.open(attached, attached.buffer('word')!.address).send(new Uint8Array(8)),
    },
    'lock()': {
      prepared: 'held',
      wait: ({ api, attached }) => new api.SharedMutex(attached, attached.buffer('word')!.address).lock(),
    },
    'wait()': {
      prepared: 'zero',
      wait: ({ attached }) => attached.wait(attached.buffer('word')!.address, 0),
    },
  };

/** The member says that it begins, and then blocks; gives how that ended. */
async function block(member: Member, wait: Wait): Promise<unknown> {
  await member.run((scope, source) => {
    scope.kept.wait = new Function(`return (${source})`)();
  }, wait.toString());
  return member.run((scope) => {
    const { attached, kept } = scope;
    Atomics.store(attached.buffer('flag')!.view(Int32Array), 0, 1);
    try {
      return kept.wait(scope);
    } catch (error) {
      return (error as { state?: string }).state ?? String(error);
    }
  });
}

for (const end of ['free', 'close'] as const)
  describe(`after ${end}()`, () => {
    for (const [name, { wait, prepared }] of Object.entries(WAITS))
      test(`a member that blocks in ${name} is told`, () =>
        withShared(open, async ({ mirror, child }) => {
          const flag = mirror.alloc(4096, { name: 'flag' }).view(Int32Array);
          const buffer = mirror.alloc(4096, { name: 'word' });
          if (prepared === 'held') new SharedMutex(mirror, buffer.address).lock();
          if (prepared === 'empty' || prepared === 'full') {
            const channel = SharedChannel.create(mirror, buffer.address, OPTIONS);
            while (prepared === 'full' && channel.trySend(new Uint8Array(8)));
          }
          const member = await child();
          const blocked = block(member, wait);
          await eventually('it begins', () => Atomics.load(flag, 0) === 1);
          await asleep(member.pid);
          if (end === 'free') buffer.free();
          else await mirror.close();
          assert.equal(await blocked, end === 'free' ? 'freed' : 'closed');
        }));
  });

describe('after the owner was killed', () => {
  for (const [name, { wait, prepared }] of Object.entries(WAITS).filter(([name]) => name !== 'lock()'))
    test(`a member that blocks in ${name} is told`, async () => {
      const [owner, member, witness] = [forkMember(), forkMember(), forkMember()];
      try {
        const handle = await owner.run(
          async ({ api, kept }, options, prepared) => {
            const mirror = await api.openMirror({ devices: {}, name: 'ends' });
            kept.mirror = mirror;
            mirror.alloc(4096, { name: 'flag' });
            const buffer = mirror.alloc(4096, { name: 'word' });
            if (prepared === 'zero') return mirror.share();
            const channel = api.SharedChannel.create(mirror, buffer.address, options);
            while (prepared === 'full' && channel.trySend(new Uint8Array(8)));
            return mirror.share();
          },
          OPTIONS,
          prepared,
        );
        await member.attach(handle);
        await witness.attach(handle);
        const blocked = block(member, wait);
        await witness.run(async ({ attached }) => {
          const flag = attached.buffer('flag')!.view(Int32Array);
          while (Atomics.load(flag, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        });
        await asleep(member.pid);
        await owner.end();
        assert.equal(await blocked, 'lost');
        assert.equal(await member.run(({ attached }) => attached.state), 'lost');
      } finally {
        await Promise.all([owner, member, witness].map((each) => each.end()));
      }
    });
});

test('a lock in a buffer that was freed is not given to a member that has been busy', () =>
  withShared(open, async ({ mirror, child }) => {
    const flag = mirror.alloc(4096, { name: 'flag' }).view(Int32Array);
    const buffer = mirror.alloc(4096, { name: 'word' });
    const member = await child();
    const busy = member.run(({ api, attached }) => {
      const lock = new api.SharedMutex(attached, attached.buffer('word')!.address);
      const words = attached.buffer('flag')!.view(Int32Array);
      Atomics.store(words, 0, 1);
      while (Atomics.load(words, 1) === 0);
      const states = [];
      for (const take of [() => lock.lock(), () => lock.tryLock()])
        try {
          states.push(take());
        } catch (error) {
          states.push((error as { state: string }).state);
        }
      return states;
    });
    await eventually('it is busy', () => Atomics.load(flag, 0) === 1);
    buffer.free();
    Atomics.store(flag, 1, 1);
    assert.deepEqual(await busy, ['freed', 'freed']);
  }));

test('waitAsync rejects when its buffer is freed, on the owner and in members', () =>
  withShared(open, async ({ mirror, child, thread }) => {
    const buffer = mirror.alloc(4096, { name: 'word' });
    const flag = mirror.alloc(4096, { name: 'flag' }).view(Int32Array);
    const members = [await child(), await thread()];
    const waits = members.map((member) =>
      member.run(async ({ attached }) => {
        const waiting = attached.waitAsync(attached.buffer('word')!.address, 0);
        Atomics.add(attached.buffer('flag')!.view(Int32Array), 0, 1);
        return await waiting.catch((error) => error.state);
      }),
    );
    const own = mirror.waitAsync(buffer.address, 0);
    await eventually('they wait', () => Atomics.load(flag, 0) === 2);
    buffer.free();
    await assert.rejects(own, { name: 'StateError', state: 'freed' });
    assert.deepEqual(await Promise.all(waits), ['freed', 'freed']);
  }));

test('notify wakes whole numbers of waiters: none for 0, and fractions are cut as by Atomics.notify', () =>
  withShared(open, async ({ mirror, child }) => {
    const buffer = mirror.alloc(4096, { name: 'word' });
    const flag = mirror.alloc(4096, { name: 'flag' }).view(Int32Array);
    const member = await child();
    const blocked = member.run(({ attached }) => {
      Atomics.store(attached.buffer('flag')!.view(Int32Array), 0, 1);
      return attached.wait(attached.buffer('word')!.address, 0);
    });
    await eventually('it begins', () => Atomics.load(flag, 0) === 1);
    await asleep(member.pid);
    for (let i = 0; i < 50; i++) {
      assert.equal(mirror.notify(buffer.address, 0), 0);
      assert.equal(mirror.notify(buffer.address, 0.9), 0);
    }
    await eventually('it is woken', () => mirror.notify(buffer.address, 1.9) === 1);
    assert.equal(await blocked, 'ok');
  }));

test('trySend and tryReceive do not wait for a holder that was stopped; close has a timeout', () =>
  withShared(open, async ({ mirror, child }) => {
    const { address } = mirror.alloc(4096, { name: 'word' });
    const channel = SharedChannel.create(mirror, address, OPTIONS);
    channel.send(new Uint8Array([1]));
    const member = await child();
    // The lock of a channel lies 64 bytes into it.
    await member.run(({ api, attached }) => {
      new api.SharedMutex(attached, attached.buffer('word')!.address + 64).lock();
    });
    process.kill(member.pid, 'SIGSTOP');
    try {
      assert.equal(channel.trySend(new Uint8Array(1)), false);
      assert.equal(channel.tryReceive(), undefined);
      assert.throws(() => channel.close({ timeout: 20 }), { name: 'TimeoutError' });
      assert.equal(channel.closed, false);
    } finally {
      process.kill(member.pid, 'SIGCONT');
    }
    await member.end();
    // Its lock goes to whoever comes next.
    assert.equal(channel.tryReceive()?.[0], 1);
    channel.close();
    assert.equal(channel.closed, true);
  }));
