/**
 * The OpenCL device with memory of its driver's own (clSVMAlloc), as for drivers that take no plain pointers. PoCL takes
 * them, so these tests ask for the other way.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MiB, openclDevice, processDevice, SVM, UnsupportedError, wasmDevice } from 'mirrorspace';
import { whyNoDriverMemory } from '../../src/device/opencl/pointer-mode.ts';
import { whatIsThere, whyOutOfReach } from '../../src/mirror/adopted-memory.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';
import { LIST, Node } from '../fixtures/opencl-list.ts';
import { withDevices } from '../fixtures/with-devices.ts';

const skip = { skip: poclMissing() ?? false };
process.env.OCL_ICD_VENDORS = POCL;
const ownMemory = () => openclDevice({ pointers: 'svm-alloc' });

/** The name of the mapping that holds an address, as the kernel has it. */
function mappingAt(address: number): string | undefined {
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const [, start, end, name] = /^([0-9a-f]+)-([0-9a-f]+) (?:\S+ +){4}(.*)$/.exec(line) ?? [];
    if (start && address >= Number.parseInt(start, 16) && address < Number.parseInt(end!, 16)) return name;
  }
  return undefined;
}

describe('memory of the driver', skip, () => {
  test('is no memory of the arena, is zeroed and aligned, and is given back', async () => {
    await withDevices({ opencl: ownMemory() }, async (mirror) => {
      assert.equal(mirror.devices.opencl.pointers, 'svm-alloc');
      for (let i = 0; i < 3; i++) {
        const buffer = mirror.alloc(3 * MiB + 5, { align: 2 * MiB, place: { hint: 2 ** 40 } });
        assert.equal(buffer.address % (2 * MiB), 0);
        const { strategy, guard, hintMissed } = buffer.placement;
        assert.deepEqual([strategy, guard, hintMissed?.hint], ['driver', 0, 2 ** 40]);
        assert.doesNotMatch(mappingAt(buffer.address)!, /memfd/);
        assert.equal(mirror.query(buffer.end - 1)?.buffer, buffer);
        assert.ok(buffer.bytes.every((byte) => byte === 0));
        buffer.bytes.fill(0xff);
        buffer.free();
      }
    });
  });

  test('is reached by kernels through pointers that are stored in another buffer of it', async () => {
    await withDevices({ opencl: ownMemory() }, async (mirror) => {
      const { opencl } = mirror.devices;
      const times = (await opencl.load(LIST)).kernel('times', ['pointer', 'u32']);
      const buffers = Array.from({ length: 5 }, () => mirror.alloc(4096));
      const nodes = buffers.map((buffer) => Node.in(buffer).at(buffer.address));
      for (const [i, node] of nodes.entries()) {
        node.value = i + 1;
        node.next = nodes[i + 1]?.address ?? 0;
      }
      await opencl.queue.launch(times, { items: 1, args: [buffers[0]!, 3] }).done;
      // A kernel that was launched before is told of what came later, and not of what has gone.
      nodes[3]!.next = 0;
      buffers[4]!.free();
      const late = mirror.alloc(4096);
      const node = Node.in(late).at(late.address);
      node.value = 50;
      nodes[3]!.next = node.address;
      await opencl.queue.launch(times, { items: 1, args: [buffers[0]!, 2] }).done;
      assert.deepEqual(
        [...nodes.slice(0, 4), node].map(({ value }) => value),
        [6, 12, 18, 24, 100],
      );
    });
  });

  test('is copied, filled, mapped, and is what a heap is made of', async () => {
    await withDevices({ opencl: ownMemory() }, async (mirror) => {
      const { queue } = mirror.devices.opencl;
      const [a, b] = [mirror.alloc(4096), mirror.alloc(4096, { type: 'coarse' })];
      a.view(Uint32Array).fill(5);
      queue.copy(b, a);
      queue.fill(a, new Uint8Array([1, 2, 3]), { size: 3072 });
      await queue.map(b).done;
      assert.ok(b.view(Uint32Array).every((word) => word === 5));
      assert.deepEqual([...a.bytes.subarray(3068, 3074)], [3, 1, 2, 3, 5, 0]);
      queue.unmap(b);
      await queue.free(b).done;
      const heap = mirror.heap();
      const node = Node.in(heap).create();
      assert.doesNotMatch(mappingAt(node.address)!, /memfd/);
    });
  });

  test('is refused where the wasm device has to reach it, or a process device without system SVM', async () => {
    const devices = {
      opencl: ownMemory(),
      wasm: wasmDevice({ cores: 1 }),
      proc: processDevice({ cores: 1 }),
    };
    await withDevices(devices, async (mirror) => {
      const refused = (names: ('opencl' | 'wasm' | 'proc')[], says: RegExp) =>
        assert.throws(
          () => mirror.alloc(4096, { devices: names }),
          (error: unknown) => {
            assert.ok(error instanceof UnsupportedError);
            assert.match(error.missing, /^memory of the driver of 'opencl'/);
            assert.match(error.message, says);
            return true;
          },
        );
      refused(['opencl', 'wasm'], /clSVMAlloc.*device 'wasm' reaches memory of the mirror only.*devices: \[/);
      refused(['opencl', 'proc'], /device 'proc' reaches memory of the mirror only.*system: 'read'/);
      assert.throws(() => mirror.alloc(4096), UnsupportedError);
      assert.deepEqual(mirror.buffers(), []);
      // The others share the arena as ever.
      const shared = mirror.alloc(4096, { devices: ['wasm', 'proc'] });
      assert.match(mappingAt(shared.address)!, /memfd:mirrorspace/);
      assert.equal(
        mirror.alloc(4096, { access: { wasm: 'none', proc: 'none' } }).placement.strategy,
        'driver',
      );
    });
  });

  test('has no plan, no reservation, no place of choice and no growth', async () => {
    await withDevices({ opencl: ownMemory() }, async (mirror) => {
      for (const attempt of [
        () => mirror.plan(4096),
        () => mirror.reserve(4096),
        () => mirror.alloc(4096, { place: { at: 2 ** 40 } }),
        () => mirror.alloc(4096, { place: { within: [2 ** 40, 2 ** 41] } }),
        () => mirror.alloc(4096, { topdown: true }),
        () => mirror.alloc(4096).grow(8192),
      ])
        assert.throws(attempt, UnsupportedError, attempt.toString());
      assert.throws(() => mirror.alloc(2 ** 52), { code: 'ERR_MIRROR_SYSTEM', errno: 'ENOMEM' });
      const buffer = mirror.alloc(4096);
      buffer.bytes[4095] = 1;
      await mirror.devices.opencl.close();
      assert.throws(() => mirror.alloc(4096), { code: 'ERR_MIRROR_STATE' });
      assert.equal(buffer.bytes[4095], 1);
    });
  });

  test('is refused where a window does not reach it, and is given back then', async () => {
    const window = [2 ** 46, 2 ** 46 + MiB] as const;
    const opencl = openclDevice({ pointers: 'svm-alloc', window });
    await withDevices({ opencl }, async (mirror) => {
      assert.throws(
        () => mirror.alloc(4096),
        /lies at 0x[0-9a-f]+-0x[0-9a-f]+, where device 'opencl' reaches 0x400000000000-0x400000100000 only/,
      );
      assert.deepEqual(mirror.buffers(), []);
    });
  });

  test('is reached by a process device through system SVM: both kernels change one list', async () => {
    const devices = { opencl: ownMemory(), proc: processDevice({ cores: 1, system: 'read' }) };
    await withDevices(devices, async (mirror) => {
      const { opencl, proc } = mirror.devices;
      const source = `
        import { memory } from ${JSON.stringify(import.meta.resolve('mirrorspace/kernel'))};
        import { pointer, struct, u32 } from ${JSON.stringify(import.meta.resolve('mirrorspace/layout'))};
        const Node = struct('Node', { value: u32, get next() { return pointer(Node); } });
        export function add(begin, end, first, more) {
          for (let at = first; at !== 0; ) {
            const node = Node.in(memory).at(at);
            node.value += more;
            at = node.next;
          }
        }`;
      const add = (await proc.load(new TextEncoder().encode(source))).kernel('add', ['pointer', 'u32']);
      const times = (await opencl.load(LIST)).kernel('times', ['pointer', 'u32']);
      const buffers = Array.from({ length: 3 }, () => mirror.alloc(8192));
      // Nodes at the end of one buffer and at the beginning of the next.
      const nodes = buffers.flatMap((buffer) => [
        Node.in(buffer).at(buffer.end - 16),
        Node.in(buffer).at(buffer.address),
      ]);
      for (const [i, node] of nodes.entries()) {
        node.value = i;
        node.next = nodes[i + 1]?.address ?? 0;
      }
      const first = proc.queue.launch(add, { items: 1, args: [nodes[0]!.address, 10] });
      const second = opencl.queue.launch(times, { items: 1, args: [nodes[0]!.address, 2], after: first });
      await proc.queue.launch(add, { items: 1, args: [nodes[0]!.address, 1], after: second }).done;
      assert.deepEqual(
        nodes.map(({ value }) => value),
        nodes.map((_, i) => 2 * (i + 10) + 1),
      );
      const read = mirror.alloc(4096, { access: { proc: 'read' } });
      const node = Node.in(read).at(read.address);
      node.value = 5;
      await assert.rejects(proc.queue.launch(add, { items: 1, args: [read.address, 1] }).done, {
        code: 'ERR_MIRROR_DEVICE_FAULT',
        reason: 'read-only',
      });
      assert.equal(node.value, 5);
    });
  });

  test('is reached by another OpenCL device of plain pointers, and not by one with memory of its own', async () => {
    const devices = { own: ownMemory(), plain: openclDevice(), other: ownMemory() };
    await withDevices(devices, async (mirror) => {
      const { own, plain } = mirror.devices;
      const buffer = mirror.alloc(4096, { devices: ['own', 'plain'] });
      const node = Node.in(buffer).at(buffer.address);
      node.value = 7;
      const [byOwn, byPlain] = await Promise.all(
        [own, plain].map(async (device) => (await device.load(LIST)).kernel('times', ['pointer', 'u32'])),
      );
      const first = own.queue.launch(byOwn!, { items: 1, args: [buffer, 2] });
      await plain.queue.launch(byPlain!, { items: 1, args: [buffer, 3], after: first }).done;
      assert.equal(node.value, 42);
      assert.throws(() => mirror.alloc(4096), /device 'other' takes memory of its own driver only/);
    });
  });

  const run = (what: string) => {
    const program = fileURLToPath(new URL('../fixtures/programs/opencl-svm-memory.mjs', import.meta.url));
    const env = { ...process.env, OCL_ICD_VENDORS: POCL };
    const child = spawnSync(process.execPath, ['--expose-gc', program, what], { encoding: 'utf8', env });
    assert.equal(child.status, 0, child.stderr);
    return JSON.parse(child.stdout) as Record<string, unknown>;
  };

  test('goes back to the driver once no ArrayBuffer is left over it', () => {
    const { early, end } = run('reused') as { early: number; end: number };
    // 56 buffers of 16 MiB came in between.
    assert.ok(end - early < 400 * MiB, `${early} bytes after eight buffers, ${end} after sixty-four`);
  });

  test('stays as it was under a view that was kept, also when the mirror has closed', () => {
    assert.deepEqual(run('kept'), { all: true, length: 16 * MiB });
  });

  test('bad options are refused', () => {
    const open = (pointers: unknown) => () => openclDevice({ pointers: pointers as never });
    assert.throws(open('fast'), { code: 'ERR_OUT_OF_RANGE' });
    for (const bad of [1, null, {}]) assert.throws(open(bad), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

test('a driver that allocates nothing which host and device share is refused with what it lacks', () => {
  const svm = { coarseGrainBuffer: false, fineGrainBuffer: false, fineGrainSystem: true, atomics: false };
  assert.match(whyNoDriverMemory({ svm })!, /CL_DEVICE_SVM_COARSE_GRAIN_BUFFER/);
  assert.equal(whyNoDriverMemory({ svm: { ...svm, fineGrainBuffer: true } }), undefined);
  assert.equal(whyNoDriverMemory({ svm: { ...svm, coarseGrainBuffer: true } }), undefined);
});

test('who reaches memory of another device’s driver is decided by capabilities, and by what is in the way', () => {
  const attached = (more: object, device: object = {}) =>
    ({
      device: { name: 'other', capabilities: 0, window: { start: 0, end: 2 ** 47 }, reserved: [], ...device },
      port: {},
      ...more,
    }) as never;
  assert.equal(whyOutOfReach(attached({ throughHost: true }), 'write'), undefined);
  assert.match(whyOutOfReach(attached({ throughHost: true, memory: {} }), 'read')!, /its own driver only/);
  assert.match(whyOutOfReach(attached({}), 'read')!, /SYSTEM_ALLOCATED/);
  const system = { systemCapabilities: SVM.SYSTEM_ALLOCATED };
  assert.equal(whyOutOfReach(attached({}, system), 'read'), undefined);
  assert.match(whyOutOfReach(attached({}, system), 'write')!, /access 'read'/);
  assert.equal(whyOutOfReach(attached({ port: { pinned: () => () => {} } }, system), 'write'), undefined);
  const range = { start: 0x2000, end: 0x3000 };
  assert.equal(whatIsThere(attached({}), range), undefined);
  assert.match(
    whatIsThere(attached({}, { window: { start: 0x2001, end: 0x9000 } }), range)!,
    /0x2001-0x9000/,
  );
  assert.match(whatIsThere(attached({}, { window: { start: 0, end: 0x2fff } }), range)!, /reaches/);
  const reserved = (start: number, end: number) =>
    whatIsThere(attached({}, { reserved: [{ start, end, name: 'heap' }] }), range);
  assert.match(reserved(0x2fff, 0x4000)!, /keeps 0x2fff-0x4000 for itself \(heap\)/);
  assert.equal(reserved(0x1000, 0x2000), undefined);
  assert.equal(reserved(0x3000, 0x4000), undefined);
});
