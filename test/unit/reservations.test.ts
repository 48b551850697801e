/**
 * Reservations: addresses now, memory later.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DeviceFault, GiB, MiB, openMirror, PlacementError } from 'mirrorspace';
import { onEveryDevice } from '../fixtures/any-device.ts';
import { arenaMappings, mappings } from '../fixtures/proc.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const PAGE = 4096;
const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** What this process has mapped in a range, with its protection. */
const mapped = (start: number, end: number): string[] =>
  mappings()
    .filter((mapping) => mapping.start < end && start < mapping.end)
    .map((mapping) => `${Math.max(mapping.start, start) - start}-${Math.min(mapping.end, end) - start}`);

describe('a reservation', () => {
  onEveryDevice('has memory where it is committed, and faults elsewhere', async (on) => {
    const { mirror, device, program } = on;
    const { queue } = device;
    const room = mirror.reserve(64 * MiB, { name: 'room' });
    assert.deepEqual([room.size, room.end - room.address, room.released], [64 * MiB, 64 * MiB, false]);
    assert.deepEqual(room.buffers(), []);
    assert.equal(mirror.query(room.address), undefined);
    assert.equal(arenaMappings(mirror.name).length, 0);
    // Nobody else is given these addresses.
    for (let i = 0; i < 10; i++) {
      const other = mirror.alloc(MiB);
      assert.ok(other.end <= room.address || other.address >= room.end);
    }
    const first = room.commit(0, PAGE, { name: 'first' });
    const second = room.commit(32 * MiB, 2 * PAGE + 5, { name: 'second' });
    assert.deepEqual(
      [first.address, second.address, second.size],
      [room.address, room.address + 32 * MiB, 2 * PAGE + 5],
    );
    assert.deepEqual(room.buffers(), [first, second]);
    assert.equal(mirror.query(second.address)?.name, 'second');
    await queue.fill(second, 3).done;
    await queue.copy(first, second, PAGE).done;
    assert.ok(first.bytes.every((byte) => byte === 3));

    const store = program.kernel('storeAt', ['pointer', 'i32']);
    const wild = async (offset: number, detail: RegExp): Promise<void> => {
      if (device.kind === 'process' && device.faults === 'trap') return;
      const fault = queue.launch(store, { items: 1, args: [room.address + offset, 1] });
      await assert.rejects(fault.done, (error) => {
        assert.ok(error instanceof DeviceFault);
        if (device.faults === 'userfaultfd') assert.match(error.message, detail);
        return true;
      });
    };
    await wild(16 * MiB, /16 MiB into reservation `room`, where nothing is committed/);
    await wild(PAGE, /4096 bytes into reservation `room`/);
    assert.throws(() => queue.fill(room.address + PAGE, 1, 4), value);

    // What is next to the other is as good as one range for the device; and a buffer grows into what is reserved.
    const third = room.commit(PAGE, PAGE);
    await queue.fill(third, 4).done;
    third.grow(3 * MiB);
    await queue.fill(third, 5).done;
    assert.equal(third.bytes[3 * MiB - 1], 5);
    assert.throws(() => second.grow(33 * MiB), { ...value, message: /end of reservation 'room'/ });
    assert.throws(() => first.grow(PAGE + 1), PlacementError);

    const kept = second.bytes;
    room.decommit(32 * MiB, 32 * MiB);
    assert.ok(second.freed);
    assert.equal(kept[0], 0);
    await wild(32 * MiB, /reservation `room`/);
    room.release();
    assert.ok(first.freed && third.freed && room.released);
    await wild(0, /freed/);
    await queue.finish();
  });

  test('keeps its addresses mapped, inaccessible, for as long as it lives', () =>
    withMirror(async ({ mirror, wasm }) => {
      const occupants = (): string[] =>
        mirror
          .occupants({ start: room.address, end: room.end })
          .map((entry) => `${entry.name} ${entry.kind}`);
      const room = mirror.reserve(8 * PAGE, { name: 'r', guard: 1 });
      const { address, end } = room;
      assert.deepEqual(mapped(address, end), [`0-${8 * PAGE}`]);
      assert.deepEqual(occupants(), ['r (reserved) buffer']);
      const buffer = room.commit(2 * PAGE, 2 * PAGE, { name: 'b' });
      assert.deepEqual(mapped(address, end), [
        `0-${2 * PAGE}`,
        `${2 * PAGE}-${4 * PAGE}`,
        `${4 * PAGE}-${8 * PAGE}`,
      ]);
      assert.deepEqual(occupants(), ['r (reserved) buffer', 'b buffer', 'r (reserved) buffer']);
      await wasm.queue.fill(buffer, 1).done;
      buffer.free();
      // Inaccessible again, and not for a moment anybody else's.
      assert.deepEqual(mapped(address, end), [`0-${8 * PAGE}`]);
      const all = room.commit(0, 8 * PAGE);
      assert.ok(
        all.bytes.every((byte) => byte === 0),
        'nothing is left of what was there before',
      );
      all.bytes.fill(9);
      room.release();
      // The views that are kept read zeros; the addresses are in quarantine until they are collected.
      assert.ok(occupants().every((name) => /quarantined/.test(name)));
      const second = mirror.reserve(PAGE);
      second.commit(0).free();
      second.release();
      for (let patience = 200; patience > 0 && mapped(second.address, second.end).length > 0; patience--) {
        mirror.plan(PAGE);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.deepEqual(mapped(second.address, second.end), []);
    }));

  test('takes no memory, not even one of 256 GiB', async () => {
    const mirror = await openMirror({ devices: {}, name: `reserve-${process.pid}` });
    try {
      const before = process.memoryUsage().rss;
      const room = mirror.reserve(256 * GiB);
      const last = room.commit(256 * GiB - PAGE);
      last.bytes.fill(1);
      assert.ok(process.memoryUsage().rss - before < 256 * MiB);
      assert.throws(() => mirror.alloc(PAGE, { place: { at: room.address + 4 * GiB } }), PlacementError);
    } finally {
      await mirror.close();
    }
  });

  test('commits again what was freed once its ArrayBuffer is gone', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await withMirror(async ({ mirror }) => {
      const room = mirror.reserve(2 * PAGE);
      let bytes: Uint8Array | undefined = room.commit(0, PAGE).bytes;
      bytes.fill(1);
      room.decommit(0);
      const busy = { name: 'StateError', state: 'busy' };
      assert.throws(() => room.commit(0, PAGE), busy);
      assert.throws(() => room.commit(0), busy);
      room.commit(PAGE).free();
      assert.equal(bytes[0], 0);
      bytes = undefined;
      let again: unknown;
      for (let patience = 500; patience > 0 && !again; patience--) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 2));
        try {
          again = room.commit(0, PAGE);
        } catch (error) {
          assert.equal((error as { state?: string }).state, 'busy');
        }
      }
      assert.ok(again);
    });
  });

  test('is for the devices that it was made for, and commits every type', () =>
    withMirror(async ({ mirror, wasm }) => {
      const room = mirror.reserve(16 * PAGE);
      const coarse = room.commit(0, PAGE, { type: 'coarse' });
      await wasm.queue.fill(coarse, 6).done;
      await wasm.queue.map(coarse).done;
      assert.equal(coarse.bytes[0], 6);
      const read = room.commit(PAGE, PAGE, { access: { wasm: 'read' }, commit: true });
      assert.throws(() => wasm.queue.fill(read, 1), value);
      const hostOnly = mirror.reserve(PAGE, { devices: [] }).commit(0);
      assert.throws(() => wasm.queue.fill(hostOnly, 1), value);
      await mirror.close();
      assert.ok(room.released && coarse.freed);
    }));

  test('refuses what makes no sense', () =>
    withMirror(async ({ mirror }) => {
      for (const size of [undefined, null, '1']) assert.throws(() => mirror.reserve(size as never), kind);
      for (const size of [0, -1, 0.5]) assert.throws(() => mirror.reserve(size), value);
      for (const options of [null, 5]) assert.throws(() => mirror.reserve(PAGE, options as never), kind);
      assert.throws(() => mirror.reserve(PAGE, { commit: true } as never), value);
      assert.throws(() => mirror.reserve(2 ** 33), PlacementError);
      const room = mirror.reserve(4 * PAGE + 1, { name: 'r' });
      for (const verb of ['commit', 'decommit'] as const) {
        for (const offset of [undefined, null, '0']) assert.throws(() => room[verb](offset as never), kind);
        for (const offset of [-1, 1, 2048, 5 * PAGE, Number.NaN])
          assert.throws(() => room[verb](offset), value);
        for (const size of [null, '1']) assert.throws(() => room[verb](0, size as never), kind);
        for (const size of [0, -1, 4 * PAGE + 2, 1.5]) assert.throws(() => room[verb](0, size), value);
      }
      for (const options of [null, 5]) assert.throws(() => room.commit(0, PAGE, options as never), kind);
      assert.throws(() => room.commit(0, PAGE, { devices: [] } as never), value);
      assert.throws(() => room.commit(0, PAGE, { type: 'managed' } as never), { name: 'UnsupportedError' });
      const buffer = room.commit(PAGE, 2 * PAGE, { name: 'b' });
      for (const [offset, size] of [
        [0, 2 * PAGE],
        [PAGE, PAGE],
        [2 * PAGE, 4],
        [0, undefined],
      ] as const)
        assert.throws(() => room.commit(offset, size), { ...value, message: /'b' has bytes 4096 to 12288/ });
      assert.throws(() => room.decommit(0, 2 * PAGE), { ...value, message: /'b'.*as a whole/ });
      assert.equal(buffer.freed, false);
      room.decommit(4 * PAGE);
      const tail = room.commit(4 * PAGE);
      assert.equal(tail.size, 1);
      room.release();
      const freed = { name: 'StateError', state: 'freed' };
      assert.throws(() => room.release(), freed);
      assert.throws(() => room.commit(0), freed);
      assert.throws(() => room.decommit(0), freed);
      room[Symbol.dispose]();
    }));
});
