/**
 * What a kernel should not do: each is a typed error that rejects that launch alone; the host's memory is as it was
 * but for what the kernel was entitled to write, and the next launch works.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Command, DeviceFault, MiB } from 'mirrorspace';
import { type TestMirror, withMirror } from '../fixtures/with-mirror.ts';

async function faultOf(command: Command): Promise<DeviceFault> {
  try {
    await command.done;
  } catch (error) {
    assert.ok(error instanceof DeviceFault, `a DeviceFault, not ${String(error)}`);
    assert.equal(error.code, 'ERR_MIRROR_DEVICE_FAULT');
    return error;
  }
  assert.fail('the launch was not rejected');
}

/** The device still runs kernels, all cores of it. */
async function assertWorks({ mirror, wasm, program }: TestMirror): Promise<void> {
  const out = mirror.alloc(400 * 4);
  await wasm.queue.launch(program.kernel('tableSum', ['pointer']), { items: 400, chunk: 1, args: [out] })
    .done;
  assert.deepEqual(
    [...out.view(Int32Array)],
    Array.from({ length: 400 }, (_, i) => 77 + i),
  );
  out.free();
}

const WILD = 0xe0000000;

describe('faults', () => {
  it('rejects a wild load with address, access, kernel, core and the nearest buffer', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const tree = mirror.alloc(8192, { name: 'tree' });
      const out = mirror.alloc(4096, { name: 'out', place: { at: tree.address + 64 * MiB } });
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      const fault = await faultOf(wasm.queue.launch(load, { items: 1, args: [tree.end + 16, out] }));
      assert.equal(fault.address, tree.end + 16);
      assert.equal(fault.access, 'read');
      assert.equal(fault.reason, 'unmapped');
      assert.equal(fault.kernel, 'loadAt');
      assert.equal(fault.device, 'wasm');
      assert.ok(fault.core === 0 || fault.core === 1);
      assert.equal(fault.nearest?.name, 'tree');
      assert.match(fault.message, /16 bytes past `tree`/);
      assert.equal(wasm.counters().wildFaults, 1);
      await assertWorks(on);
    }));

  it('rejects a wild store, and nothing appears in a buffer that is later placed there', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const fault = await faultOf(wasm.queue.launch(store, { items: 1, args: [WILD + 8, -1] }));
      assert.equal(fault.access, 'write');
      assert.equal(fault.address, WILD + 8);
      const there = mirror.alloc(4096, { place: { at: WILD } });
      const out = mirror.alloc(4096);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await wasm.queue.launch(load, { items: 1, args: [WILD + 8, out] }).done;
      assert.equal(out.view(Int32Array)[0], 0);
      assert.ok(there.bytes.every((byte) => byte === 0));
      await assertWorks(on);
    }));

  it('rejects a wild atomic, which would kill a process that only relies on V8', () =>
    withMirror(async (on) => {
      const atomic = on.program.kernel('atomicAt', ['pointer']);
      const fault = await faultOf(on.wasm.queue.launch(atomic, { items: 1, args: [WILD] }));
      assert.equal(fault.address, WILD);
      await assertWorks(on);
    }));

  it('rejects a wild memory.fill', () =>
    withMirror(async (on) => {
      const fill = on.program.kernel('fillAt', ['pointer', 'u32']);
      const fault = await faultOf(on.wasm.queue.launch(fill, { items: 1, args: [WILD, 64] }));
      assert.equal(fault.access, 'write');
      await assertWorks(on);
    }));

  it('calls a null pointer by its name', () =>
    withMirror(async (on) => {
      const store = on.program.kernel('storeAt', ['pointer', 'i32']);
      const fault = await faultOf(on.wasm.queue.launch(store, { items: 1, args: [0, 1] }));
      assert.equal(fault.address, 0);
      assert.match(fault.message, /null pointer/);
      await assertWorks(on);
    }));

  it('names the freed buffer that a kernel still uses', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const gone = mirror.alloc(4096, { name: 'gone' });
      const out = mirror.alloc(4096);
      gone.view(Int32Array)[4] = 5;
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await wasm.queue.launch(load, { items: 1, args: [gone.address + 16, out] }).done;
      assert.equal(out.view(Int32Array)[0], 5);
      gone.free();
      const fault = await faultOf(wasm.queue.launch(load, { items: 1, args: [gone.address + 16, out] }));
      assert.match(fault.message, /16 bytes into `gone`, which was freed/);
      assert.equal(fault.nearest?.freed, true);
      await assertWorks(on);
    }));

  it('faults on the guard page behind a buffer instead of reaching the next one', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const first = mirror.alloc(4096, { name: 'first' });
      const second = mirror.alloc(4096, { name: 'second' });
      const fill = program.kernel('fillAt', ['pointer', 'u32']);
      const fault = await faultOf(wasm.queue.launch(fill, { items: 1, args: [first, 16384] }));
      assert.equal(fault.address, first.end);
      assert.ok(first.bytes.every((byte) => byte === 1));
      assert.ok(second.address >= first.end + 4096);
      await assertWorks(on);
    }));

  it('refuses stores to a buffer that the device may only read, and leaves it as it was', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const constant = mirror.alloc(4096, { name: 'constant', access: { wasm: 'read' } });
      const out = mirror.alloc(4096);
      constant.view(Int32Array).fill(17);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      await wasm.queue.launch(load, { items: 1, args: [constant, out] }).done;
      assert.equal(out.view(Int32Array)[0], 17);
      for (let round = 0; round < 2; round++) {
        const fault = await faultOf(wasm.queue.launch(store, { items: 1, args: [constant, 1] }));
        assert.equal(fault.reason, 'read-only');
        assert.match(fault.message, /read-only for this device/);
        assert.ok(constant.view(Int32Array).every((word) => word === 17));
      }
      // A page that neither side has touched yet.
      const untouched = mirror.alloc(4096, { access: { wasm: 'read' } });
      const fault = await faultOf(wasm.queue.launch(store, { items: 1, args: [untouched, 1] }));
      assert.equal(fault.reason, 'read-only');
      assert.ok(untouched.bytes.every((byte) => byte === 0));
      await assertWorks(on);
    }));

  it('keeps a buffer that is not for this device out of its reach', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const secret = mirror.alloc(4096, { name: 'secret', devices: [], place: { at: 0x50000000 } });
      secret.view(Int32Array).fill(0x5ec2e7);
      const out = mirror.alloc(4096);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      const fault = await faultOf(wasm.queue.launch(load, { items: 1, args: [secret.address, out] }));
      assert.equal(fault.reason, 'unmapped');
      assert.equal(out.view(Int32Array)[0], 0);
      await assertWorks(on);
    }));

  it('reports a trap and a division by zero in their own words', () =>
    withMirror(async (on) => {
      const { mirror, wasm, program } = on;
      const out = mirror.alloc(4096);
      const trapped = await faultOf(wasm.queue.launch(program.kernel('trap', []), { items: 1, args: [] }));
      assert.equal(trapped.reason, 'trap');
      assert.match(trapped.message, /unreachable/);
      const divide = program.kernel('divide', ['i32', 'i32', 'pointer']);
      const divided = await faultOf(wasm.queue.launch(divide, { items: 1, args: [1, 0, out] }));
      assert.match(divided.message, /divide by zero/);
      assert.equal(wasm.counters().coreRestarts, 0, 'a trap costs no core');
      await assertWorks(on);
    }));

  it('rejects only the launch that faulted: those before and behind it in the queue run', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const out = mirror.alloc(4096);
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const before = wasm.queue.launch(store, { items: 1, args: [out.address, 1] });
      const wild = wasm.queue.launch(store, { items: 1, args: [WILD, 1] });
      const behind = wasm.queue.launch(store, { items: 1, args: [out.address + 4, 2] });
      await before.done;
      await faultOf(wild);
      await behind.done;
      assert.deepEqual([...out.view(Int32Array).subarray(0, 2)], [1, 2]);
    }));

  it('rejects a launch all of whose cores fault at once', () =>
    withMirror(async (on) => {
      const atomic = on.program.kernel('atomicAt', ['pointer']);
      for (let round = 0; round < 3; round++) {
        await faultOf(on.wasm.queue.launch(atomic, { items: 64, chunk: 1, args: [WILD + round * MiB] }));
      }
      await assertWorks(on);
    }));

  it('tells a blocking wait of the fault too', () =>
    withMirror(async (on) => {
      const store = on.program.kernel('storeAt', ['pointer', 'i32']);
      const command = on.wasm.queue.launch(store, { items: 1, args: [WILD, 1] });
      assert.throws(() => command.wait(), DeviceFault);
      assert.equal(command.status, 'failed');
      await assertWorks(on);
    }));

  it('rejects finish() with a failure that nobody looked at, once', () =>
    withMirror(async ({ wasm, program }) => {
      wasm.queue.launch(program.kernel('trap', []), { items: 1, args: [] });
      await assert.rejects(wasm.queue.finish(), DeviceFault);
      await wasm.queue.finish();
    }));
});
