/**
 * What kernels can use: scratch memory of their core, vectors, atomics; and how their arguments are typed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileAssemblyScript, KiB, MiB, type Program, type Queue, wasmDevice } from 'mirrorspace';
import { withMirror } from '../fixtures/with-mirror.ts';
import { withProcess } from '../fixtures/with-process.ts';

const CORE = ['core', 'cores', 'scratchSize']
  .map((name) => `@external("mirrorspace", "${name}") declare function ${name}(): u32;`)
  .join('\n');

/** Two items that wait for each other, so that two cores run them. */
const SCRATCH = `${CORE}
  @external("mirrorspace", "scratch") declare function scratch(): usize;
  export function where(begin: u32, end: u32, arrived: usize, out: usize): void {
    const mine = scratch();
    for (let i = begin; i < end; i++) {
      const at = out + (<usize>i << 4);
      store<u32>(at, core());
      store<u32>(at, cores(), 4);
      store<u32>(at, <u32>mine, 8);
      store<u32>(at, scratchSize(), 12);
      // The first and the last word are there; the others' are not touched.
      store<u32>(mine, core() + 1);
      store<u32>(mine + scratchSize() - 4, core() + 1);
      atomic.add<i32>(arrived, 1);
      while (atomic.load<i32>(arrived) < 2) {}
      if (load<u32>(mine) != core() + 1) unreachable();
      if (load<u32>(mine + scratchSize() - 4) != core() + 1) unreachable();
    }
  }
  /** What this core had stored there before. */
  export function kept(begin: u32, end: u32, out: usize): void {
    store<u32>(out, load<u32>(scratch()));
    store<u32>(out, core() + 1, 4);
  }`;

describe('scratch memory', () => {
  for (const scratch of [undefined, 100, 3 * MiB])
    it(`is each core's own, ${scratch ?? 'by default'} bytes, outside of all buffers`, () =>
      withMirror(
        async ({ mirror, wasm }) => {
          const program = await wasm.load(await compileAssemblyScript(SCRATCH, { memoryBase: 0x80000 }));
          const arrived = mirror.alloc(64);
          const out = mirror.alloc(64);
          const where = program.kernel('where', ['pointer', 'pointer']);
          await wasm.queue.launch(where, { items: 2, chunk: 1, args: [arrived, out] }).done;
          const words = out.view(Uint32Array);
          const each = [0, 1].map((i) => {
            const [core, cores, start, size] = words.subarray(4 * i, 4 * i + 4);
            return { core: core!, cores: cores!, start: start!, end: start! + size! };
          });
          each.sort((a, b) => a.core - b.core);
          assert.deepEqual(
            each.map(({ core, cores }) => [core, cores]),
            [
              [0, 2],
              [1, 2],
            ],
          );
          for (const { core, start, end } of each) {
            const size = end - start;
            assert.equal(size, scratch === undefined ? 56 * KiB : Math.ceil(scratch / 4096) * 4096);
            const region = wasm.reserved.find((r) => r.start <= start && end <= r.end);
            assert.equal(region?.name, `core ${core} stack and scratch`);
          }
          assert.ok(each[0]!.end <= each[1]!.start);
          assert.ok(each.every(({ end }) => end <= arrived.address));
          const kept = program.kernel('kept', ['pointer']);
          for (let i = 0; i < 10; i++) {
            await wasm.queue.launch(kept, { items: 1, args: [out] }).done;
            assert.equal(words[0], words[1], 'it keeps what a core has stored there');
          }
        },
        scratch === undefined ? {} : { scratch },
      ));

  it('is zero again once the device was reopened, and its guard faults below', () =>
    withMirror(async ({ mirror, wasm, program: basic }) => {
      const program = await wasm.load(await compileAssemblyScript(SCRATCH, { memoryBase: 0x80000 }));
      const out = mirror.alloc(64);
      const [arrived, kept] = [mirror.alloc(64), program.kernel('kept', ['pointer'])];
      const where = program.kernel('where', ['pointer', 'pointer']);
      await wasm.queue.launch(where, { items: 2, chunk: 1, args: [arrived, out] }).done;
      const start = out.view(Uint32Array)[2]!;
      const load = basic.kernel('loadAt', ['pointer', 'pointer']);
      await assert.rejects(wasm.queue.launch(load, { items: 1, args: [start - 4, out] }).done, {
        code: 'ERR_MIRROR_DEVICE_FAULT',
        message: /past the stack of core/,
      });
      process.kill(wasm.pid, 'SIGKILL');
      await wasm.reopen().catch(() => {});
      while (wasm.counters().reopens === 0) await wasm.reopen();
      await wasm.queue.launch(kept, { items: 1, args: [out] }).done;
      assert.equal(out.view(Uint32Array)[0], 0);
    }));

  it('is refused at sizes that make no sense', () => {
    for (const [scratch, code] of [
      [0, 'ERR_OUT_OF_RANGE'],
      [-1, 'ERR_OUT_OF_RANGE'],
      [1.5, 'ERR_OUT_OF_RANGE'],
      [64 * MiB + 1, 'ERR_OUT_OF_RANGE'],
      [Number.NaN, 'ERR_OUT_OF_RANGE'],
      ['4096', 'ERR_INVALID_ARG_TYPE'],
    ] as const)
      assert.throws(() => wasmDevice({ scratch: scratch as number }), { code });
  });

  it('of a core of the process device is an array of its own, the same at each call', () =>
    withProcess(
      async ({ mirror, proc }) => {
        const source = `
          import { core, scratch } from 'mirrorspace/kernel';
          import { atomics, view } from 'mirrorspace/kernel';
          export function where(begin, end, arrived, out) {
            const mine = scratch();
            if (mine !== scratch()) throw new Error('another one');
            mine[0] = core() + 1;
            mine[mine.length - 1] = core() + 1;
            for (let i = begin; i < end; i++) {
              atomics.i32.add(arrived, 1);
              while (atomics.i32.load(arrived) < 2);
              view(Uint32Array, out + 16 * i, 4).set([core(), mine.length, mine[0], mine[mine.length - 1]]);
            }
          }`;
        const folder = new URL('../.tmp/', import.meta.url);
        const { mkdirSync, writeFileSync, rmSync } = await import('node:fs');
        mkdirSync(folder, { recursive: true });
        const file = new URL(`scratch-${process.pid}.mjs`, folder);
        writeFileSync(file, source);
        try {
          const program = await proc.load(file);
          const [arrived, out] = [mirror.alloc(64), mirror.alloc(64)];
          const where = program.kernel('where', ['pointer', 'pointer']);
          await proc.queue.launch(where, { items: 2, chunk: 1, args: [arrived, out] }).done;
          const words = [...out.view(Uint32Array, 0, 8)];
          const rows = [words.slice(0, 4), words.slice(4)].sort(([a], [b]) => a! - b!);
          assert.deepEqual(rows, [
            [0, 12_345, 1, 1],
            [1, 12_345, 2, 2],
          ]);
        } finally {
          rmSync(file);
        }
      },
      { scratch: 12_345 },
    ));
});

describe('features of WebAssembly', () => {
  it('SIMD: vectors of AssemblyScript', () =>
    withMirror(async ({ mirror, wasm }) => {
      const source = `
        export function saxpy(begin: u32, end: u32, a: f32, x: usize, y: usize): void {
          const factor = f32x4.splat(a);
          for (let i = begin; i < end; i++) {
            const at = <usize>i << 4;
            v128.store(y + at, f32x4.add(f32x4.mul(factor, v128.load(x + at)), v128.load(y + at)));
          }
        }`;
      const program = await wasm.load(
        await compileAssemblyScript(source, { memoryBase: 0x80000, flags: ['--enable', 'simd'] }),
      );
      const count = 10_000;
      const [x, y] = [mirror.alloc(4 * count), mirror.alloc(4 * count)];
      x.view(Float32Array).forEach((_, i, all) => {
        all[i] = i;
      });
      y.view(Float32Array).fill(1);
      const saxpy = program.kernel('saxpy', ['f32', 'pointer', 'pointer']);
      await wasm.queue.launch(saxpy, { items: count / 4, args: [0.5, x, y] }).done;
      assert.ok(y.view(Float32Array).every((value, i) => value === 0.5 * i + 1));
    }));

  it('threads: atomics of all widths between two cores and the host', () =>
    withMirror(async ({ mirror, wasm }) => {
      const source = `
        export function count(begin: u32, end: u32, at: usize): void {
          for (let i = begin; i < end; i++) {
            atomic.add<u8>(at, 1);
            atomic.add<u16>(at + 2, 1);
            atomic.add<u32>(at + 4, 1);
            atomic.add<u64>(at + 8, 1);
          }
        }`;
      const program = await wasm.load(await compileAssemblyScript(source, { memoryBase: 0x80000 }));
      const words = mirror.alloc(64);
      const items = 50_000;
      const command = wasm.queue.launch(program.kernel('count', ['pointer']), {
        items,
        chunk: 100,
        args: [words],
      });
      const views = [
        words.view(Uint8Array, 0, 1),
        words.view(Uint16Array, 2, 1),
        words.view(Uint32Array, 4, 1),
      ] as const;
      const wide = words.view(BigUint64Array, 8, 1);
      for (let i = 0; i < items; i++) {
        for (const view of views) Atomics.add(view, 0, 1);
        Atomics.add(wide, 0, 1n);
      }
      await command.done;
      assert.deepEqual(
        views.map(([value]) => value),
        [(2 * items) % 256, (2 * items) % 65536, 2 * items],
      );
      assert.equal(wide[0], BigInt(2 * items));
    }));
});

/** Never called: that it compiles, with these errors and no others, is the test (`npm run typecheck`). */
export function argumentsAreTyped(program: Program, queue: Queue): void {
  const kernel = program.kernel('k', ['pointer', 'i32', 'i64', 'u64', 'f32', 'f64']);
  const buffer = { address: 4096, size: 64 };
  queue.launch(kernel, { items: 1, args: [buffer, 1, 2n, 3, 0.5, 0.25] });
  queue.launch(kernel, { items: [2, 3, 4], args: [4096, -1, -2, 3n, 1, 1] });
  // @ts-expect-error one argument is missing
  queue.launch(kernel, { items: 1, args: [buffer, 1, 2n, 3n, 0.5] });
  // @ts-expect-error one is too many
  queue.launch(kernel, { items: 1, args: [buffer, 1, 2n, 3n, 0.5, 0.25, 1] });
  // @ts-expect-error an i32 is a number
  queue.launch(kernel, { items: 1, args: [buffer, 1n, 2n, 3n, 0.5, 0.25] });
  // @ts-expect-error a pointer is an address, or has one
  queue.launch(kernel, { items: 1, args: ['buffer', 1, 2n, 3n, 0.5, 0.25] });
  // @ts-expect-error only a pointer may be a buffer
  queue.launch(kernel, { items: 1, args: [buffer, buffer, 2n, 3n, 0.5, 0.25] });
  // @ts-expect-error an f64 is a number
  queue.launch(kernel, { items: 1, args: [buffer, 1, 2n, 3n, 0.5, 1n] });
  // @ts-expect-error there is no such kind
  program.kernel('k', ['float']);
  // @ts-expect-error at most three dimensions
  queue.launch(kernel, { items: [1, 1, 1, 1], args: [buffer, 1, 2n, 3n, 0.5, 0.25] });
}
