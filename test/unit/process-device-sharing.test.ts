/**
 * The process device: another process, the same addresses, the same bytes, in both directions and at the same time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MiB, openMirror, processDevice, SVM, satisfies, wasmDevice } from 'mirrorspace';
import { f64, pointer, sizeof, struct, u32 } from 'mirrorspace/layout';
import { isRunning, mappings } from '../fixtures/proc.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';
import { processKernels, withProcess } from '../fixtures/with-process.ts';

describe('a process device', () => {
  it('runs its kernels in another process, over the addresses and bytes that the host has', () =>
    withProcess(async ({ mirror, proc, program }) => {
      assert.equal(proc.kind, 'process');
      assert.notEqual(proc.pid, process.pid);
      assert.ok(isRunning(proc.pid));
      const [a, b, out] = [mirror.alloc(8000), mirror.alloc(8000), mirror.alloc(8000)];
      a.view(Float64Array).forEach((_, i, all) => {
        all[i] = i;
      });
      b.view(Float64Array).fill(0.25);
      const add = program.kernel('add', ['pointer', 'pointer', 'pointer']);
      await proc.queue.launch(add, { items: 1000, chunk: 10, args: [a, b, out] }).done;
      assert.deepEqual(
        [...out.view(Float64Array)],
        Array.from({ length: 1000 }, (_, i) => i + 0.25),
      );
      // The host's next store is what the next launch sees, without any copy.
      a.view(Float64Array)[7] = 1e300;
      await proc.queue.launch(add, { items: 1000, args: [a, b, out] }).done;
      assert.equal(out.view(Float64Array)[7], 1e300);
    }));

  it('shares the items between its cores, each of which knows who it is', () =>
    withProcess(
      async ({ mirror, proc, program }) => {
        const items = 300;
        const out = mirror.alloc(items * 32);
        const whoami = program.kernel('whoami', ['pointer']);
        // A core that is slow to wake leaves all of a launch to the others.
        const seen = new Set<number>();
        for (let round = 0; round < 1000 && seen.size < 3; round++) {
          await proc.queue.launch(whoami, { items, chunk: 5, args: [out] }).done;
          for (let i = 0; i < items; i++) {
            const [pid, thread, core, cores, all, begin, end] = out.view(Uint32Array, i * 32, 8);
            assert.equal(pid, proc.pid);
            assert.ok(thread! > 0);
            assert.ok(core! < 3);
            assert.equal(cores, 3);
            assert.equal(all, items);
            assert.equal(begin, i - (i % 5));
            assert.equal(end, begin! + 5);
            seen.add(core!);
          }
        }
        assert.equal(seen.size, 3);
      },
      { cores: 3 },
    ));

  it('follows the pointers that the host stored, from buffer to buffer, through mirrorspace/layout', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const Node = struct('Node', {
        value: f64,
        get next() {
          return pointer(Node);
        },
        tag: u32,
      });
      const count = 999;
      // Buffers far from each other, on both sides of whatever the device has for itself.
      const places = [0x10000000, 2 ** 33, 2 ** 41, 2 ** 46 + 2 ** 40];
      const buffers = places.map((hint, i) =>
        mirror.alloc((count / 3) * sizeof(Node), { name: `nodes-${i}`, place: { hint } }),
      );
      assert.ok(buffers.some(({ address }) => address > 2 ** 40));
      const out = mirror.alloc(8);
      const where = (i: number) =>
        buffers[i % buffers.length]!.address + Math.floor(i / buffers.length) * sizeof(Node);
      for (let i = 0; i < count; i++) {
        const node = Node.in(buffers[i % buffers.length]!).at(where(i));
        node.value = i;
        node.next = i + 1 < count ? where(i + 1) : 0;
        node.tag = i;
      }
      const sum = program.kernel('sum', ['pointer', 'pointer']);
      await proc.queue.launch(sum, { items: 1, args: [where(0), out] }).done;
      assert.equal(out.view(Float64Array)[0], (count * (count - 1)) / 2);
      // And what it stored into the nodes on its way is here.
      for (let i = 1; i < count; i++)
        assert.equal(Node.in(buffers[i % buffers.length]!).at(where(i)).tag, i + 1);
    }));

  it('adds atomically with the host and between its cores, in 32 and in 64 bits', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const counter = mirror.alloc(16);
      const narrow = counter.view(Int32Array, 0, 1);
      const wide = counter.view(BigInt64Array, 8, 1);
      const items = 20_000;
      const commands = [
        proc.queue.launch(program.kernel('increment', ['pointer']), { items, chunk: 50, args: [counter] }),
        proc.createQueue().launch(program.kernel('increment64', ['pointer']), {
          items,
          chunk: 50,
          args: [counter.address + 8],
        }),
      ];
      for (let i = 0; i < items; i++) {
        Atomics.add(narrow, 0, 1);
        Atomics.add(wide, 0, 1n);
      }
      await Promise.all(commands.map(({ done }) => done));
      assert.equal(narrow[0], 2 * items);
      assert.equal(wide[0], BigInt(2 * items));
    }));

  it('hands words to and fro with the host while a kernel runs', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const word = mirror.alloc(4);
      const view = word.view(Int32Array);
      const rounds = 200;
      const command = proc.queue.launch(program.kernel('pingPong', ['pointer', 'u32']), {
        items: 1,
        args: [word, rounds],
      });
      for (let round = 0; round < rounds; round++) {
        Atomics.store(view, 0, 2 * round + 1);
        while (Atomics.load(view, 0) !== 2 * round + 2) if (command.status === 'failed') await command.done;
      }
      await command.done;
    }));

  it('passes every kind of argument as JavaScript has it', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const out = mirror.alloc(64);
      const kinds = program.kernel('kinds', ['pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64', 'pointer']);
      const args = [2 ** 47 - 8, 0xffffffff, -5, 2n ** 64n - 1n, -(2n ** 63n), 0.1, 0.1, out] as const;
      await proc.queue.launch(kinds, { items: 1, args }).done;
      const data = out.view(DataView);
      assert.equal(data.getFloat64(0, true), 2 ** 47 - 8);
      assert.equal(data.getFloat64(8, true), 0xffffffff);
      assert.equal(data.getFloat64(16, true), -5);
      assert.equal(data.getBigUint64(24, true), 2n ** 64n - 1n);
      assert.equal(data.getBigInt64(32, true), -(2n ** 63n));
      assert.equal(data.getFloat64(40, true), Math.fround(0.1));
      assert.equal(data.getFloat64(48, true), 0.1);
      assert.equal(data.getUint8(56), 1);
    }));

  it('copies and fills on the device', () =>
    withProcess(async ({ mirror, proc }) => {
      const [a, b] = [mirror.alloc(3 * MiB + 24), mirror.alloc(3 * MiB + 24, { topdown: true })];
      await proc.queue.fill(a, new Uint8Array([1, 2, 3])).done;
      await proc.queue.copy(b, a).done;
      assert.ok(b.bytes.every((byte, i) => byte === (i % 3) + 1));
    }));

  it('gives no byte of a buffer to a device that may not have it', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const out = mirror.alloc(4);
      const none = mirror.alloc(4096, { access: { proc: 'none' } });
      const readable = mirror.alloc(4096, { access: { proc: 'read' } });
      none.view(Int32Array)[0] = 7;
      readable.view(Int32Array)[0] = 8;
      await assert.rejects(proc.queue.launch(load, { items: 1, args: [none.address, out] }).done, {
        code: 'ERR_MIRROR_DEVICE_FAULT',
        reason: 'unmapped',
      });
      await proc.queue.launch(load, { items: 1, args: [readable, out] }).done;
      assert.equal(out.view(Int32Array)[0], 8);
      await assert.rejects(proc.queue.launch(store, { items: 1, args: [readable, 1] }).done, {
        reason: 'read-only',
      });
      assert.equal(readable.view(Int32Array)[0], 8);
    }));

  it('says what it can do, and no more', () =>
    withProcess(async ({ proc }) => {
      assert.ok(satisfies(proc.capabilities, SVM.SINGLE_ADDRESS_SPACE | SVM.CONCURRENT_ATOMIC_ACCESS));
      assert.ok(!satisfies(proc.capabilities, SVM.SYSTEM_ALLOCATED));
    }));

  it('works on one buffer with a wasm device in turns, through the same pointers', async () => {
    const devices = { wasm: wasmDevice({ cores: 1 }), proc: processDevice({ cores: 1 }) };
    const mirror = await openMirror({ devices });
    try {
      const { wasm, proc } = mirror.devices;
      const [onWasm, onProc] = await Promise.all([wasm.load(basicKernels), proc.load(processKernels)]);
      const counter = mirror.alloc(4, { name: 'counter' });
      assert.ok(counter.end <= 2 ** 32);
      const kernels = [
        { device: wasm, kernel: onWasm.kernel('increment', ['pointer']) },
        { device: proc, kernel: onProc.kernel('increment', ['pointer']) },
      ];
      for (let round = 0; round < 20; round++) {
        const { device, kernel } = kernels[round % 2]!;
        await device.queue.launch(kernel, { items: 100, args: [counter] }).done;
        assert.equal(counter.view(Int32Array)[0], (round + 1) * 100);
      }
      await Promise.all(
        kernels.map(
          ({ device, kernel }) => device.queue.launch(kernel, { items: 5000, args: [counter] }).done,
        ),
      );
      assert.equal(counter.view(Int32Array)[0], 12_000);
    } finally {
      await mirror.close();
    }
  });

  it('maps the arena at the addresses that it has in the file, and replaces nothing of its own', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const arena = `/memfd:mirrorspace-${mirror.name}`;
      const own = () => mappings(proc.pid).filter(({ name }) => name !== arena);
      const before = own();
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      const out = mirror.alloc(4, { name: 'out' });
      for (let i = 0; i < 400; i++) {
        const hint = Math.floor(Math.random() * 2 ** 35) * 4096;
        const buffer = mirror.alloc(4096 * (1 + (i % 5)), { place: { hint }, topdown: i % 2 === 0 });
        buffer.view(Int32Array)[0] = i;
        const taken = before.find(({ start, end }) => start < buffer.end && buffer.address < end);
        assert.equal(taken, undefined, `0x${buffer.address.toString(16)}`);
        if (i % 20 !== 0) continue;
        await proc.queue.launch(load, { items: 1, args: [buffer, out] }).done;
        assert.equal(out.view(Int32Array)[0], i);
      }
      const claims = mappings(proc.pid).filter(({ name }) => name === arena);
      assert.ok(claims.length > 3);
      for (const { start, offset } of claims) assert.equal(offset, start);
      // What was there has grown perhaps, and nothing of it has gone to the arena.
      for (const vma of before)
        for (const claim of claims) assert.ok(claim.end <= vma.start || vma.end <= claim.start);
      const libraries = (list: typeof before) =>
        list
          .filter(({ kind, name }) => kind === 'file' && !name.startsWith('/memfd:mirrorspace-'))
          .map(({ start, end, name, prot }) => ({ start, end, name, prot }));
      assert.deepEqual(libraries(own()), libraries(before));
    }));
});
