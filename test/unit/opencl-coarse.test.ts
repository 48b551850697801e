/**
 * The OpenCL device on a driver that has coarse-grained memory alone: PoCL behind a layer (fixtures/coarse-opencl.ts) in
 * which the host finds 0xdd where it has not mapped, and kernels where they were not told.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DependencyError,
  MiB,
  openclDevice,
  openMirror,
  processDevice,
  SVM,
  UnsupportedError,
} from 'mirrorspace';
import { maskOpenCl } from '../fixtures/coarse-opencl.ts';
import { LIST, Node } from '../fixtures/opencl-list.ts';
import { withDevices } from '../fixtures/with-devices.ts';

const skip = { skip: maskOpenCl() ?? false };
const LOST = 0xdddddddd;

const SOURCE = `${LIST}
kernel void add(global uint *words, uint more) { words[get_global_id(0)] += more; }`;

const coarse = { type: 'coarse' } as const;

describe('coarse-grained memory of the driver', skip, () => {
  test('is zeroed, is the host’s between map and unmap, and nowhere else', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { opencl } = mirror.devices;
      const { queue } = opencl;
      assert.equal(opencl.pointers, 'svm-alloc');
      assert.equal(opencl.info.svm.fineGrainBuffer, false);
      assert.equal(opencl.capabilities & (SVM.HOST_READ | SVM.HOST_WRITE | SVM.CONCURRENT_ACCESS), 0);
      const add = (await opencl.load(SOURCE)).kernel('add', ['pointer', 'u32']);
      const buffer = mirror.alloc(3 * MiB, { ...coarse, align: 2 * MiB });
      assert.equal(buffer.address % (2 * MiB), 0);
      assert.throws(() => buffer.bytes, { code: 'ERR_MIRROR_STATE', state: 'unmapped' });
      await queue.map(buffer).done;
      const words = buffer.view(Uint32Array);
      assert.ok(words.every((word) => word === 0));
      words[7] = 40;
      assert.throws(() => queue.launch(add, { items: 1, args: [buffer, 1] }), { state: 'mapped' });
      await queue.unmap(buffer).done;
      // It is really gone: what follows is no check of calls but of memory.
      assert.equal(words[7], LOST);
      words[7] = 1;
      queue.launch(add, { items: words.length, args: [buffer, 2] }).wait();
      assert.equal(words[7], LOST);
      queue.map(buffer).wait();
      assert.deepEqual([words[6], words[7], words.at(-1)], [2, 42, 2]);
      queue.unmap(buffer).wait();
    });
  });

  test('is mapped in parts, for reading too, and several times', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { queue } = mirror.devices.opencl;
      const buffer = mirror.alloc(8192, coarse);
      await queue.map(buffer, { offset: 4096, size: 64 }).done;
      const part = buffer.view(Uint32Array, 4096, 16);
      part.fill(5);
      assert.throws(() => buffer.view(Uint32Array, 0, 16), { state: 'unmapped' });
      await queue.unmap(buffer, { offset: 4096, size: 64 }).done;
      await queue.map(buffer, { access: 'read' }).done;
      await queue.map(buffer, { access: 'read', offset: 4096, size: 64 }).done;
      const words = buffer.view(Uint32Array);
      assert.deepEqual([...words.subarray(1023, 1042)], [0, ...Array(16).fill(5), 0, 0]);
      // What is stored under a mapping for reading reaches nobody.
      words[1024] = 77;
      // All of them at once.
      await queue.unmap(buffer).done;
      assert.equal(words[1024], LOST);
      assert.throws(() => queue.unmap(buffer), { state: 'unmapped' });
      await queue.map(buffer, { access: 'write', offset: 4096, size: 8 }).done;
      words[1025] = 6;
      await queue.unmap(buffer).done;
      await queue.map(buffer).done;
      assert.deepEqual([...words.subarray(1023, 1027)], [0, 5, 6, 5]);
    });
  });

  test('holds pointers to buffers that kernels are not given', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { opencl } = mirror.devices;
      const { queue } = opencl;
      const times = (await opencl.load(SOURCE)).kernel('times', ['pointer', 'u32']);
      const buffers = Array.from({ length: 4 }, () => mirror.alloc(4096, coarse));
      const mapped = async (body: () => void) => {
        await Promise.all(buffers.map((buffer) => queue.map(buffer).done));
        body();
        await Promise.all(buffers.map((buffer) => queue.unmap(buffer).done));
      };
      const nodes = () => buffers.map((buffer) => Node.in(buffer).at(buffer.address));
      await mapped(() => {
        for (const [i, node] of nodes().entries()) {
          node.value = i + 1;
          node.next = buffers[i + 1]?.address ?? 0;
        }
      });
      await queue.launch(times, { items: 1, args: [buffers[0]!, 3] }).done;
      await mapped(() =>
        assert.deepEqual(
          nodes().map(({ value }) => value),
          [3, 6, 9, 12],
        ),
      );
    });
  });

  test('is filled and copied by the driver, from and to memory of the host as well', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { queue } = mirror.devices.opencl;
      const [a, b] = [mirror.alloc(4096, coarse), mirror.alloc(4096, coarse)];
      queue.fill(a, new Uint8Array([1, 2, 3]), { size: 3072 });
      queue.copy(b.address + 8, a.address, 1024);
      const out = new Uint8Array(16);
      queue.copy(b, new Uint8Array([9, 8, 7, 6]), { size: 4 });
      await queue.copy(out, b, { size: 16 }).done;
      assert.deepEqual([...out], [9, 8, 7, 6, 0, 0, 0, 0, 1, 2, 3, 1, 2, 3, 1, 2]);
      await queue.migrate([a, b], { to: 'host' }).done;
      await queue.free([a, b]).done;
    });
  });

  test('a map that never came needs no unmap of the driver’s', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { queue } = mirror.devices.opencl;
      const buffer = mirror.alloc(4096, coarse);
      const gate = mirror.createEvent();
      const map = queue.map(buffer, { after: gate });
      const unmap = queue.unmap(buffer);
      gate.fail(new Error('it was called off'));
      await assert.rejects(map.done, DependencyError);
      await unmap.done;
      await queue.map(buffer).done;
      assert.equal(buffer.bytes[0], 0);
    });
  });

  test('an unmap on another queue that comes before its map leaves nothing mapped', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { queue } = mirror.devices.opencl;
      const other = mirror.devices.opencl.createQueue();
      const buffer = mirror.alloc(4096, coarse);
      await queue.map(buffer).done;
      const words = buffer.view(Uint32Array);
      words[0] = 3;
      await queue.unmap(buffer).done;
      const gate = mirror.createEvent();
      const map = queue.map(buffer, { after: gate });
      await other.unmap(buffer).done;
      gate.complete();
      await map.done;
      assert.equal(words[0], LOST);
      assert.throws(() => buffer.bytes, { state: 'unmapped' });
      await queue.map(buffer).done;
      assert.equal(words[0], 3);
    });
  });

  test('passes between queues in and out of order by what they wait for', async () => {
    await withDevices({ opencl: openclDevice() }, async (mirror) => {
      const { opencl } = mirror.devices;
      const add = (await opencl.load(SOURCE)).kernel('add', ['pointer', 'u32']);
      const [one, two] = [opencl.queue, opencl.createQueue({ order: 'out' })];
      const buffer = mirror.alloc(4096, coarse);
      for (let round = 0; round < 20; round++) {
        await two.map(buffer).done;
        const words = buffer.view(Uint32Array);
        assert.ok(
          words.every((word) => word === 3 * round),
          String(round),
        );
        words.forEach((word, i) => {
          words[i] = word + 1;
        });
        const unmapped = two.unmap(buffer);
        const launched = one.launch(add, { items: words.length, args: [buffer, 2], after: unmapped });
        await launched.done;
      }
    });
  });

  test('fine buffers, heaps, places of choice and other devices are refused with the reason', async () => {
    const devices = { opencl: openclDevice(), proc: processDevice({ cores: 1, system: 'read' }) };
    await withDevices(devices, async (mirror) => {
      assert.throws(
        () => mirror.alloc(4096, { devices: ['opencl'] }),
        /'opencl' does not offer buffers of type 'fine' \(it lacks HOST_READ, HOST_WRITE/,
      );
      assert.throws(() => mirror.heap({ devices: ['opencl'] }), UnsupportedError);
      assert.throws(
        () => mirror.alloc(4096, coarse),
        /coarse-grained: device 'proc' would not see what it holds/,
      );
      const own = { ...coarse, devices: ['opencl'] } as const;
      assert.throws(() => mirror.alloc(4096, { ...own, place: { at: 2 ** 40 } }), UnsupportedError);
      assert.deepEqual(mirror.buffers(), []);
      assert.equal(mirror.alloc(4096, own).placement.strategy, 'driver');
      // The process device and the host have the arena as ever.
      assert.equal(mirror.alloc(4096, { devices: ['proc'] }).bytes[0], 0);
    });
    const plain = openMirror({ devices: { opencl: openclDevice({ pointers: 'plain' }) } });
    await assert.rejects(plain, /does not take pointers to addresses of our choice.*CL_INVALID_ARG_VALUE/);
  });

  test('may be freed, and its device and mirror closed, while the host has it', async () => {
    for (const end of ['free', 'device', 'mirror'] as const)
      await withDevices({ opencl: openclDevice() }, async (mirror) => {
        const { opencl } = mirror.devices;
        const buffer = mirror.alloc(4096, coarse);
        await opencl.queue.map(buffer).done;
        const view = buffer.view(Uint32Array);
        view[0] = 5;
        if (end === 'free') buffer.free();
        else if (end === 'device') {
          await opencl.close();
          assert.equal(view[0], 5);
          assert.throws(() => opencl.queue.unmap(buffer), { state: 'closed' });
          assert.throws(() => mirror.alloc(4096, coarse), { state: 'closed' });
        }
      });
  });
});
