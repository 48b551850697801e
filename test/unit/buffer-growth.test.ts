/**
 * Buffers that grow in place, and parts of buffers that stand for buffers of their own.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MiB, type Mirror, PlacementError } from 'mirrorspace';
import { struct, u32 } from 'mirrorspace/layout';
import { type OnDevice, onEveryDevice } from '../fixtures/any-device.ts';
import { arenaMappings } from '../fixtures/proc.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

const PAGE = 4096;

/** A place with room behind it. */
function roomy(mirror: Mirror, size = 16 * MiB): { readonly at: number } {
  const plan = mirror.plan(size, { guard: 2 });
  assert.ok(plan.ok);
  return { at: plan.placement.address };
}

/** A store there is a fault. */
async function wild({ device, program }: OnDevice, address: number): Promise<void> {
  // Without userfaultfd a wild access of JavaScript costs the process: see docs/process-device.md.
  if (device.kind === 'process' && device.faults === 'trap') return;
  const store = program.kernel('storeAt', ['pointer', 'i32']);
  const stale = device.queue.launch(store, { items: 1, args: [address, 1] });
  await assert.rejects(stale.done, { name: 'DeviceFault' });
}
const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

describe('a buffer that grows', () => {
  onEveryDevice(
    'keeps its address, its bytes and its views, and devices reach the rest at once',
    async (on) => {
      const { mirror, device, program } = on;
      const buffer = mirror.alloc(PAGE + 10, { name: 'grows', guard: 2, place: roomy(mirror) });
      const { address, bytes } = buffer;
      bytes.fill(3);
      const add = program.kernel('increment', ['pointer']);
      // The device has run over what is behind it, so it knows that nothing is there.
      await device.queue.launch(add, { items: 1, args: [buffer] }).done;
      buffer.grow(PAGE + 11);
      assert.deepEqual([buffer.size, buffer.bytes.length, bytes.length], [PAGE + 11, PAGE + 11, PAGE + 10]);
      for (const size of [3 * PAGE, 40 * PAGE, 40 * PAGE, 1000 * PAGE + 4]) {
        buffer.grow(size);
        assert.deepEqual([buffer.address, buffer.size, buffer.end], [address, size, address + size]);
        await device.queue.launch(add, { items: 7, args: [address + size - 4] }).done;
        assert.equal(buffer.view(Int32Array, size - 4, 1)[0], 7);
        await device.queue.fill(address + size - 4, 0, 4).done;
        assert.equal(mirror.query(address + size - 1)?.buffer, buffer);
        assert.equal(mirror.query(address + size), undefined);
      }
      assert.equal(bytes.length, PAGE + 10);
      assert.equal(bytes[PAGE + 9], 3);
      // The old view and the new one are of the same bytes.
      bytes[5] = 77;
      assert.equal(buffer.bytes[5], 77);
      assert.notEqual(buffer.bytes.buffer, bytes.buffer);
      assert.equal(
        arenaMappings(mirror.name).filter((range) => range.start < buffer.end && range.end > address).length,
        1,
      );
      const { placement } = buffer;
      assert.deepEqual([placement.size, placement.guard], [1001 * PAGE, 2 * PAGE]);

      // Its guard has moved with it, and is nobody's.
      await wild(on, address + 1001 * PAGE);

      // After a reopen the device knows all of it.
      process.kill(device.pid, 'SIGKILL');
      const alive = setInterval(() => {}, 1000);
      await device.lost;
      clearInterval(alive);
      await device.reopen();
      await device.queue.fill(buffer, 9).done;
      assert.equal(buffer.bytes[1000 * PAGE + 3], 9);
      buffer.grow(1002 * PAGE);
      await device.queue.fill(buffer, 8).done;
      buffer.free();
      assert.ok(bytes.every((byte) => byte === 0));
      // Gone for the device too, every piece of it.
      for (const at of [0, 2 * PAGE, 30 * PAGE, 1001 * PAGE]) await wild(on, address + at);
    },
  );

  onEveryDevice('stays read-only, or hidden, for a device', async (on) => {
    const { mirror, device } = on;
    const buffer = mirror.alloc(PAGE, { access: { [device.name]: 'read' }, place: roomy(mirror) });
    buffer.grow(2 * PAGE);
    buffer.bytes.fill(5);
    const out = mirror.alloc(PAGE);
    await device.queue.copy(out, buffer.sub(PAGE)).done;
    assert.equal(out.bytes[PAGE - 1], 5);
    await wild(on, buffer.address + PAGE);
    assert.equal(buffer.bytes[PAGE], 5);
    const hidden = mirror.alloc(PAGE, { devices: [], place: roomy(mirror) });
    hidden.grow(2 * PAGE);
    assert.throws(() => device.queue.fill(hidden, 1), value);
  });

  test('is refused where something lies behind it, with the report, and stays as it was', () =>
    withMirror(async ({ mirror, wasm }) => {
      const { at } = roomy(mirror);
      const buffer = mirror.alloc(PAGE, { name: 'first', place: { at } });
      const wall = mirror.alloc(PAGE, { name: 'wall', place: { at: at + 8 * PAGE } });
      buffer.grow(8 * PAGE);
      const { bytes } = buffer;
      assert.throws(
        () => buffer.grow(8 * PAGE + 1),
        (error) => {
          assert.ok(error instanceof PlacementError);
          assert.match(error.message, /'first' can't grow to 32769 bytes.*wall/s);
          assert.deepEqual((error.refusal as { reason: string }).reason, 'occupied');
          return true;
        },
      );
      assert.throws(() => buffer.grow(2 ** 33), PlacementError);
      assert.deepEqual([buffer.size, buffer.placement.size], [8 * PAGE, 8 * PAGE]);
      assert.equal(buffer.bytes, bytes);
      assert.ok(
        mirror
          .occupants({ start: at, end: at + 9 * PAGE })
          .every(({ name }) => ['first', 'wall'].includes(name)),
      );
      wall.free();
      // Its range is free once the device has let go of it, which growth waits for.
      await wasm.queue.marker().done;
      buffer.grow(12 * PAGE);
      buffer.view(Int32Array)[11 * 1024] = 5;
      // What is in the way may be the process's own.
      assert.equal(buffer.address, at);
    }));

  test('refuses sizes that make no sense, and a freed buffer', () =>
    withMirror(async ({ mirror }) => {
      const buffer = mirror.alloc(2 * PAGE);
      for (const size of [undefined, null, '8192', {}]) assert.throws(() => buffer.grow(size as never), kind);
      for (const size of [0, -1, PAGE, 2 * PAGE + 0.5, Number.NaN, 2 ** 53])
        assert.throws(() => buffer.grow(size), value);
      const coarse = mirror.alloc(PAGE, { type: 'coarse', place: roomy(mirror) });
      coarse.grow(2 * PAGE);
      assert.equal(coarse.size, 2 * PAGE);
      buffer.free();
      assert.throws(() => buffer.grow(3 * PAGE), { name: 'StateError', state: 'freed' });
    }));

  test('coarse: the host sees zeros in its new pages too, unless they are mapped', () =>
    withMirror(async ({ mirror, wasm: { queue } }) => {
      const buffer = mirror.alloc(PAGE, { type: 'coarse', place: roomy(mirror) });
      await queue.map(buffer).done;
      const { bytes } = buffer;
      bytes.fill(1);
      buffer.grow(3 * PAGE);
      assert.throws(() => buffer.bytes, { state: 'unmapped' });
      queue.unmap(buffer);
      await queue.fill(buffer, 7).done;
      await queue.map(buffer, { offset: PAGE, size: PAGE }).done;
      const part = buffer.view(Uint8Array, PAGE, PAGE);
      assert.deepEqual([part[0], new Uint8Array(part.buffer)[2 * PAGE], bytes[0]], [7, 0, 0]);
      queue.unmap(buffer);
      buffer.free();
    }));

  test('gives its addresses back only when all its ArrayBuffers are gone', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await withMirror(async ({ mirror }) => {
      const quarantined = (): number =>
        mirror.occupants({ start: 0, end: 2 ** 47 }).filter((entry) => entry.kind === 'quarantined').length;
      const buffer = mirror.alloc(PAGE, { place: roomy(mirror) });
      let old: Uint8Array | undefined = buffer.bytes;
      buffer.grow(4 * PAGE);
      buffer.bytes.fill(1);
      buffer.grow(5 * PAGE);
      buffer.free();
      for (let i = 0; i < 20; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        collect();
      }
      mirror.plan(PAGE);
      assert.equal(quarantined(), 1);
      assert.equal(old[0], 0);
      old = undefined;
      for (let patience = 500; patience > 0 && quarantined() > 0; patience--) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 5));
        mirror.plan(PAGE);
      }
      assert.equal(quarantined(), 0);
    });
  });
});

describe('a sub-buffer', () => {
  onEveryDevice(
    'stands for a buffer in commands, and has views of its own',
    async ({ mirror, device, program }) => {
      const { queue } = device;
      const parent = mirror.alloc(64 * 1024, { name: 'parent', place: roomy(mirror) });
      const parts = [0, 1, 2, 3].map((i) => parent.sub(i * 16384, 16384));
      const add = program.kernel('increment', ['pointer']);
      for (const [i, part] of parts.entries()) {
        assert.deepEqual(
          [part.address, part.end, part.size, part.offset],
          [parent.address + i * 16384, parent.address + (i + 1) * 16384, 16384, i * 16384],
        );
        assert.equal(part.parent, parent);
        assert.equal(part.type, 'fine');
        await queue.launch(add, { items: i + 1, args: [part], uses: [part] }).done;
        await queue.fill(part.sub(4, 8), 100 + i).done;
      }
      await queue.copy(parts[3]!, parts[1]!).done;
      const words = parent.view(Int32Array);
      assert.deepEqual(
        [0, 1, 2, 3].map((i) => words[i * 4096]),
        [1, 2, 3, 2],
      );
      assert.deepEqual(
        parts.map((part) => part.view(Uint8Array, 4, 1)[0]),
        [100, 101, 102, 101],
      );
      assert.throws(() => queue.copy(parts[0]!.sub(8), parts[0]!, 100), value);
      assert.throws(() => queue.fill(parts[0]!, 1, 16385), value);
      parts[2]!.bytes.fill(9);
      assert.deepEqual(
        [words[8191], words[8192], words[12287], words[12288]],
        [0, 0x09090909, 0x09090909, 2],
      );
      assert.equal(parts[2]!.view(DataView, 16383).getUint8(0), 9);
      const Word = struct('Word', { value: u32 });
      assert.equal(Word.in(parts[1]!).at(parts[1]!.address).value, 2);
      // They go with the parent, and grow with nobody.
      parent.grow(128 * 1024);
      assert.equal(parts[3]!.size, 16384);
      await queue.fill(parts[3]!, 1).done;
      parent.free();
      const freed = { name: 'StateError', state: 'freed' };
      assert.ok(parts.every((part) => part.freed));
      assert.throws(() => parts[0]!.bytes, freed);
      assert.throws(() => parts[0]!.view(Uint8Array), freed);
      assert.throws(() => parts[0]!.sub(1), freed);
      assert.throws(() => parent.sub(1), freed);
      assert.throws(() => queue.fill(parts[0]!, 1), freed);
      assert.throws(() => queue.launch(add, { items: 1, args: [parts[0]!] }), freed);
    },
  );

  onEveryDevice('inherits access and type', async ({ mirror, device }) => {
    const { queue } = device;
    const read = mirror.alloc(PAGE, { access: { [device.name]: 'read' } });
    assert.throws(() => queue.fill(read.sub(16), 1), value);
    const coarse = mirror.alloc(4 * PAGE, { type: 'coarse' });
    const part = coarse.sub(PAGE, PAGE);
    assert.equal(part.type, 'coarse');
    await queue.fill(coarse, 2).done;
    assert.throws(() => part.bytes, { state: 'unmapped' });
    await queue.map(part).done;
    assert.ok(part.bytes.every((byte) => byte === 2));
    assert.throws(() => coarse.sub(0, PAGE).bytes, { state: 'unmapped' });
    assert.throws(() => queue.fill(coarse.sub(0, 16), 1), { state: 'mapped' });
    queue.unmap(part);
    await queue.fill(part, 3).done;
  });

  test('refuses parts and views that are not in it', () =>
    withMirror(async ({ mirror }) => {
      const parent = mirror.alloc(100);
      for (const offset of [undefined, null, '0']) assert.throws(() => parent.sub(offset as never), kind);
      for (const size of [null, '5']) assert.throws(() => parent.sub(0, size as never), kind);
      for (const offset of [-1, 100, 0.5, Number.NaN]) assert.throws(() => parent.sub(offset), value);
      for (const size of [0, -1, 101, 1.5]) assert.throws(() => parent.sub(0, size), value);
      assert.throws(() => parent.sub(50, 51), value);
      const part = parent.sub(6, 50);
      assert.equal(part.name, `${parent.name}[6..56)`);
      assert.throws(() => part.sub(40, 11), value);
      assert.equal(part.view(Int32Array, 2).length, 12);
      assert.throws(() => part.view(Int32Array), { ...value, message: /less 2/ });
      assert.throws(() => part.view(Uint8Array, 51), value);
      assert.throws(() => part.view(Uint8Array, 0, 51), value);
      assert.throws(() => part.view({} as never), kind);
    }));
});
