/**
 * Kernels in C, as clang makes them: each core has its own stack and thread-locals, whether or not the module exports its
 * stack pointer; statics are shared; vectors and atomics work.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProgramError } from 'mirrorspace';
import { exportStackPointer, inspectModule } from '../../src/device/wasm/binary/index.ts';
import { clangCounters } from '../fixtures/wasm-clang.ts';
import { clangBare, clangKernels, clangNamed, clangStripped } from '../fixtures/wasm-clang-kernels.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

for (const [name, bytes] of [
  ['whose name section tells the stack pointer', clangKernels],
  ["that is stripped, and exports the linker's symbols", clangStripped],
  ['whose custom sections tell', clangNamed],
] as const)
  describe(`a module of clang ${name}`, () => {
    it('does not export its stack pointer by itself', () => {
      const info = inspectModule(bytes);
      assert.ok(!info.exports.some((entry) => entry.name === '__stack_pointer'));
      const rewritten = exportStackPointer(bytes, info);
      assert.ok(WebAssembly.validate(Uint8Array.from(rewritten)));
      const added = inspectModule(rewritten).exports.at(-1)!;
      assert.equal(added.name, '__stack_pointer');
      assert.ok(added.kind === 'global' && added.global.mutable);
      assert.equal(exportStackPointer(rewritten, inspectModule(rewritten)), rewritten, 'once is enough');
    });

    it('runs on two cores at once, each on the stack that the device has for it', () =>
      withMirror(async ({ mirror, wasm }) => {
        const program = await wasm.load(bytes);
        const where = program.kernel('whereStack', ['pointer', 'pointer']);
        const arrived = mirror.alloc(64);
        const out = mirror.alloc(64);
        await wasm.queue.launch(where, { items: 2, chunk: 1, args: [arrived, out] }).done;
        const stacks = [...out.view(Uint32Array, 0, 2)].map(
          (address) => wasm.reserved.find(({ start, end }) => address >= start && address < end)?.name,
        );
        assert.deepEqual(stacks.sort(), ['core 0 stack and scratch', 'core 1 stack and scratch']);
      }));

    it('has arrays on the stack that no other core touches', () =>
      withMirror(async ({ mirror, wasm }) => {
        const program = await wasm.load(bytes);
        const count = 20_000;
        const out = mirror.alloc(4 * count);
        await wasm.queue.launch(program.kernel('stackSum', ['pointer']), {
          items: count,
          chunk: 5,
          args: [out],
        }).done;
        const wrong = out.view(Int32Array).findIndex((sum, i) => sum !== i * 2016);
        assert.equal(wrong, -1);
      }));
  });

describe('kernels of C', () => {
  it('take i32, u32, i64, f32, f64 and pointers, and lay structs out as C does', () =>
    withMirror(async ({ mirror, wasm }) => {
      const program = await wasm.load(clangKernels);
      const kernel = program.kernel('arguments', ['pointer', 'i32', 'u32', 'i64', 'f32', 'f64']);
      const out = mirror.alloc(64);
      await wasm.queue.launch(kernel, { items: 1, args: [out, -7, 2 ** 32 - 1, -(2n ** 40n), 0.5, Math.PI] })
        .done;
      const data = out.view(DataView);
      assert.equal(data.getInt32(0, true), -7);
      assert.equal(data.getUint32(4, true), 2 ** 32 - 1);
      assert.equal(data.getBigInt64(8, true), -(2n ** 40n));
      assert.equal(data.getFloat32(16, true), 0.5);
      assert.equal(data.getFloat64(24, true), Math.PI);
    }));

  it('use vectors of 128 bits', () =>
    withMirror(async ({ mirror, wasm }) => {
      const count = 4096;
      const [a, b, out] = [mirror.alloc(4 * count), mirror.alloc(4 * count), mirror.alloc(4 * count)];
      for (let i = 0; i < count; i++) {
        a.view(Float32Array)[i] = i;
        b.view(Float32Array)[i] = 0.25 * i;
      }
      const program = await wasm.load(clangKernels);
      const kernel = program.kernel('addVectors', ['pointer', 'pointer', 'pointer']);
      await wasm.queue.launch(kernel, { items: count / 4, args: [a, b, out] }).done;
      assert.ok(out.view(Float32Array).every((value, i) => value === 1.25 * i));
      // It is really a vector instruction (f32x4.add, 0xfd 0xe4 0x01) that did this.
      assert.ok(Buffer.from(clangKernels).includes(Buffer.from([0xfd, 0xe4, 0x01])));
    }));

  it('share statics, which are placed once, and have thread-locals of their own on each core', () =>
    withMirror(async ({ mirror, wasm }) => {
      const program = await wasm.load(clangKernels);
      const out = mirror.alloc(4 * 64);
      const calls = program.kernel('countCalls', ['pointer']);
      for (let i = 1; i <= 40; i++) {
        await wasm.queue.launch(calls, { items: 1, args: [out] }).done;
        assert.equal(out.view(Int32Array)[0], i);
      }
      // 64 items in all, each counted from 1000 on by the core that had it: sequences of the cores, without gaps.
      await wasm.queue.launch(program.kernel('countMine', ['pointer']), { items: 64, chunk: 1, args: [out] })
        .done;
      const counts = new Map<number, number>();
      for (const value of out.view(Int32Array)) counts.set(value, (counts.get(value) ?? 0) + 1);
      const most = Math.max(...counts.keys());
      for (let value = 1001; value <= most; value++) {
        const times = counts.get(value) ?? 0;
        assert.ok(times === 1 || times === 2, `${value} was counted ${times} times`);
      }
    }));

  it('are refused where nothing tells the stack pointer of a module that has a stack', () =>
    withMirror(async ({ wasm }) => {
      await assert.rejects(wasm.load(clangBare), (error) => {
        assert.ok(error instanceof ProgramError);
        assert.equal(error.reason, 'stack');
        assert.match(error.message, /-Wl,--export=__stack_pointer/);
        return true;
      });
    }));

  it('run beside modules of AssemblyScript and of C on one device', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      // The first lies at 64 KiB, as the fixture's program does: so that one is told where to go.
      await assert.rejects(wasm.load(clangCounters), { code: 'ERR_MIRROR_PROGRAM', reason: 'overlap' });
      const others = [await wasm.load(clangKernels), await wasm.load(clangNamed)];
      const out = mirror.alloc(64);
      for (const each of others)
        await wasm.queue.launch(each.kernel('stackSum', ['pointer']), { items: 3, args: [out] }).done;
      assert.deepEqual([...out.view(Int32Array, 0, 3)], [0, 2016, 4032]);
      await wasm.queue.launch(program.kernel('increment', ['pointer']), { items: 10, args: [out] }).done;
      assert.equal(out.view(Int32Array)[0], 10);
      assert.throws(
        () => program.kernel('stackSum', ['pointer']),
        { code: 'ERR_MIRROR_PROGRAM' },
        'each has its own',
      );
    }));
});

it('a module of AssemblyScript with variables is left as it is', async () => {
  const bytes = await compileAssemblyScript(`
    let low: i32 = 65536; let room: i32 = 4096;
    export function take(begin: i32, end: i32, out: usize): void { low = low - 16; room -= 32; store<i32>(out, low - room); }`);
  const info = inspectModule(bytes);
  assert.ok(info.globals.some(({ mutable }) => mutable));
  assert.equal(exportStackPointer(bytes, info), bytes);
});
