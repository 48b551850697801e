/**
 * One pointer, two processors: what JavaScript stores, a device in another process loads at the same address, and the
 * other way round; atomics, static data and module globals.
 */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { describe, it } from 'node:test';
import { MiB } from 'mirrorspace';
import { withMirror } from '../fixtures/with-mirror.ts';

describe('sharing', () => {
  it('runs kernels in another process that is a child of this one', () =>
    withMirror(async ({ wasm }) => {
      assert.notEqual(wasm.pid, process.pid);
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${wasm.pid}/status`, 'utf8'))?.[1];
      assert.equal(Number(parent), process.pid);
      assert.equal(readlinkSync(`/proc/${wasm.pid}/exe`), readlinkSync('/proc/self/exe'));
    }));

  it('shows the device the bytes that JavaScript wrote, at the same address, and counts the faults', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const source = mirror.alloc(4096, { name: 'source' });
      const out = mirror.alloc(4096, { name: 'out' });
      source.view(Int32Array)[3] = 0x1234abcd;
      const before = wasm.counters().faults;
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await wasm.queue.launch(load, { items: 1, args: [source.address + 12, out] }).done;
      assert.equal(out.view(Int32Array)[0], 0x1234abcd);
      assert.ok(wasm.counters().faults >= before + 2, 'one fault for each buffer, answered by the pager');
    }));

  it('shows JavaScript what the device wrote at an interior address', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const buffer = mirror.alloc(1 * MiB);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      await wasm.queue.launch(store, { items: 1, args: [buffer.address + 777_776, -42] }).done;
      assert.equal(buffer.view(Int32Array)[777_776 / 4], -42);
      assert.equal(
        buffer.bytes.reduce((count, byte) => count + (byte ? 1 : 0), 0),
        4,
        'nothing else has changed',
      );
    }));

  it('follows a list of a million nodes through the pointers that JavaScript stored', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const count = 1_000_000;
      const list = mirror.alloc(count * 16, { name: 'list' });
      const words = list.view(Uint32Array);
      // A permutation, so that following the pointers is not reading on: node i comes before node (i + step) mod count.
      const step = 618_033;
      let expected = 0n;
      for (let i = 0, at = 0; i < count; i++, at = (at + step) % count) {
        const next = i === count - 1 ? 0 : list.address + ((at + step) % count) * 16;
        words[at * 4] = i % 1000;
        words[at * 4 + 2] = next;
        expected += BigInt(i % 1000);
      }
      const out = mirror.alloc(64);
      const follow = program.kernel('follow', ['pointer', 'pointer']);
      await wasm.queue.launch(follow, { items: 1, args: [list, out] }).done;
      assert.equal(out.view(BigInt64Array)[0], expected);
      assert.equal(out.view(Uint32Array)[2], count);
      const last = list.address + ((step * (count - 1)) % count) * 16;
      assert.equal(out.view(Uint32Array)[3], last, 'the device saw the very address that the host computes');
    }));

  it('loses no increment when host and device add atomically at the same time', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const counter = mirror.alloc(4096);
      const word = counter.view(Int32Array);
      const increment = program.kernel('increment', ['pointer']);
      const command = wasm.queue.launch(increment, { items: 2_000_000, args: [counter] });
      let mine = 0;
      while (command.progress < 1 || mine < 100_000) {
        for (let i = 0; i < 1000; i++) Atomics.add(word, 0, 1);
        mine += 1000;
      }
      await command.done;
      assert.equal(word[0], 2_000_000 + mine);
    }));

  it('lets the host and a running kernel talk through an atomic flag', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flags = mirror.alloc(4096);
      const words = flags.view(Int32Array);
      const wait = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
      const command = wasm.queue.launch(wait, { items: 1, args: [flags.address, 7, flags.address + 64] });
      assert.equal(Atomics.load(words, 16), 0);
      Atomics.store(words, 0, 7);
      await command.done;
      assert.equal(Atomics.load(words, 16), 8);
    }));

  it('gives every core the same static table, and runs the chunks of one launch on all of them', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const items = 400_000;
      const out = mirror.alloc(items * 4);
      const table = program.kernel('tableSum', ['pointer']);
      await wasm.queue.launch(table, { items, args: [out], chunk: 1000 }).done;
      const values = out.view(Int32Array);
      for (let i = 0; i < items; i++) if (values[i] !== 77 + i) assert.fail(`item ${i} is ${values[i]}`);
    }));

  it('places static data once: what one core wrote there is neither reset by another nor by a core that is restarted', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const out = mirror.alloc(4096);
      const add = program.kernel('addToStatic', ['pointer']);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await wasm.queue.launch(add, { items: 1000, chunk: 10, args: [out] }).done;
      await assert.rejects(wasm.queue.launch(load, { items: 1, args: [0xf0000000, out] }).done);
      await wasm.queue.launch(add, { items: 500, chunk: 5, args: [out] }).done;
      await wasm.queue.launch(add, { items: 1, args: [out] }).done;
      assert.equal(out.view(Int32Array)[0], 1501);
      assert.equal(wasm.counters().coreRestarts, 1);
    }));

  it('keeps mutable module globals per core', () =>
    withMirror(
      async ({ mirror, wasm, program }) => {
        const out = mirror.alloc(4096);
        const count = program.kernel('countCalls', ['pointer']);
        for (let i = 0; i < 3; i++) await wasm.queue.launch(count, { items: 1, args: [out] }).done;
        assert.equal(out.view(Int32Array)[0], 3, 'a global lives as long as its core');
      },
      { cores: 1 },
    ));

  it('passes every kind of argument exactly', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const out = mirror.alloc(4096);
      const types = program.kernel('types', ['pointer', 'i32', 'u32', 'i64', 'f32', 'f64']);
      const args = [out, -5, 4_000_000_000, -(2n ** 62n) - 1n, 1.5, Math.PI] as const;
      await wasm.queue.launch(types, { items: 1, args }).done;
      const data = out.view(DataView);
      assert.equal(data.getInt32(0, true), -5);
      assert.equal(data.getUint32(4, true), 4_000_000_000);
      assert.equal(data.getBigInt64(8, true), -(2n ** 62n) - 1n);
      assert.equal(data.getFloat32(16, true), 1.5);
      assert.equal(data.getFloat64(24, true), Math.PI);
    }));

  it('copies and fills on the device, with patterns of 1 to 128 bytes', () =>
    withMirror(async ({ mirror, wasm }) => {
      const a = mirror.alloc(3 * MiB);
      const b = mirror.alloc(3 * MiB);
      for (const length of [1, 2, 3, 4, 8, 16, 48, 128]) {
        const pattern = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 255);
        const size = Math.floor((3 * MiB) / length) * length;
        wasm.queue.fill(a, pattern, size);
        await wasm.queue.copy(b, a, size).done;
        for (let i = 0; i < size; i += 4093)
          assert.equal(b.bytes[i], pattern[i % length], `pattern ${length}, byte ${i}`);
        assert.equal(b.bytes[size - 1], pattern[length - 1]);
      }
    }));

  it('runs commands of a queue in order, and more of them than the ring has slots', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const out = mirror.alloc(4096);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      for (let i = 1; i <= 2000; i++) wasm.queue.launch(store, { items: 1, args: [out, i] });
      await wasm.queue.finish();
      assert.equal(out.view(Int32Array)[0], 2000);
    }));

  it('runs no item for a launch of none, and every item of three dimensions once', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const counter = mirror.alloc(4096);
      const increment = program.kernel('increment', ['pointer']);
      await wasm.queue.launch(increment, { items: 0, args: [counter] }).done;
      assert.equal(counter.view(Int32Array)[0], 0);
      await wasm.queue.launch(increment, { items: [7, 11, 13], args: [counter] }).done;
      assert.equal(counter.view(Int32Array)[0], 1001);
    }));

  it('serves several queues at the same time', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flags = mirror.alloc(4096);
      const wait = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const second = wasm.createQueue();
      // The first queue's kernel ends only once the second queue's has run.
      const first = wasm.queue.launch(wait, { items: 1, args: [flags.address, 9, flags.address + 4] });
      await second.launch(store, { items: 1, args: [flags.address, 9] }).done;
      await first.done;
      assert.equal(flags.view(Int32Array)[1], 10);
    }));

  it('waits for a command without the event loop', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const out = mirror.alloc(4096);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      for (let i = 0; i < 100; i++) {
        wasm.queue.launch(store, { items: 1, args: [out, i] }).wait();
        assert.equal(out.view(Int32Array)[0], i);
      }
    }));

  it('does not block the event loop while a kernel runs', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flags = mirror.alloc(4096);
      const wait = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
      const { done } = wasm.queue.launch(wait, { items: 1, args: [flags.address, 1, flags.address + 4] });
      let turns = 0;
      for (; turns < 50; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
      Atomics.store(flags.view(Int32Array), 0, 1);
      await done;
      assert.equal(turns, 50);
    }));
});
