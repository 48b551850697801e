/**
 * Commands of the OpenCL device on PoCL, each kind of them: how long they took by the driver's profiling, fills with every
 * pattern, errors of the driver by the names of their constants.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DependencyError, OpenClError, ProgramError } from 'mirrorspace';
import { poclMissing } from '../fixtures/opencl.ts';
import { withOpenCl } from '../fixtures/with-opencl.ts';

const skip = { skip: poclMissing() ?? false };
const now = () => Number(process.hrtime.bigint()) / 1e6;

test(
  'every kind of command has its four times, in their order, between its call and its end',
  skip,
  async () => {
    await withOpenCl(async ({ mirror, opencl, program }) => {
      const { queue } = opencl;
      const [a, b, coarse] = [mirror.alloc(4096), mirror.alloc(4096), mirror.alloc(4096, { type: 'coarse' })];
      const scale = program.kernel('scale', ['pointer', 'i32']);
      const commands = [
        () => queue.launch(scale, { items: 1024, args: [a, 3] }),
        () => queue.launch(scale, { items: 0, args: [a, 3] }),
        () => queue.copy(b, a),
        () => queue.copy(b, new Uint8Array(4096)),
        () => queue.fill(a, new Uint8Array([1, 2, 3, 4])),
        () => queue.fill(a, new Uint8Array([1, 2, 3]), 300),
        () => queue.map(coarse),
        () => queue.unmap(coarse),
        () => queue.migrate(a),
        () =>
          queue.migrate([a, { address: b.address + 5, size: 100 }], { to: 'host', contentUndefined: true }),
        () => queue.barrier(),
        () => queue.marker(),
        () => queue.free(coarse),
      ];
      for (const put of commands) {
        const before = now();
        const command = put();
        await command.done;
        const { queued, submitted, started, finished } = command.times;
        const all = [before, queued, submitted!, started!, finished!, now()];
        const text = `${command.type}: ${all.join(', ')}`;
        assert.ok(all.every(Number.isFinite), text);
        assert.ok(
          all.every((time, i) => i === 0 || all[i - 1]! <= time),
          text,
        );
      }
    });
  },
);

test("a launch's times are the driver's: it ran for as long as the host saw it run", skip, async () => {
  await withOpenCl(async ({ mirror, opencl }) => {
    const program = await opencl.load(`
      kernel void answer(volatile global atomic_int *running, volatile global atomic_int *ask) {
        atomic_store_explicit(running, 1, memory_order_seq_cst, memory_scope_all_svm_devices);
        while (atomic_load_explicit(ask, memory_order_seq_cst, memory_scope_all_svm_devices) == 0) {}
      }`);
    const buffer = mirror.alloc(4096);
    const words = buffer.view(Int32Array);
    const kernel = program.kernel('answer', ['pointer', 'pointer']);
    const command = opencl.queue.launch(kernel, { items: 1, args: [buffer, buffer.address + 512] });
    while (Atomics.load(words, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    const seen = now();
    assert.equal(command.status, 'submitted');
    assert.equal(command.times.finished, undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const asked = now();
    Atomics.store(words, 128, 1);
    await command.done;
    const { started, finished } = command.times;
    assert.ok(started! <= seen, `started ${started}, seen to run ${seen}`);
    // Two clocks, of which one may be adjusted.
    const [ran, least] = [finished! - started!, 0.98 * (asked - seen)];
    assert.ok(ran >= least, `it ran ${ran} ms, and was seen to run for ${least} ms`);
  });
});

test('fill takes patterns of every length up to 128 bytes, at every alignment', skip, async () => {
  await withOpenCl(async ({ mirror, opencl }) => {
    const buffer = mirror.alloc(4096);
    for (let length = 1; length <= 128; length++) {
      const pattern = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 255 || 1);
      for (const offset of [256, 256 + (length % 13), 257]) {
        const count = 1 + (length % 5);
        buffer.bytes.fill(0);
        await opencl.queue.fill(buffer.address + offset, pattern, count * length).done;
        const expected = new Uint8Array(4096);
        for (let i = 0; i < count; i++) expected.set(pattern, offset + i * length);
        assert.ok(Buffer.from(buffer.bytes).equals(expected), `${count} of ${length} bytes at ${offset}`);
      }
    }
    for (const bad of [new Uint8Array(), new Uint8Array(129)])
      assert.throws(() => opencl.queue.fill(buffer, bad), { code: 'ERR_OUT_OF_RANGE' });
  });
});

test('what the driver refuses fails with the name of its constant, and the queue goes on', skip, async () => {
  await withOpenCl(async ({ mirror, opencl, program }) => {
    const { queue } = opencl;
    const buffer = mirror.alloc(64);
    const fours = await opencl.load(
      'kernel __attribute__((reqd_work_group_size(4, 1, 1))) void fours(global int *p) { p[0] += 1; }',
    );
    const kernel = fours.kernel('fours', ['pointer']);
    const refused = queue.launch(kernel, { items: 8, local: 2, args: [buffer] });
    const scale = program.kernel('scale', ['pointer', 'i32']);
    const dependent = opencl.createQueue().launch(scale, { items: 1, args: [buffer, 0], after: refused });
    await assert.rejects(refused.done, (error: unknown) => {
      assert.ok(error instanceof OpenClError);
      const { call, constant, status, code } = error;
      assert.deepEqual(
        { call, constant, status, code },
        {
          call: 'clEnqueueNDRangeKernel',
          constant: 'CL_INVALID_WORK_GROUP_SIZE',
          status: -54,
          code: 'ERR_MIRROR_OPENCL',
        },
      );
      return true;
    });
    await assert.rejects(dependent.done, (error: unknown) => {
      assert.ok(error instanceof DependencyError);
      assert.ok(error.origin instanceof OpenClError);
      return true;
    });
    await queue.launch(kernel, { items: 4, local: 4, args: [buffer] }).done;
    assert.equal(buffer.view(Int32Array)[0], 4);
    await assert.rejects(
      opencl.load('kernel void a() {}', { options: '-no-such-option' }),
      (error: unknown) => {
        assert.ok(error instanceof OpenClError);
        assert.equal(error.constant, 'CL_INVALID_BUILD_OPTIONS');
        assert.match(error.message, /clBuildProgram.*-no-such-option/);
        return true;
      },
    );
    await assert.rejects(opencl.load('kernel void a() {}', { options: '-D\0' }), {
      code: 'ERR_OUT_OF_RANGE',
    });
    await assert.rejects(opencl.load('#include "nowhere.h"\nkernel void a() {}'), ProgramError);
  });
});

test(
  'memory_scope_all_svm_devices works without options: kernels of several queues and the host add at once',
  skip,
  async () => {
    await withOpenCl(async ({ mirror, opencl }) => {
      const program = await opencl.load(`kernel void add(volatile global atomic_int *sum, int times) {
      for (int i = 0; i < times; i++)
        atomic_fetch_add_explicit(sum, 1, memory_order_seq_cst, memory_scope_all_svm_devices);
    }`);
      const buffer = mirror.alloc(64);
      const words = buffer.view(Int32Array);
      const add = program.kernel('add', ['pointer', 'i32']);
      const queues = [opencl.queue, opencl.createQueue(), opencl.createQueue({ order: 'out' })];
      const commands = queues.map((queue) => queue.launch(add, { items: 16, args: [buffer, 5000] }));
      for (let i = 0; i < 50_000; i++) Atomics.add(words, 0, 1);
      await Promise.all(commands.map(({ done }) => done));
      assert.equal(words[0], 50_000 + 3 * 16 * 5000);
    });
  },
);
