/**
 * Launches: items and their dimensions, chunks, arguments of every kind.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { i32, u32 } from '../sides.ts';

export const items: ContractCase = {
  name: 'runs each item of a launch once, whatever their number, dimensions and chunks',
  async run(side, sides) {
    const most = 5000;
    await sides.with([4 * most], async (counts) => {
      for (const items of [0, 1, 2, 7, 1000, most, [7], [3, 5], [4, 5, 6], [10, 0]] as const)
        for (const chunk of side.without.chunks ? [undefined] : [undefined, 1, 3, 10_000]) {
          i32(counts).fill(0);
          const total = typeof items === 'number' ? items : items.reduce((product, n) => product * n, 1);
          const options = { items, args: [counts], ...(chunk === undefined ? {} : { chunk }) };
          await side.device.queue.launch(side.kernel('countItems'), options as never).done;
          const wrong = i32(counts).findIndex((count, i) => count !== (i < total ? 1 : 0));
          assert.equal(wrong, -1, `items ${items}, chunk ${chunk}: item ${wrong}`);
        }
    });
  },
};

export const chunks: ContractCase = {
  name: 'splits a launch into chunks of the size that was asked for',
  needs: 'chunks',
  async run(side, sides) {
    for (const [items, chunk] of [
      [1000, 7],
      [1000, 1000],
      [1000, 5000],
      [64, 1],
    ] as const)
      await sides.with([64, 8 * items], async (next, log) => {
        await side.launch('recordChunks', items, [next, log], { chunk }).done;
        const count = i32(next)[0]!;
        assert.equal(count, Math.ceil(items / chunk));
        const words = u32(log);
        const ranges = Array.from({ length: count }, (_, n) => [words[2 * n]!, words[2 * n + 1]!] as const);
        ranges.sort(([a], [b]) => a - b);
        for (const [n, [begin, end]] of ranges.entries())
          assert.deepEqual([begin, end], [n * chunk, Math.min(items, (n + 1) * chunk)]);
      });
  },
};

export const workGroups: ContractCase = {
  name: 'runs whole work-groups, in up to three dimensions, and refuses sizes that do not divide the items',
  async run(side, sides) {
    const most = 4096;
    await sides.with([4 * most, 64, 8 * most], async (counts, next, log) => {
      for (const [items, local] of [
        [most, 64],
        [60, 1],
        [
          [12, 10],
          [4, 5],
        ],
        [
          [6, 4, 8],
          [3, 2, 4],
        ],
      ] as const) {
        i32(counts).fill(0);
        const total = typeof items === 'number' ? items : items.reduce((product, n) => product * n, 1);
        const group = typeof local === 'number' ? local : local.reduce((product, n) => product * n, 1);
        const launch = (kernel: 'countItems' | 'recordChunks', args: readonly unknown[]) =>
          side.device.queue.launch(side.kernel(kernel), { items, local, args } as never).done;
        await launch('countItems', [counts]);
        const wrong = i32(counts).findIndex((count, i) => count !== (i < total ? 1 : 0));
        assert.equal(wrong, -1, `items ${items}, local ${local}: item ${wrong}`);
        if (side.without.chunks) continue;
        i32(next).fill(0);
        await launch('recordChunks', [next, log]);
        const edges = u32(log).subarray(0, 2 * i32(next)[0]!);
        assert.ok(edges.length > 0 && edges.every((edge) => edge % group === 0), `${local}: ${edges}`);
      }
      const kernel = side.kernel('countItems');
      for (const [items, local] of [
        [10, 3],
        [10, 0],
        [10, 20],
        [
          [4, 4],
          [4, 3],
        ],
        [[4, 4], 4],
      ] as const)
        assert.throws(() => side.device.queue.launch(kernel, { items, local, args: [counts] } as never), {
          code: 'ERR_OUT_OF_RANGE',
        });
    });
  },
};

export const argumentKinds: ContractCase = {
  name: 'hands arguments of all kinds to kernels, at the edges of what each can hold',
  async run(side, sides) {
    await sides.with([64], async (out) => {
      const data = new DataView(out.bytes.buffer, out.bytes.byteOffset);
      for (const [u, i, wideU, wideI, f, d] of [
        [0, 0, 0n, 0n, 0, 0],
        [2 ** 32 - 1, -(2 ** 31), 2n ** 64n - 1n, -(2n ** 63n), -1.5, Number.MIN_VALUE],
        [1, 2 ** 31 - 1, 1n, 2n ** 63n - 1n, Number.POSITIVE_INFINITY, Math.PI],
        [7, -7, 2n ** 53n + 1n, -(2n ** 53n) - 1n, Math.fround(0.1), Number.NEGATIVE_INFINITY],
        [7, -7, 2n ** 32n, -(2n ** 32n), -0, Number.NaN],
      ] as const) {
        await side.run('storeArguments', 1, [out, out.address + 1, u, i, wideU, wideI, f, d]);
        assert.equal(data.getBigUint64(0, true), BigInt(out.address + 1));
        assert.equal(data.getUint32(8, true), u);
        assert.equal(data.getInt32(12, true), i);
        assert.equal(data.getBigUint64(16, true), wideU);
        assert.equal(data.getBigInt64(24, true), wideI);
        assert.ok(Object.is(data.getFloat32(32, true), f), `f32 ${f}`);
        assert.ok(Object.is(data.getFloat64(40, true), d), `f64 ${d}`);
      }
      await side.run('storeArguments', 1, [out, out, 1, 1, 12 as never, -12 as never, 0, 0]);
      assert.deepEqual([data.getBigUint64(16, true), data.getBigInt64(24, true)], [12n, -12n]);
    });
  },
};

export const refusals: ContractCase = {
  name: 'refuses what can be known to be wrong before anything is put into a queue',
  async run(side, sides) {
    const { device, program } = side;
    const { queue } = device;
    const launches = device.counters().launches;
    await sides.with([4096], async (buffer) => {
      const gone = sides.mirror.alloc(4096);
      gone.free();
      const kernel = side.kernel('storeWord');
      const launch = (options: object) => () => queue.launch(kernel, options as never);
      const bad = { code: 'ERR_OUT_OF_RANGE' };
      assert.throws(launch({ items: 1, args: [buffer] }), bad, 'too few arguments');
      assert.throws(launch({ items: -1, args: [buffer, 1] }), bad);
      assert.throws(launch({ items: 1.5, args: [buffer, 1] }), bad);
      assert.throws(launch({ items: [1, 1, 1, 1], args: [buffer, 1] }), bad);
      assert.throws(launch({ items: 1, chunk: 0, args: [buffer, 1] }), bad);
      assert.throws(launch({ items: 1, args: [buffer, -1] }), bad);
      assert.throws(launch({ items: 1, args: [-1, 1] }), bad);
      assert.throws(launch({ items: 1, args: ['0', 1] }), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(launch({ items: 1, args: [gone, 1] }), { code: 'ERR_MIRROR_STATE' });
      assert.throws(() => queue.fill(gone, 1), { code: 'ERR_MIRROR_STATE' });
      assert.throws(() => queue.fill(buffer.address + 4090, 1, 100), bad, 'beyond a buffer');
      assert.throws(() => queue.fill(buffer, new Uint8Array(3)), bad, 'no multiple of the pattern');
      assert.throws(() => program.kernel('no such kernel', []), { code: 'ERR_MIRROR_PROGRAM' });
      for (const other of sides.devices)
        if (other !== side)
          assert.throws(
            () => queue.launch(other.kernel('increment'), { items: 1, args: [buffer] as never }),
            bad,
          );
      await queue.finish();
      assert.ok(buffer.bytes.every((byte) => byte === 0));
    });
    assert.equal(device.counters().launches, launches);
  },
};

export const counters: ContractCase = {
  name: 'counts its launches',
  async run(side, sides) {
    await sides.with([64], async (counter) => {
      const before = side.device.counters().launches;
      for (let i = 0; i < 10; i++) side.launch('increment', 3, [counter]);
      await side.device.queue.finish();
      assert.equal(side.device.counters().launches, before + 10);
      assert.equal(i32(counter)[0], 30);
    });
  },
};
