/**
 * Blocking waits on an OpenCL device: in the driver where nothing else needs this thread, and only there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openclDevice, openMirror, wasmDevice } from 'mirrorspace';
import { conformancePrograms, KERNELS as SUITE } from 'mirrorspace/device/conformance';
import { POCL, poclMissing } from '../fixtures/opencl.ts';
import { withOpenCl } from '../fixtures/with-opencl.ts';

const skip = { skip: poclMissing() ?? false };
const openclSuite = new URL('../fixtures/opencl/conformance.cl', import.meta.url);

const COUNT = `kernel void count(volatile global atomic_int *to, ulong n) {
  for (ulong i = 0; i < n; i++) atomic_fetch_add_explicit(to, 1, memory_order_relaxed, memory_scope_device);
}`;

test(
  'what is nothing for the driver ends with what came before, and at once on an idle queue',
  skip,
  async () => {
    await withOpenCl(async ({ mirror, opencl }) => {
      const { queue } = opencl;
      const count = (await opencl.load(COUNT)).kernel('count', ['pointer', 'u64']);
      const [buffer, coarse] = [mirror.alloc(64), mirror.alloc(4096, { type: 'coarse' })];
      const words = buffer.view(Int32Array);
      for (const how of ['wait', 'done'] as const) {
        words[0] = 0;
        const running = queue.launch(count, { items: 1, args: [buffer, 3_000_000] });
        const marker = queue.marker();
        const mapped = queue.map(coarse);
        if (how === 'wait') mapped.wait();
        else await mapped.done;
        assert.equal(words[0], 3_000_000, 'the kernel before it has ended');
        assert.deepEqual(
          [running.status, marker.status, mapped.status],
          ['complete', 'complete', 'complete'],
        );
        assert.ok(marker.times.started! >= running.times.finished!);
        assert.ok(mapped.times.started! >= marker.times.finished!);
        coarse.bytes[0] = 1;
        queue.unmap(coarse).wait();
        assert.throws(() => coarse.bytes, { code: 'ERR_MIRROR_STATE' });
      }
      const idle = queue.marker();
      assert.equal(idle.status, 'submitted');
      idle.wait();
      assert.ok(idle.times.queued <= idle.times.started!);
      const behind = [queue.marker(), queue.launch(count, { items: 0, args: [buffer, 1] }), queue.marker()];
      await Promise.all(behind.map(({ done }) => done));
      assert.equal(words[0], 3_000_000);
    });
  },
);

test('a wait for a kernel moves along the other device on which that kernel waits', skip, async () => {
  process.env.OCL_ICD_VENDORS = POCL;
  const devices = { wasm: wasmDevice({ cores: 1 }), opencl: openclDevice() };
  const mirror = await openMirror({ devices });
  try {
    const { wasm, opencl } = mirror.devices;
    const onWasm = await wasm.load(conformancePrograms.webAssembly);
    const onOpencl = await opencl.load(openclSuite);
    const store = onWasm.kernel('storeWord', SUITE.storeWord);
    const wait = onOpencl.kernel('awaitWord', SUITE.awaitWord);
    const count = (await opencl.load(COUNT)).kernel('count', ['pointer', 'u64']);
    const [flag, answer] = [mirror.alloc(64), mirror.alloc(64)];
    for (let round = 1; round <= 20; round++) {
      // The store waits for a kernel of the other device, which only this thread can tell it of.
      const first = opencl.queue.launch(count, { items: 1, args: [answer.address + 32, 100_000] });
      wasm.queue.launch(store, { items: 1, args: [flag, round], after: first });
      opencl.queue.launch(wait, { items: 1, args: [flag, round, answer] }).wait();
      assert.equal(flag.view(Int32Array)[0], round);
    }
  } finally {
    await mirror.close();
  }
});
