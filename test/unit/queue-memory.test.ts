/**
 * Commands that do something to memory as a whole: migrate, free, and copies to and from ordinary memory.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Address, KiB, type MigrateOptions, type SvmBuffer } from 'mirrorspace';
import { withBoth } from '../fixtures/with-both.ts';
import { withMirror } from '../fixtures/with-mirror.ts';
import { withProcess } from '../fixtures/with-process.ts';

/** Bytes of a mapping that are in this process's page tables. */
function mappedBytes({ address }: SvmBuffer): number {
  const smaps = readFileSync('/proc/self/smaps', 'latin1');
  const at = smaps.indexOf(`\n${address.toString(16).padStart(8, '0')}-`);
  assert.notEqual(at, -1);
  return 1024 * Number(/^Rss:\s+(\d+) kB/m.exec(smaps.slice(at))![1]);
}

test('a prefetched buffer costs the next launch no fault', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    if (wasm.faults !== 'userfaultfd') return;
    const sum = program.kernel('fillAt', ['pointer', 'u32']);
    const size = 3 * 1024 * KiB;
    const launch = async (buffer: SvmBuffer): Promise<number> => {
      const before = wasm.counters().faults;
      await wasm.queue.launch(sum, { items: 1, args: [buffer, size] }).done;
      return wasm.counters().faults - before;
    };
    const cold = mirror.alloc(size);
    const warm = mirror.alloc(size);
    // The module's own pages, and the stack.
    await launch(mirror.alloc(size));
    const before = wasm.counters();
    const command = wasm.queue.migrate(warm);
    assert.equal(command.type, 'migrate');
    await command.done;
    assert.ok(wasm.counters().faults > before.faults);
    assert.equal(await launch(warm), 0);
    assert.ok((await launch(cold)) > 0);
    assert.ok(warm.bytes.every((byte) => byte === 1));
  }));

test('svm_migrate: every flag; unaligned, empty, overlapping and repeated ranges; data exact', () =>
  withBoth(async ({ mirror, wasm, proc }) => {
    for (const device of [wasm, proc]) {
      const queues = [device.queue, device.createQueue({ order: 'out' })];
      const buffers = Array.from({ length: 3 }, () => mirror.alloc(256 * KiB));
      for (const [i, buffer] of buffers.entries())
        buffer.bytes.set(Uint8Array.from({ length: buffer.size }, (_, at) => at * 7 + i));
      const flags: MigrateOptions[] = [
        {},
        { to: 'device' },
        { to: 'host' },
        { contentUndefined: true },
        { to: 'host', contentUndefined: true },
      ];
      const [a, b, c] = buffers as [SvmBuffer, SvmBuffer, SvmBuffer];
      for (const options of flags) {
        for (const queue of queues) {
          queue.migrate(a, options);
          queue.migrate([a, b, c], options);
          queue.migrate({ address: (a.address + 5) as Address, size: 3 }, options);
          queue.migrate({ address: (a.address + 4095) as Address, size: 0 }, options);
          queue.migrate((b.address + 100) as Address, options);
          queue.migrate([b, b, { address: (b.address + 9) as Address, size: 100_000 }, b.address], options);
          // More ranges than one packet holds.
          const many = Array.from({ length: 32 }, (_, i) => ({
            address: (c.address + i * 8192) as Address,
            size: 1,
          }));
          await queue.migrate([...many, ...many], options).done;
          await queue.finish();
        }
      }
      for (const [i, buffer] of buffers.entries())
        assert.ok(buffer.bytes.every((byte, at) => byte === ((at * 7 + i) & 255)));
    }
  }));

test('to the host a migration maps the pages here', () =>
  withMirror(async ({ mirror, wasm }) => {
    const buffer = mirror.alloc(512 * KiB);
    await wasm.queue.fill(buffer, 5).done;
    const before = mappedBytes(buffer);
    assert.equal(before, 0);
    await wasm.queue.migrate({ address: buffer.address, size: 128 * KiB }, { to: 'host' }).done;
    assert.ok(mappedBytes(buffer) >= 128 * KiB);
    assert.ok(buffer.bytes.every((byte) => byte === 5));
  }));

test('a migration of what is none is refused', () =>
  withMirror(async ({ mirror, wasm }) => {
    const { queue } = wasm;
    const buffer = mirror.alloc(8192);
    const hidden = mirror.alloc(4096, { access: { wasm: 'none' } });
    const gone = mirror.alloc(4096);
    gone.free();
    for (const bad of [undefined, null, 'x', {}, [null], [{ address: '1' }]] as never[])
      assert.throws(() => queue.migrate(bad), { name: 'TypeError' });
    for (const bad of [
      [],
      5,
      buffer.end,
      hidden,
      [buffer, hidden.address],
      { address: buffer.address, size: 8193 },
    ])
      assert.throws(() => queue.migrate(bad as never), { name: 'RangeError' });
    for (const size of [-1, 1.5, Number.NaN])
      assert.throws(() => queue.migrate({ address: buffer.address, size }), { name: 'RangeError' });
    assert.throws(() => queue.migrate(gone), { name: 'StateError', state: 'freed' });
    assert.throws(() => queue.migrate(buffer, { to: 'wasm' as never }), { name: 'RangeError' });
    assert.throws(() => queue.migrate(buffer, { to: 1 as never }), { name: 'TypeError' });
    assert.throws(() => queue.migrate(buffer, { contentUndefined: 1 as never }), { name: 'TypeError' });
    await queue.finish();
  }));

test('a queued free takes effect in its turn, and until then nothing else may name the buffer', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const buffer = mirror.alloc(64 * KiB, { name: 'late' });
    const { address } = buffer;
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const storeAt = program.kernel('storeAt', ['pointer', 'i32']);
    wasm.queue.launch(awaitFlag, { items: 1, args: [flag, 7, flag.address + 8] });
    wasm.queue.launch(storeAt, { items: 1, args: [buffer, 42] });
    const copy = wasm.queue.copy(flag.address + 16, address, 4);
    const free = wasm.queue.free(buffer);
    assert.equal(free.type, 'free');
    const behind = wasm.queue.marker();
    // The host may still use it.
    assert.deepEqual([buffer.freed, buffer.freeing, buffer.bytes[0]], [false, true, 0]);
    for (const again of [
      () => buffer.free(),
      () => wasm.queue.free(buffer),
      () => wasm.queue.free(address),
      () => wasm.createQueue().launch(storeAt, { items: 1, args: [buffer, 1] }),
      () => wasm.queue.fill(buffer, 0),
    ])
      assert.throws(again, { name: 'StateError', state: 'freed' });
    assert.throws(() => wasm.queue.fill(address, 0, 4), { name: 'RangeError' });
    buffer[Symbol.dispose]();
    flag.view(Int32Array)[0] = 7;
    free.wait();
    assert.equal(copy.status, 'complete');
    assert.equal(flag.view(Int32Array)[4], 42);
    assert.deepEqual([buffer.freed, buffer.freeing], [true, false]);
    assert.throws(() => buffer.bytes, { name: 'StateError', state: 'freed' });
    await behind.done;
    assert.equal(mirror.query(address), undefined);
    const { queued, submitted, started, finished } = free.times;
    assert.ok(queued <= submitted! && submitted! <= started! && started! <= finished!);
    // The place is free again.
    wasm.queue.marker().wait();
    await wasm.queue.finish();
  }));

test('a free that fails leaves the buffer as it was', () =>
  withMirror(async ({ mirror, wasm }) => {
    const event = mirror.createEvent();
    const [a, b] = [mirror.alloc(4096), mirror.alloc(4096)];
    const free = wasm.queue.free([a, b.address], { after: event });
    assert.deepEqual([a.freeing, b.freeing], [true, true]);
    event.fail(new Error('kept'));
    await assert.rejects(free.done, { name: 'DependencyError' });
    await wasm.queue.fill(a, 1).done;
    const controller = new AbortController();
    const held = mirror.createEvent();
    const aborted = wasm.queue.free(b, { after: held, signal: controller.signal });
    controller.abort();
    await assert.rejects(aborted.done, { name: 'AbortError' });
    // A list of which one is refused frees none.
    assert.throws(() => wasm.queue.free([a, b, a]), { name: 'StateError', state: 'freed' });
    assert.throws(() => wasm.queue.free([a, (b.address + 4) as Address]), { name: 'RangeError' });
    assert.deepEqual([a.freeing, b.freeing, a.freed, b.freed], [false, false, false, false]);
    const lost = wasm.queue.free(a, { after: held });
    process.kill(wasm.pid, 'SIGKILL');
    await assert.rejects(lost.done, { name: 'DeviceLost' });
    await wasm.reopen();
    held.complete();
    assert.equal(a.freeing, false);
    await wasm.queue.free([a, b]).done;
    assert.deepEqual([a.freed, b.freed], [true, true]);
    assert.deepEqual(mirror.buffers(), []);
  }));

test('only a buffer itself is freed, not what lies at its start', () =>
  withMirror(async ({ mirror, wasm }) => {
    const buffer = mirror.alloc(8192);
    const { address, size } = buffer;
    const first = buffer.sub(0, 16);
    const refused = { code: 'ERR_OUT_OF_RANGE', message: /holds nothing that could be freed/ };
    for (const part of [first, buffer.sub(0), { address, size }])
      assert.throws(() => wasm.queue.free(part), refused);
    assert.throws(() => wasm.queue.free(buffer.sub(16)), { code: 'ERR_OUT_OF_RANGE' });
    assert.deepEqual([buffer.freed, buffer.freeing, first.freeing], [false, false, false]);
    const held = mirror.createEvent();
    const free = wasm.queue.free(buffer, { after: held });
    const freed = { name: 'StateError', state: 'freed' };
    assert.equal(first.freeing, true);
    assert.throws(() => wasm.createQueue().fill(first, 1), freed);
    held.complete();
    await free.done;
    assert.throws(() => wasm.queue.free(first), freed);
  }));

test('a callback that is not done when it returns fails the command, and its rejection ends nobody', () =>
  withMirror(async ({ wasm }) => {
    const free = wasm.queue.free(5 as Address, async () => {
      throw new Error('later');
    });
    await assert.rejects(free.done, { code: 'ERR_INVALID_ARG_TYPE', message: /no async one/ });
    // An unhandled rejection would fail the test from outside.
    await new Promise((resolve) => setImmediate(resolve));
    await wasm.queue.finish();
  }));

test('svm_enqueue_api: a callback gets exactly the pointers, in its turn, and frees them itself', () =>
  withMirror(async ({ mirror, wasm }) => {
    const heap = mirror.heap();
    const objects = [heap.alloc(24), heap.alloc(100)];
    const buffer = mirror.alloc(4096);
    const given = [...objects, buffer, 0x12345 as Address] as const;
    const got: unknown[] = [];
    const event = mirror.createEvent();
    const command = wasm.queue.free(given, {
      after: event,
      callback: (pointers) => {
        got.push(...pointers);
        for (const object of objects) heap.free(object);
      },
    });
    assert.equal(buffer.freeing, false);
    assert.deepEqual(got, []);
    event.complete();
    await command.done;
    assert.deepEqual(got, given);
    assert.equal(got[2], buffer);
    assert.equal(buffer.freed, false);
    assert.throws(() => heap.free(objects[0]!), { name: 'StateError' });
    const reason = new Error('mine');
    const fails = wasm.queue.free(buffer, () => {
      throw reason;
    });
    await assert.rejects(fails.done, reason);
    for (const bad of [undefined, null, 'x', [null], {}] as never[])
      assert.throws(() => wasm.queue.free(bad), { name: 'TypeError' });
    assert.throws(() => wasm.queue.free([]), { name: 'RangeError' });
    assert.throws(() => wasm.queue.free(buffer, { callback: 5 as never }), { name: 'TypeError' });
    await wasm.queue.finish();
  }));

test('a callback may use its queue, but not wait there for what is behind it', () =>
  withMirror(async ({ mirror, wasm }) => {
    const buffer = mirror.alloc(4096);
    for (const queue of [wasm.queue, wasm.createQueue({ order: 'out' })]) {
      let seen: unknown;
      let inner: { done: Promise<void> } | undefined;
      const free = queue.free(buffer, () => {
        const other = wasm.createQueue().fill(buffer, 9);
        other.wait();
        const command = queue.marker({ after: free });
        inner = command;
        try {
          command.wait();
        } catch (error) {
          seen = error;
        }
      });
      free.wait();
      assert.equal((seen as { state?: string }).state, 'busy');
      await inner!.done;
      assert.equal(buffer.bytes[0], 9);
    }
  }));

test('copies between host memory and mirrored memory, each way, in the order of the queue', () =>
  withBoth(async ({ mirror, wasm, proc }) => {
    for (const device of [wasm, proc]) {
      for (const order of ['in', 'out'] as const) {
        const queue = device.createQueue({ order });
        const buffer = mirror.alloc(100_000);
        const source = Float64Array.from({ length: 5000 }, (_, i) => i / 3);
        const target = new Float64Array(5000);
        const written = queue.copy(buffer, source);
        const moved = queue.copy(buffer.address + 50_000, buffer.address, { size: 40_000, after: written });
        const read = queue.copy(target, (buffer.address + 50_000) as Address, { size: 40_000, after: moved });
        await read.done;
        assert.deepEqual(target, source);
        assert.deepEqual([written.type, moved.type, read.type], ['copy', 'copy', 'copy']);
        const shared = new Uint8Array(new SharedArrayBuffer(10));
        await queue.copy(shared, Uint8Array.from([1, 2, 3, 4, 5]).subarray(1, 4)).done;
        assert.deepEqual([...shared], [2, 3, 4, 0, 0, 0, 0, 0, 0, 0]);
        // Into a part: a view's own offset and length.
        await queue.copy(new Uint8Array(target.buffer, 8, 8), buffer, 8).done;
        assert.equal(target[1], 0);
        await queue.copy(new DataView(target.buffer), buffer.address + 8, 8).done;
        assert.equal(target[0], 1 / 3);
      }
    }
  }));

test('a copy of host memory that is gone by then fails, and what does not fit is refused', () =>
  withMirror(async ({ mirror, wasm }) => {
    const { queue } = wasm;
    const buffer = mirror.alloc(64);
    const event = mirror.createEvent();
    const source = new Uint8Array(64).fill(3);
    const copy = queue.copy(buffer, source, { after: event });
    structuredClone(source.buffer, { transfer: [source.buffer] });
    event.complete();
    await assert.rejects(copy.done, { name: 'StateError', state: 'transferred' });
    assert.ok(buffer.bytes.every((byte) => byte === 0));
    const small = new Uint8Array(8);
    for (const call of [
      () => queue.copy(small, buffer),
      () => queue.copy(buffer, small, 9),
      () => queue.copy(small, buffer, 0),
      () => queue.copy(buffer, new Uint8Array(0)),
      () => queue.copy(buffer.address + 60, small),
      () => queue.copy(small.subarray(1), small, 4),
      () => queue.copy(buffer.bytes.subarray(8), buffer, 16),
    ])
      assert.throws(call, { name: 'RangeError' });
    assert.throws(() => queue.copy(buffer, small, '8' as never), { name: 'TypeError' });
    assert.throws(() => queue.copy(buffer, small.buffer as never), { name: 'TypeError' });
    const readOnly = mirror.alloc(64, { access: { wasm: 'read' } });
    assert.throws(() => queue.copy(readOnly, small), { name: 'RangeError' });
    await queue.copy(small, readOnly, 8).done;
    await queue.finish();
  }));

test('svm_enqueue_api: fills with patterns of every element size', () =>
  withProcess(async ({ mirror, proc }) => {
    // char, short, int, long, float and double, as scalars and vectors of 2, 4, 8 and 16: and every other size up to 128.
    const buffer = mirror.alloc(3 * 128 * 127);
    for (const queue of [proc.queue, proc.createQueue({ order: 'out' })]) {
      for (let size = 1; size <= 128; size++) {
        const pattern = Uint8Array.from({ length: size }, (_, i) => i * 3 + size);
        const bytes = Math.floor(buffer.size / size) * size;
        await queue.fill(buffer.address, pattern, bytes).done;
        assert.ok(buffer.bytes.subarray(0, bytes).every((byte, at) => byte === pattern[at % size]));
      }
    }
  }));
