/**
 * Sharing a mirror with other processes: the same bytes at the same addresses, buffers that come and go, placement that
 * keeps clear of both, and refusals that leave nothing behind.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AttachError, attachMirror, MiB, openMirror, PlacementError, type ShareHandle } from 'mirrorspace';
import { holdings } from '../fixtures/leaks.ts';
import { arenaMappings, descriptors, eventually, mappings } from '../fixtures/proc.ts';
import { forkMember, withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'shared' });

describe('a process that attaches', () => {
  test('sees the same bytes at the same addresses, both ways', () =>
    withShared(open, async ({ mirror, child }) => {
      const numbers = mirror.alloc(64 * 1024, { name: 'numbers' });
      numbers.view(Float64Array)[7] = 42;
      const other = await child();
      assert.notEqual(other.pid, process.pid);
      const seen = await other.run(({ attached }) => {
        const buffer = attached.buffer('numbers')!;
        const view = buffer.view(Float64Array);
        const before = view[7];
        view[7] = process.pid;
        return { pid: process.pid, address: buffer.address, size: buffer.size, before };
      });
      assert.deepEqual(seen, { pid: other.pid, address: numbers.address, size: numbers.size, before: 42 });
      assert.equal(numbers.view(Float64Array)[7], other.pid);
      // The kernel says so too: the same file, at the same place.
      const [own] = arenaMappings('shared').filter(({ start }) => start === numbers.address);
      const [theirs] = arenaMappings('shared', other.pid);
      assert.equal(theirs?.start, numbers.address);
      assert.equal(theirs?.offset, numbers.address);
      assert.equal(theirs?.inode, own?.inode);
    }));

  test('gets buffers that are allocated later, and keeps each address that is stored in one', () =>
    withShared(open, async ({ mirror, child }) => {
      const other = await child();
      const coming = other.run(async ({ attached }) => (await attached.whenBuffer('late')).address);
      await eventually('the other side is known', () => mirror.sharers().length === 1);
      const early = mirror.alloc(4096, { name: 'early' });
      const late = mirror.alloc(4096, { name: 'late' });
      late.view(BigUint64Array)[0] = BigInt(early.address);
      early.view(Uint8Array)[5] = 99;
      assert.equal(await coming, late.address);
      const followed = await other.run(({ attached }) => {
        const pointer = Number(attached.buffer('late')!.view(BigUint64Array)[0]);
        const info = attached.query(pointer + 5)!;
        return [info.name, info.base, info.offset, info.buffer.bytes[info.offset]];
      });
      assert.deepEqual(followed, ['early', early.address, 5, 99]);
    }));

  test('finds a new buffer without a turn of its event loop, and the owner without one of its own', () =>
    withShared(open, async ({ mirror, child }) => {
      const flag = mirror.alloc(4096, { name: 'flag' });
      const other = await child();
      const found = other.run(({ attached }) => {
        const flag = attached.buffer('flag')!;
        attached.wait(flag.address, 0);
        const address = attached.buffer('sudden')?.address;
        flag.view(Int32Array)[1] = 1;
        attached.notify(flag.address + 4);
        return address;
      });
      const sudden = mirror.alloc(4096, { name: 'sudden' });
      Atomics.store(flag.view(Int32Array), 0, 1);
      mirror.notify(flag.address);
      while (mirror.wait(flag.address + 4, 0) !== 'not-equal');
      assert.equal(await found, sudden.address);
    }));

  test('reads zeros through the views of a freed buffer, which stay as long as they were', () =>
    withShared(open, async ({ mirror, child }) => {
      const buffer = mirror.alloc(8192, { name: 'gone' });
      buffer.bytes.fill(7);
      const other = await child();
      await other.run((scope) => {
        scope.kept.view = scope.attached.buffer('gone')!.bytes;
      });
      buffer.free();
      await eventually('the free is taken in', () => mirror.sharers()[0]!.upToDate);
      const after = await other.run((scope) => {
        const { view } = scope.kept;
        view[1] = 1;
        return [view.length, view[0], scope.attached.buffer('gone') === undefined];
      });
      assert.deepEqual(after, [8192, 0, true]);
      assert.equal(arenaMappings('shared', other.pid).length, 0);
      assert.ok(mappings(other.pid).some((vma) => vma.start <= buffer.address && buffer.address < vma.end));
    }));

  test('keeps a range from being used again until it has let go of it', () =>
    withShared(open, async ({ mirror, child }) => {
      const place = mirror.alloc(1 * MiB, { name: 'first' });
      const flag = mirror.alloc(4096, { name: 'flag' });
      const { address } = place;
      const other = await child();
      // It stands still, and stores into the buffer when it goes on, before it can have heard of the free.
      const busy = other.run(({ attached }) => {
        const flag = attached.buffer('flag')!;
        const first = attached.buffer('first')!.bytes;
        const words = flag.view(Int32Array);
        Atomics.store(words, 0, 1);
        attached.notify(flag.address);
        while (Atomics.load(words, 1) === 0);
        first.fill(1);
        Atomics.store(words, 2, 1);
      });
      while (Atomics.load(flag.view(Int32Array), 0) === 0) mirror.wait(flag.address, 0);
      place.free();
      assert.throws(() => mirror.alloc(1 * MiB, { place: { at: address } }), PlacementError);
      assert.equal(mirror.sharers()[0]!.upToDate, false);
      Atomics.store(flag.view(Int32Array), 1, 1);
      await busy;
      await other.run((scope) => {
        scope.attached.buffers();
        (globalThis as unknown as { gc(): void }).gc();
      });
      let again: ReturnType<typeof mirror.alloc> | undefined;
      await eventually('the place is free again', () => {
        const plan = mirror.plan(1 * MiB, { place: { at: address } });
        if (plan.ok) again = mirror.alloc(1 * MiB, { place: { at: address } });
        return plan.ok;
      });
      // What the other side has stored meanwhile is nobody's.
      assert.ok(again!.bytes.every((byte) => byte === 0));
    }));

  test('has its own mappings taken into account by every search of the owner', () =>
    withShared(open, async ({ mirror, child }) => {
      const other = await child();
      const probe = mirror.alloc(1 * MiB);
      const taken = probe.end + 64 * MiB;
      probe.free();
      // Some memory of its own, found where the kernel put it.
      const own = await other.run((scope) => {
        scope.kept.memory = new ArrayBuffer(32 * 1024 * 1024);
        new Uint8Array(scope.kept.memory).fill(1);
      });
      assert.equal(own, undefined);
      const theirs = mappings(other.pid).filter(
        (vma) =>
          vma.end - vma.start >= 32 * MiB &&
          !mappings().some((mine) => mine.start < vma.end && vma.start < mine.end),
      );
      assert.ok(theirs.length > 0 && taken > 0);
      const at = theirs[0]!.start;
      const plan = mirror.plan(1 * MiB, { place: { at } });
      assert.ok(!plan.ok);
      assert.equal(plan.refusal.blockers[0]?.owner, `process ${other.pid}`);
      const inside = mirror.plan(1 * MiB, { place: { within: [at, theirs[0]!.end] } });
      assert.equal(inside.ok, false);
    }));

  test('is told of a buffer that something of its own keeps it from, and so is the owner', () =>
    withShared(open, async ({ mirror, child }) => {
      const flag = mirror.alloc(4096, { name: 'flag' });
      const other = await child();
      const place = await other.run(async (scope) => {
        const own = await scope.api.openMirror({ devices: {}, name: 'rival' });
        scope.kept.own = own;
        return own.plan(65536, { place: { within: [2 ** 40, 2 ** 41] } });
      });
      assert.ok(place.ok);
      const at = place.placement.address;
      const raced = other.run((scope, at) => {
        const words = scope.attached.buffer('flag')!.view(Int32Array);
        Atomics.store(words, 0, 1);
        while (Atomics.load(words, 1) === 0);
        // The owner has put its buffer there already; this side has not looked, and takes the place.
        scope.kept.own.alloc(65536, { place: { at } });
        try {
          scope.attached.buffer('blocked');
        } catch (error) {
          const { name, reason, obstacles } = error as AttachError;
          return { name, reason, obstacles, listed: scope.attached.unreachable().length };
        }
        return undefined;
      }, at);
      const words = flag.view(Int32Array);
      await eventually('it stands still', () => Atomics.load(words, 0) === 1);
      const blocked = mirror.alloc(65536, { name: 'blocked', place: { at } });
      Atomics.store(words, 1, 1);
      const error = await raced;
      assert.ok(error);
      assert.deepEqual([error.name, error.reason, error.listed], ['AttachError', 'unreachable', 1]);
      assert.equal(error.obstacles[0]!.start, at);
      assert.match(error.obstacles[0]!.blockers[0]!.name, /mirrorspace-rival/);
      assert.deepEqual(mirror.sharers()[0]!.unreachable, [{ name: 'blocked', address: at }]);
      // The owner looks at what the other side has before the next one.
      assert.throws(() => mirror.alloc(4096, { place: { at: at + 4096 } }), PlacementError);
      const waiting = other.run(({ attached }) =>
        attached.whenBuffer('blocked').catch((error) => error.reason),
      );
      assert.equal(await waiting, 'unreachable');
      blocked.free();
      await eventually('it is forgotten', () => mirror.sharers()[0]!.unreachable.length === 0);
      const next = mirror.alloc(65536, { name: 'blocked' });
      assert.equal(await other.run(({ attached }) => attached.buffer('blocked')!.address), next.address);
    }));

  test('is refused, with what is in the way, where a buffer has no room, and nothing is left attached', () =>
    withShared(open, async ({ mirror, handle }) => {
      const other = forkMember();
      try {
        const at = await other.run(async (scope) => {
          scope.kept.own = await scope.api.openMirror({ devices: {}, name: 'rival' });
          return scope.kept.own.alloc(65536, { name: 'in the way', place: { within: [2 ** 40, 2 ** 41] } })
            .address;
        });
        mirror.alloc(4096, { name: 'fine' });
        mirror.alloc(65536, { name: 'blocked', place: { at } });
        const before = holdings(other.pid);
        const error = await other.attach(handle).catch((error) => error);
        assert.equal(error.name, 'AttachError');
        assert.equal(error.code, 'ERR_MIRROR_ATTACH');
        assert.equal(error.reason, 'conflict');
        assert.equal(error.obstacles.length, 1);
        assert.equal(error.obstacles[0].name, 'blocked');
        assert.equal(error.obstacles[0].start, at);
        assert.match(error.obstacles[0].blockers[0].name, /mirrorspace-rival/);
        assert.match(error.message, /'blocked' at 0x10000000000-0x10000010000/);
        const after = holdings(other.pid);
        assert.equal(after.ours, before.ours);
        assert.equal(after.descriptors, before.descriptors);
        assert.deepEqual(arenaMappings('shared', other.pid), []);
        assert.deepEqual(mirror.sharers(), []);
        // Once it is out of the way, nothing else is.
        await other.run((scope) => scope.kept.own.close());
        await other.attach(handle);
        assert.equal(arenaMappings('shared', other.pid).length, 2);
      } finally {
        await other.end();
      }
    }));

  test('leaves nothing behind when it closes, and may attach again', () =>
    withShared(open, async ({ mirror, handle, child }) => {
      const buffer = mirror.alloc(65536, { name: 'kept' });
      const other = await child();
      // The first time takes what the runtime keeps.
      const again = async ({ attached }: { attached: { close(): Promise<void> } }) => {
        await attached.close();
        // A view that was not collected yet keeps its place, so that it never shows other bytes.
        (globalThis as unknown as { gc(): void }).gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
        (globalThis as unknown as { gc(): void }).gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
      };
      await other.run(again);
      const before = holdings(other.pid);
      await eventually('the owner has taken note', () => mirror.sharers().length === 0);
      await new Promise((resolve) => setTimeout(resolve, 200));
      const own = descriptors().size;
      for (let i = 0; i < 5; i++) {
        await other.attach(handle);
        await other.run((scope) => {
          scope.attached.buffer('kept')!.bytes[0]! += 1;
        });
        await other.run(again);
      }
      assert.equal(buffer.bytes[0], 5);
      await eventually('all is given back', () => {
        const now = holdings(other.pid);
        return now.descriptors === before.descriptors && now.ourVmas === 0 && mirror.sharers().length === 0;
      });
      await eventually('the owner has no descriptor for it', () => descriptors().size === own);
    }));
});

describe('a handle', () => {
  test('is plain: it goes through JSON and structured clone, and is the same each time', async () => {
    const mirror = await open();
    const handle = mirror.share();
    assert.deepEqual(JSON.parse(JSON.stringify(handle)), handle);
    assert.deepEqual(structuredClone(handle), handle);
    assert.deepEqual(mirror.share(), handle);
    assert.match(handle.token, /^[0-9a-f]{32}$/);
    await mirror.close();
    assert.throws(() => mirror.share(), { code: 'ERR_MIRROR_STATE', state: 'closed' });
  });

  test('that is none is refused by its kind and value', async () => {
    const good = { kind: 'mirrorspace-share', version: 1, name: 'm', pid: 1, started: 1, fd: 1, inode: 1 };
    const token = '0'.repeat(32);
    const bad: [unknown, string][] = [
      [undefined, 'ERR_INVALID_ARG_TYPE'],
      [null, 'ERR_INVALID_ARG_TYPE'],
      [7, 'ERR_INVALID_ARG_TYPE'],
      ['{', 'ERR_INVALID_ARG_TYPE'],
      ['{}', 'ERR_INVALID_ARG_TYPE'],
      [good, 'ERR_INVALID_ARG_TYPE'],
      [{ ...good, token, pid: '1' }, 'ERR_INVALID_ARG_TYPE'],
      [{ ...good, token: 'x' }, 'ERR_OUT_OF_RANGE'],
      [{ ...good, token, pid: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ ...good, token, fd: 0.5 }, 'ERR_OUT_OF_RANGE'],
      [{ ...good, token, name: '../x' }, 'ERR_OUT_OF_RANGE'],
      [{ ...good, token, version: 2 }, 'ERR_OUT_OF_RANGE'],
    ];
    for (const [handle, code] of bad)
      await assert.rejects(attachMirror(handle as ShareHandle), { code }, JSON.stringify(handle));
  });

  test('of a mirror that is gone, or of another file, attaches nothing', async () => {
    const mirror = await open();
    const handle = mirror.share();
    const before = holdings();
    const reasons: [Partial<ShareHandle>, string][] = [
      [{ pid: 2 ** 22 + 1 }, 'gone'],
      [{ started: handle.started + 1 }, 'gone'],
      [{ fd: 9999 }, 'gone'],
      [{ inode: handle.inode + 1 }, 'gone'],
      [{ token: handle.token.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }, 'other-mirror'],
    ];
    for (const [change, reason] of reasons)
      await assert.rejects(attachMirror({ ...handle, ...change }), { name: 'AttachError', reason });
    assert.equal(holdings().descriptors, before.descriptors);
    assert.equal(holdings().ourVmas, before.ourVmas);
    await mirror.close();
    await assert.rejects(
      attachMirror(handle),
      (error) => error instanceof AttachError && error.reason === 'gone',
    );
  });
});
