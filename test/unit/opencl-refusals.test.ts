/**
 * What would end the process, or go wrong without a word, on the OpenCL device: refused, or done as it was meant. Of each
 * of these PoCL 3.1, or this package, once made a crash or a wrong result.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openclDevice, openMirror } from 'mirrorspace';
import { poclMissing } from '../fixtures/opencl.ts';
import { KERNELS, withOpenCl } from '../fixtures/with-opencl.ts';

const skip = { skip: poclMissing() ?? false };

test('more work-groups than a driver can count are refused', skip, async () => {
  await withOpenCl(async ({ mirror, opencl, program }) => {
    const groups = program.kernel('groups', ['pointer']);
    const args = [mirror.alloc(4096)] as const;
    const refused = { code: 'ERR_OUT_OF_RANGE', message: /"items".*at most 4294967295 work-groups.*'local'/ };
    for (const options of [
      { items: 2 ** 32 },
      { items: [2 ** 31, 2] },
      { items: Number.MAX_SAFE_INTEGER },
      { items: 2 ** 33, local: 2 },
      { items: [2 ** 17, 2 ** 16, 2], local: [2, 1, 2] },
    ] as const)
      assert.throws(() => opencl.queue.launch(groups, { ...options, args }), refused);
    await opencl.queue.finish();
  });
});

test('a kernel of a closed device can’t be had, and one that was had can’t be launched', skip, async () => {
  await withOpenCl(async ({ mirror, opencl, program }) => {
    const scale = program.kernel('scale', ['pointer', 'i32']);
    const buffer = mirror.alloc(4096);
    await opencl.close();
    assert.throws(() => program.kernel('groups', ['pointer']), { state: 'closed' });
    assert.throws(() => opencl.queue.launch(scale, { items: 1, args: [buffer, 1] }), { state: 'closed' });
    await assert.rejects(opencl.load(KERNELS), { state: 'closed' });
  });
});

test('times of a command are told after its device was closed, too', skip, async () => {
  await withOpenCl(async ({ mirror, opencl, program }) => {
    const scale = program.kernel('scale', ['pointer', 'i32']);
    const buffer = mirror.alloc(4096);
    const commands = Array.from({ length: 3 }, () =>
      opencl.queue.launch(scale, { items: 1024, args: [buffer, 1] }),
    );
    for (const command of commands) command.wait();
    await opencl.close();
    let last = 0;
    for (const { times } of commands) {
      const { queued, submitted, started, finished } = times;
      assert.ok(queued <= submitted! && submitted! <= started!, JSON.stringify(times));
      assert.ok(last <= started! && started! <= finished!, JSON.stringify(times));
      last = finished!;
    }
  });
});

test('a launch from within the arguments of another one leaves both as they were meant', skip, async () => {
  await withOpenCl(async ({ mirror, opencl, program }) => {
    const scale = program.kernel('scale', ['pointer', 'i32']);
    const buffer = mirror.alloc(4096);
    const words = buffer.view(Int32Array).fill(1);
    const outer = opencl.queue.launch(scale, {
      items: 4,
      get args() {
        opencl.queue.launch(scale, { items: 1, args: [buffer.address + 400, 9] });
        return [buffer, 5] as const;
      },
    });
    await outer.done;
    assert.deepEqual([...words.subarray(0, 6), words[100], words[101]], [5, 5, 5, 5, 1, 1, 9, 1]);
  });
});

test('a program of nothing has no kernels', skip, async () => {
  await withOpenCl(async ({ opencl }) => {
    for (const source of ['', ' \n', new Uint8Array()])
      await assert.rejects(opencl.load(source), { code: 'ERR_MIRROR_PROGRAM', reason: 'no-kernels' });
  });
});

test('a long chain over two devices of one driver is seen through by one blocking wait', skip, async () => {
  const mirror = await openMirror({ devices: { one: openclDevice(), two: openclDevice() } });
  try {
    const sides = await Promise.all(
      [mirror.devices.one, mirror.devices.two].map(async (device) => {
        const program = await device.load(KERNELS, { options: '-DNUMBER=1' });
        return { queue: device.queue, scale: program.kernel('scale', ['pointer', 'i32']) };
      }),
    );
    const [one, two] = sides as [(typeof sides)[0], (typeof sides)[0]];
    const buffer = mirror.alloc(4096);
    const words = buffer.view(Int32Array).fill(1);
    assert.throws(() => one.queue.launch(two.scale, { items: 1, args: [buffer, 2] }), {
      code: 'ERR_OUT_OF_RANGE',
    });
    let last = one.queue.launch(one.scale, { items: 1, args: [buffer, -1] });
    for (let i = 0; i < 501; i++) {
      const { queue, scale } = sides[i % 2]!;
      last = queue.launch(scale, { items: 1, args: [buffer, -1], after: last });
    }
    last.wait();
    assert.equal(words[0], 1);
  } finally {
    await mirror.close();
  }
});
