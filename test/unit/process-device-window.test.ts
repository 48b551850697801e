/**
 * Process devices that reach less than they could: a 36-bit device with a fixed base, regions of firmware, two of them at
 * once. Buffers lie where all of their devices reach, and the process claims only what is its window.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GiB, openMirror, PlacementError, processDevice, UnsupportedError, wasmDevice } from 'mirrorspace';
import { arenaMappings } from '../fixtures/proc.ts';
import { processKernels, withProcess } from '../fixtures/with-process.ts';

const PAGE = 4096;
// Another place than the other tests': views of their buffers may not have been collected yet.
const RESERVED = [{ start: 2 ** 38, end: 2 ** 38 + GiB, name: 'firmware' }];

describe('the window of a process device', () => {
  for (const [what, low, high] of [
    ['36-bit device with a fixed base', 2 ** 36, 2 ** 37],
    ['40-bit device with a fixed base', 2 ** 40, 2 ** 41],
  ] as const) {
    it(`of a ${what} holds every buffer, and kernels work at both of its edges`, () =>
      withProcess(
        async ({ mirror, proc, program }) => {
          assert.deepEqual(proc.window, { start: low, end: high });
          const store = program.kernel('storeAt', ['pointer', 'i32']);
          const buffers = [mirror.alloc(64 * 1024), mirror.alloc(64 * 1024, { topdown: true })];
          for (const buffer of buffers) {
            assert.ok(buffer.address >= low && buffer.end <= high);
            proc.queue.launch(store, { items: 1, args: [buffer.address, 1] });
            await proc.queue.launch(store, { items: 1, args: [buffer.end - 4, 2] }).done;
            assert.equal(buffer.view(Int32Array)[0], 1);
            assert.equal(buffer.view(Int32Array).at(-1), 2);
          }
          assert.throws(() => mirror.alloc(PAGE, { place: { at: high } }), PlacementError);
          assert.throws(() => mirror.alloc(PAGE, { place: { within: [65536, low] } }), PlacementError);
          for (const { start, end } of arenaMappings(mirror.name, proc.pid))
            assert.ok(start >= low && end <= high);
          // What lies beyond is not even the device's to fault at.
          await assert.rejects(proc.queue.launch(store, { items: 1, args: [high, 1] }).done, {
            address: high,
          });
        },
        { window: [low, high] },
      ));
  }

  it('keeps clear of the regions that its options reserve, where a kernel faults', () =>
    withProcess(
      async ({ mirror, proc, program }) => {
        assert.ok(proc.reserved.some(({ name }) => name === 'firmware'));
        const buffer = mirror.alloc(PAGE);
        assert.ok(buffer.address >= 2 ** 38 + GiB);
        assert.throws(
          () => mirror.alloc(PAGE, { place: { at: 2 ** 38 + PAGE } }),
          (error: unknown) => error instanceof PlacementError && /firmware/.test(error.message),
        );
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        await assert.rejects(proc.queue.launch(store, { items: 1, args: [2 ** 38 + PAGE, 1] }).done, {
          address: 2 ** 38 + PAGE,
          reason: 'unmapped',
        });
      },
      { window: [2 ** 38, 2 ** 39], reserved: RESERVED },
    ));

  it('meets those of other devices: two process devices and a wasm device in one mirror', async () => {
    const mirror = await openMirror({
      devices: {
        wasm: wasmDevice({ cores: 1 }),
        near: processDevice({ cores: 1, window: [65536, 2 ** 33] }),
        far: processDevice({ cores: 1, window: [2 ** 31, 2 ** 40] }),
      },
    });
    try {
      const { near, far } = mirror.devices;
      assert.notEqual(near.pid, far.pid);
      const [onNear, onFar] = await Promise.all([near.load(processKernels), far.load(processKernels)]);
      const all = mirror.alloc(4);
      assert.ok(all.address >= 2 ** 31 && all.end <= 2 ** 32);
      const both = mirror.alloc(4, { devices: ['near', 'far'], place: { within: [2 ** 32, 2 ** 40] } });
      assert.ok(both.address >= 2 ** 32 && both.end <= 2 ** 33);
      for (const counter of [all, both]) {
        const launches = [
          near.queue.launch(onNear.kernel('increment', ['pointer']), { items: 3000, args: [counter] }),
          far.queue.launch(onFar.kernel('increment', ['pointer']), { items: 4000, args: [counter] }),
        ];
        await Promise.all(launches.map(({ done }) => done));
        assert.equal(counter.view(Int32Array)[0], 7000);
      }
      const plan = mirror.plan(PAGE, { devices: ['wasm', 'far'], place: { within: [65536, 2 ** 31] } });
      assert.equal(plan.ok, false);
      // The other device's kernels are not this one's.
      const kernel = onFar.kernel('increment', ['pointer']);
      assert.throws(() => near.queue.launch(kernel, { items: 1, args: [all] }), { code: 'ERR_OUT_OF_RANGE' });
    } finally {
      await mirror.close();
    }
  });

  it('is refused where the process has nothing free in it', async () => {
    // The node binary, or whatever this process has at its beginning, lies at the same place in the device's.
    const devices = { proc: processDevice({ cores: 1, window: [0x401000, 0x402000] }) };
    await assert.rejects(openMirror({ devices }), (error: unknown) => {
      assert.ok(error instanceof UnsupportedError);
      assert.equal(error.missing, 'address space');
      return true;
    });
  });
});
