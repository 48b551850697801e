/**
 * The OpenCL device on PoCL beyond what the conformance suite asks of every device: OpenCL's own options, what is refused,
 * how commands end without the event loop being blocked, and commands that wait for those of other devices.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  capabilityNames,
  DeviceLost,
  MiB,
  openclDevice,
  openMirror,
  ProgramError,
  processDevice,
  UnsupportedError,
  wasmDevice,
} from 'mirrorspace';
import { conformancePrograms, KERNELS as SUITE } from 'mirrorspace/device/conformance';
import { POCL, poclMissing } from '../fixtures/opencl.ts';
import { withOpenCl } from '../fixtures/with-opencl.ts';

/** Each test for itself, so that all are counted. */
const skip = { skip: poclMissing() ?? false };
const openclSuite = new URL('../fixtures/opencl/conformance.cl', import.meta.url);

describe('the OpenCL device', () => {
  test('has seen each of its capabilities in a probe, and what its driver says beside it', skip, async () => {
    await withOpenCl(async ({ opencl }) => {
      const names = capabilityNames(opencl.capabilities);
      for (const name of ['SINGLE_ADDRESS_SPACE', 'INDIRECT_ACCESS', 'CONCURRENT_ATOMIC_ACCESS'] as const)
        assert.ok(names.includes(name), name);
      // Debian's PoCL does not advertise what the probe finds: that plain pointers work.
      assert.equal(opencl.info.type, 'cpu');
      assert.equal(opencl.kind, 'opencl');
    });
  });

  test(
    'reaches arena memory at both ends of its window, where its kernels store what the host reads',
    skip,
    async () => {
      await withOpenCl(async ({ mirror, opencl, program }) => {
        const scale = program.kernel('scale', ['pointer', 'i32']);
        for (const topdown of [false, true]) {
          const buffer = mirror.alloc(4 * MiB, { topdown });
          const words = buffer.view(Int32Array);
          for (let i = 0; i < words.length; i++) words[i] = i;
          await opencl.queue.launch(scale, { items: words.length, args: [buffer, 3] }).done;
          assert.ok(words.every((word, i) => word === 3 * i));
          buffer.free();
        }
      });
    },
  );

  test(
    'an ND-range has the dimensions of items, the first of them dimension 0, and work-groups of local',
    skip,
    async () => {
      await withOpenCl(async ({ mirror, opencl, program }) => {
        const buffer = mirror.alloc(4096);
        const out = buffer.view(Int32Array);
        await opencl.queue.launch(program.kernel('place', ['pointer']), { items: [4, 3, 2], args: [buffer] })
          .done;
        for (let z = 0; z < 2; z++)
          for (let y = 0; y < 3; y++)
            for (let x = 0; x < 4; x++) assert.equal(out[x + 4 * y + 12 * z], x + 10 * y + 100 * z);
        const groups = program.kernel('groups', ['pointer']);
        await opencl.queue.launch(groups, { items: 24, args: [buffer], local: 8 }).done;
        assert.deepEqual([...out.subarray(0, 24)], Array(24).fill(8));
        const bad = { code: 'ERR_OUT_OF_RANGE' };
        for (const local of [7, 0, -1, 1.5, [8, 1], 1_000_000] as never[])
          assert.throws(
            () => opencl.queue.launch(groups, { items: 24, args: [buffer], local }),
            bad,
            String(local),
          );
        assert.throws(() => opencl.queue.launch(groups, { items: 24, args: [buffer], local: '8' as never }), {
          code: 'ERR_INVALID_ARG_TYPE',
        });
      });
    },
  );

  test('refuses what OpenCL has nothing for: chunks, stopping a command', skip, async () => {
    await withOpenCl(async ({ mirror, opencl, program }) => {
      const buffer = mirror.alloc(4096);
      const groups = program.kernel('groups', ['pointer']);
      const refused = (more: object) =>
        assert.throws(
          () => opencl.queue.launch(groups, { items: 1, args: [buffer], ...more }),
          UnsupportedError,
        );
      refused({ chunk: 4 });
      refused({ timeout: 1000 });
      refused({ signal: new AbortController().signal });
      assert.throws(() => opencl.queue.fill(buffer, 0, { timeout: 5 }), UnsupportedError);
      assert.equal(opencl.counters().launches, 0);
      await opencl.queue.finish();
    });
  });

  test(
    'a program that does not compile is refused with the line of its source and the build log',
    skip,
    async () => {
      await withOpenCl(async ({ opencl }) => {
        await assert.rejects(
          opencl.load('kernel void a(global int *p) {\n  p[0] = nonsense;\n}'),
          (error: unknown) => {
            assert.ok(error instanceof ProgramError);
            assert.equal(error.reason, 'compile');
            assert.match(error.message, /line 2: .*nonsense.*\n {2}p\[0\] = nonsense;\nbuild log:/);
            return true;
          },
        );
        await assert.rejects(opencl.load('int helper() { return 1; }'), { reason: 'no-kernels' });
        await assert.rejects(opencl.load(new URL('file:///nowhere.cl')), { reason: 'not-found' });
        await assert.rejects(opencl.load(7 as never), { code: 'ERR_INVALID_ARG_TYPE' });
        await assert.rejects(opencl.load('kernel void a() {}', { options: 7 as never }), {
          code: 'ERR_INVALID_ARG_TYPE',
        });
        const bytes = await opencl.load(new TextEncoder().encode('kernel void from_bytes() {}'));
        assert.deepEqual(bytes.kernels, ['from_bytes']);
      });
    },
  );

  test('build options reach the compiler', skip, async () => {
    await withOpenCl(async ({ mirror, opencl, program }) => {
      const buffer = mirror.alloc(64);
      await opencl.queue.launch(program.kernel('number', ['pointer']), { items: 1, args: [buffer] }).done;
      assert.equal(buffer.view(Int32Array)[0], 42);
    });
  });

  test('the event loop goes on while a kernel runs', skip, async () => {
    await withOpenCl(async ({ mirror, opencl, program }) => {
      const flag = mirror.alloc(64);
      const word = flag.view(Int32Array);
      const command = opencl.queue.launch(program.kernel('await_word', ['pointer', 'i32']), {
        items: 1,
        args: [flag, 1],
      });
      let turns = 0;
      // The kernel ends only because timers run here.
      const timer = setInterval(() => {
        if (++turns === 20) Atomics.store(word, 0, 1);
      }, 1);
      await command.done;
      clearInterval(timer);
      assert.ok(turns >= 20);
    });
  });

  test(
    'a blocking wait for a command ends, though others before it have ended and nobody was told',
    skip,
    async () => {
      await withOpenCl(async ({ mirror, opencl, program }) => {
        const buffer = mirror.alloc(64);
        buffer.view(Int32Array)[0] = 1;
        const scale = program.kernel('scale', ['pointer', 'i32']);
        const commands = Array.from({ length: 10 }, () =>
          opencl.queue.launch(scale, { items: 1, args: [buffer, 2] }),
        );
        commands[9]!.wait();
        assert.equal(buffer.view(Int32Array)[0], 1024);
        for (const { status } of commands) assert.equal(status, 'complete');
      });
    },
  );

  test('a queue out of order runs what waits for nobody, and keeps to after', skip, async () => {
    await withOpenCl(async ({ mirror, opencl, program }) => {
      const [flag, data] = [mirror.alloc(64), mirror.alloc(64)];
      data.view(Int32Array)[0] = 5;
      const queue = opencl.createQueue({ order: 'out' });
      const wait = program.kernel('await_word', ['pointer', 'i32']);
      const scale = program.kernel('scale', ['pointer', 'i32']);
      const event = mirror.createEvent();
      const held = queue.launch(scale, { items: 1, args: [data, 7], after: event });
      const running = queue.launch(wait, { items: 1, args: [flag, 1], after: held });
      await queue.launch(scale, { items: 1, args: [data, 2] }).done;
      assert.equal(held.status, 'queued');
      assert.equal(data.view(Int32Array)[0], 10);
      event.complete();
      await held.done;
      assert.equal(data.view(Int32Array)[0], 70);
      Atomics.store(flag.view(Int32Array), 0, 1);
      await running.done;
    });
  });

  test('a coarse buffer passes between host and kernels, and is freed by a command', skip, async () => {
    await withOpenCl(async ({ mirror, opencl, program }) => {
      const { queue } = opencl;
      const buffer = mirror.alloc(4096, { type: 'coarse' });
      const scale = program.kernel('scale', ['pointer', 'i32']);
      await queue.map(buffer).done;
      buffer.view(Int32Array).fill(4);
      assert.throws(() => queue.launch(scale, { items: 1, args: [buffer, 2] }), { code: 'ERR_MIRROR_STATE' });
      queue.unmap(buffer);
      queue.migrate(buffer);
      queue.launch(scale, { items: 1024, args: [buffer, 3] });
      await queue.map(buffer).done;
      assert.ok(buffer.view(Int32Array).every((word) => word === 12));
      queue.unmap(buffer);
      await queue.free(buffer).done;
      assert.equal(buffer.freed, true);
    });
  });

  test(
    'closing sees the driver to its end, fails what has not begun, and refuses what comes later',
    skip,
    async () => {
      await withOpenCl(async ({ mirror, opencl, program }) => {
        const flag = mirror.alloc(64);
        const word = flag.view(Int32Array);
        const kernel = program.kernel('await_word', ['pointer', 'i32']);
        const running = opencl.queue.launch(kernel, { items: 1, args: [flag, 1] });
        const never = opencl.queue.launch(kernel, { items: 1, args: [flag, 1], after: mirror.createEvent() });
        const closed = opencl.close();
        assert.throws(() => opencl.queue.launch(kernel, { items: 1, args: [flag, 1] }), {
          code: 'ERR_MIRROR_STATE',
        });
        assert.throws(() => opencl.createQueue(), { code: 'ERR_MIRROR_STATE' });
        await assert.rejects(opencl.load('kernel void a() {}'), { code: 'ERR_MIRROR_STATE' });
        await assert.rejects(opencl.reopen(), { code: 'ERR_MIRROR_STATE' });
        assert.equal(running.status, 'submitted');
        Atomics.store(word, 0, 1);
        await assert.rejects(never.done, DeviceLost);
        await closed;
        await opencl.close();
        await running.done;
      });
    },
  );

  test(
    'a device that is not there is refused with what there is, and leaves nothing behind',
    skip,
    async () => {
      process.env.OCL_ICD_VENDORS = POCL;
      const open = (options: object) => openMirror({ devices: { opencl: openclDevice(options) } });
      await assert.rejects(open({ platform: 'no such platform' }), (error: unknown) => {
        assert.ok(error instanceof UnsupportedError);
        assert.match(error.message, /Portable Computing Language/);
        return true;
      });
      await assert.rejects(open({ device: 9 }), UnsupportedError);
      for (const bad of [{ device: -1 }, { window: [0, 4096] }])
        assert.throws(() => openclDevice(bad as never), { code: 'ERR_OUT_OF_RANGE' });
      const mirror = await open({ platform: 'portable computing', device: 0, window: [2 ** 36, 2 ** 37] });
      const { address } = mirror.alloc(4096);
      assert.ok(address >= 2 ** 36 && address < 2 ** 37);
      await mirror.close();
    },
  );
});

test(
  'a wasm kernel, then an OpenCL kernel, then a process kernel, over one structure, chained by after',
  skip,
  async () => {
    process.env.OCL_ICD_VENDORS = POCL;
    const mirror = await openMirror({
      devices: { wasm: wasmDevice({ cores: 1 }), opencl: openclDevice(), proc: processDevice({ cores: 1 }) },
    });
    try {
      const { wasm, opencl, proc } = mirror.devices;
      const programs = {
        wasm: await wasm.load(conformancePrograms.webAssembly),
        opencl: await opencl.load(openclSuite),
        proc: await proc.load(conformancePrograms.process),
      };
      const [lists, length] = [8, 50];
      const nodes = 16 * lists * length;
      const [heads, even, odd] = [mirror.alloc(8 * lists), mirror.alloc(nodes), mirror.alloc(nodes)];
      const [allocated, errors, start] = [mirror.alloc(64), mirror.alloc(64), mirror.createEvent()];
      const build = wasm.queue.launch(programs.wasm.kernel('createLinkedLists', SUITE.createLinkedLists), {
        items: lists,
        args: [heads, even, odd, allocated, length],
        after: start,
      });
      const verify = opencl.queue.launch(
        programs.opencl.kernel('verifyLinkedLists', SUITE.verifyLinkedLists),
        {
          items: lists,
          args: [heads, length, errors],
          after: build,
        },
      );
      // What the OpenCL kernel has counted is counted on by the process: 0 until it has ended.
      const again = proc.queue.launch(programs.proc.kernel('verifyLinkedLists', SUITE.verifyLinkedLists), {
        items: lists,
        args: [heads, length + 1, errors],
        after: verify,
      });
      assert.deepEqual([build.status, verify.status, again.status], ['queued', 'queued', 'queued']);
      start.complete();
      await again.done;
      assert.equal(allocated.view(Int32Array)[0], lists * length);
      // The lists are right for the OpenCL kernel, and each too short for the process kernel's question.
      assert.equal(errors.view(Int32Array)[0], lists);
      assert.ok(
        build.times.finished! <= verify.times.started!,
        'the OpenCL kernel began after the wasm kernel',
      );
      assert.ok(
        verify.times.finished! <= again.times.started!,
        'the process kernel began after the OpenCL kernel',
      );
      // A blocking wait moves commands of all devices along.
      const flagged = wasm.queue.launch(programs.wasm.kernel('increment', SUITE.increment), {
        items: 10,
        args: [allocated],
      });
      opencl.queue
        .launch(programs.opencl.kernel('increment', SUITE.increment), {
          items: 10,
          args: [allocated],
          after: flagged,
        })
        .wait();
      assert.equal(allocated.view(Int32Array)[0], lists * length + 20);
    } finally {
      await mirror.close();
    }
  },
);
