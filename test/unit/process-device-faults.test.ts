/**
 * What a JavaScript kernel should not do: each is a typed error that rejects that launch alone; host memory is as it was,
 * and the next launch works.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Command, DeviceFault, DeviceLost, GiB, MiB } from 'mirrorspace';
import { eventually, isRunning } from '../fixtures/proc.ts';
import { type ProcessMirror, withProcess } from '../fixtures/with-process.ts';

async function faultOf(command: Command): Promise<DeviceFault> {
  try {
    await command.done;
  } catch (error) {
    assert.ok(error instanceof DeviceFault, `a DeviceFault, not ${String(error)}`);
    return error;
  }
  assert.fail('the launch was not rejected');
}

/** The device still runs kernels. */
async function assertWorks({ mirror, proc, program }: ProcessMirror): Promise<void> {
  const counter = mirror.alloc(4);
  const increment = program.kernel('increment', ['pointer']);
  await proc.queue.launch(increment, { items: 400, chunk: 1, args: [counter] }).done;
  assert.equal(counter.view(Int32Array)[0], 400);
  counter.free();
}

/** Far from every buffer here, and from what a process has for itself. */
const WILD = 0x3_0000_0000;

describe('faults of a JavaScript kernel', () => {
  it('names address, access, kernel, core and the nearest buffer of a wild load', () =>
    withProcess(async (on) => {
      const { mirror, proc, program } = on;
      const tree = mirror.alloc(8192, { name: 'tree', place: { hint: WILD } });
      const out = mirror.alloc(4096, { name: 'out', place: { hint: tree.address + 64 * MiB } });
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      const fault = await faultOf(proc.queue.launch(load, { items: 1, args: [tree.end + 16, out] }));
      assert.equal(fault.address, tree.end + 16);
      assert.equal(fault.access, 'read');
      assert.equal(fault.reason, 'unmapped');
      assert.equal(fault.kernel, 'loadAt');
      assert.equal(fault.device, 'proc');
      assert.ok(fault.core === 0 || fault.core === 1);
      assert.match(fault.message, /16 bytes past `tree`/);
      assert.equal(proc.counters().wildFaults, 1);
      assert.equal(proc.counters().reopens, 0);
      await assertWorks(on);
    }));

  it('lets nothing of a wild store appear in a buffer that comes to lie there', () =>
    withProcess(async (on) => {
      const { mirror, proc, program } = on;
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const fault = await faultOf(proc.queue.launch(store, { items: 1, args: [WILD + 8, -1] }));
      assert.equal(fault.access, 'write');
      assert.equal(fault.address, WILD + 8);
      const there = mirror.alloc(4096, { place: { at: WILD } });
      const out = mirror.alloc(4096);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await proc.queue.launch(load, { items: 1, args: [WILD + 8, out] }).done;
      assert.equal(out.view(Int32Array)[0], 0);
      assert.ok(there.bytes.every((byte) => byte === 0));
      await assertWorks(on);
    }));

  it('recovers from wild atomics and wild bulk stores', () =>
    withProcess(async (on) => {
      const { proc, program } = on;
      const atomic = program.kernel('atomicAt', ['pointer']);
      assert.equal((await faultOf(proc.queue.launch(atomic, { items: 1, args: [WILD] }))).address, WILD);
      const fill = program.kernel('fillAt', ['pointer', 'u32']);
      const fault = await faultOf(proc.queue.launch(fill, { items: 1, args: [WILD + MiB, 10_000] }));
      assert.equal(fault.access, 'write');
      await assertWorks(on);
    }));

  it('names the freed buffer that a kernel still uses', () =>
    withProcess(async (on) => {
      const { mirror, proc, program } = on;
      const gone = mirror.alloc(4096, { name: 'gone' });
      const out = mirror.alloc(4096);
      gone.view(Int32Array)[4] = 5;
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await proc.queue.launch(load, { items: 1, args: [gone.address + 16, out] }).done;
      assert.equal(out.view(Int32Array)[0], 5);
      gone.free();
      const fault = await faultOf(proc.queue.launch(load, { items: 1, args: [gone.address + 16, out] }));
      assert.match(fault.message, /16 bytes into `gone`, which was freed/);
      await assertWorks(on);
    }));

  it('refuses null and what the process has for itself before anything is touched', () =>
    withProcess(async (on) => {
      const { proc, program } = on;
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const atomic = program.kernel('atomicAt', ['pointer']);
      const restarts = proc.counters().coreRestarts;
      const own = proc.reserved.filter(({ name }) => /node/.test(name));
      assert.ok(own.length > 0);
      for (const address of [0, own[0]!.start, ...proc.reserved.map(({ end }) => end - 4)]) {
        for (const command of [
          proc.queue.launch(store, { items: 1, args: [address, 1] }),
          proc.queue.launch(atomic, { items: 1, args: [address] }),
        ]) {
          const fault = await faultOf(command);
          assert.equal(fault.reason, 'unmapped');
          assert.equal(fault.address, address);
          assert.match(fault.message, address === 0 ? /null pointer/ : /the device has that for itself/);
        }
      }
      const node = program.kernel('moveTo', ['pointer', 'pointer']);
      const fault = await faultOf(proc.queue.launch(node, { items: 1, args: [WILD, own[0]!.start] }));
      assert.match(fault.message, /address of Node/);
      assert.equal(proc.counters().coreRestarts, restarts);
      await assertWorks(on);
    }));

  it('faults where an accessor of mirrorspace/layout is moved to a stray address', () =>
    withProcess(async (on) => {
      const { mirror, proc, program } = on;
      const node = mirror.alloc(24);
      const move = program.kernel('moveTo', ['pointer', 'pointer']);
      for (const address of [WILD, WILD + 12 * GiB, 2 ** 46 + 2 ** 44]) {
        const fault = await faultOf(proc.queue.launch(move, { items: 1, args: [node, address] }));
        assert.equal(fault.address, address + 16);
        assert.equal(fault.access, 'write');
      }
      await assertWorks(on);
    }));

  it('rejects a launch whose kernel throws with what it threw, and keeps the core', () =>
    withProcess(async (on) => {
      const { proc, program } = on;
      const throwing = program.kernel('throwing', ['u32']);
      const fault = await faultOf(proc.queue.launch(throwing, { items: 100, chunk: 1, args: [42] }));
      assert.equal(fault.reason, 'trap');
      assert.equal(fault.detail, 'item 42 is not to my taste');
      assert.equal(fault.address, undefined);
      const text = await faultOf(proc.queue.launch(program.kernel('throwsText', []), { items: 1, args: [] }));
      assert.equal(text.detail, 'just a string');
      // A view that is misaligned, or no view at all, is the kernel's mistake as well.
      const store = program.kernel('storeAt', ['pointer', 'i32']);
      const misaligned = await faultOf(proc.queue.launch(store, { items: 1, args: [WILD + 2, 1] }));
      assert.match(misaligned.message, /multiple of 4/);
      const fill = program.kernel('fillAt', ['pointer', 'i32']);
      const negative = await faultOf(proc.queue.launch(fill, { items: 1, args: [WILD, -1] }));
      assert.match(negative.message, /"length"/);
      assert.equal(proc.counters().coreRestarts, 0);
      await assertWorks(on);
    }));

  it('begins again with fresh module variables on a core that was started anew', () =>
    withProcess(
      async (on) => {
        const { mirror, proc, program } = on;
        const out = mirror.alloc(4);
        const count = program.kernel('count', ['pointer']);
        const calls = async (): Promise<number> => {
          await proc.queue.launch(count, { items: 1, args: [out] }).done;
          return out.view(Uint32Array)[0]!;
        };
        assert.deepEqual([await calls(), await calls()], [1, 2]);
        await faultOf(proc.queue.launch(program.kernel('throwsText', []), { items: 1, args: [] }));
        assert.equal(await calls(), 3);
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        await faultOf(proc.queue.launch(store, { items: 1, args: [WILD, 1] }));
        assert.equal(await calls(), 1);
      },
      { cores: 1 },
    ));

  it('survives many faults on all cores, each with its own address', () =>
    withProcess(
      async (on) => {
        const { proc, program } = on;
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        const queues = [proc.queue, proc.createQueue(), proc.createQueue()];
        for (let round = 0; round < 6; round++) {
          const addresses = queues.map((_, i) => WILD + (round * 8 + i) * 4096);
          const faults = await Promise.all(
            queues.map((queue, i) => faultOf(queue.launch(store, { items: 1, args: [addresses[i]!, 1] }))),
          );
          assert.deepEqual(
            faults.map(({ address }) => address),
            addresses,
          );
        }
        await assertWorks(on);
      },
      { cores: 3 },
    ));

  it('stops a kernel that never ends by timeout and by signal', () =>
    withProcess(async (on) => {
      const { mirror, proc, program } = on;
      const flag = mirror.alloc(4);
      const forever = program.kernel('forever', ['pointer']);
      await assert.rejects(proc.queue.launch(forever, { items: 1, args: [flag], timeout: 300 }).done, {
        code: 'ERR_MIRROR_TIMEOUT',
      });
      const abort = new AbortController();
      Atomics.store(flag.view(Int32Array), 0, 0);
      const command = proc.queue.launch(forever, { items: 1, args: [flag], signal: abort.signal });
      await eventually('the kernel runs', () => Atomics.load(flag.view(Int32Array), 0) === 1);
      abort.abort(new Error('enough'));
      await assert.rejects(command.done, /enough/);
      assert.equal(proc.counters().reopens, 0);
      await assertWorks(on);
    }));

  it('comes back by itself after a kernel that swept over more than it can be stopped in', () =>
    withProcess(async (on) => {
      const { proc, program } = on;
      const pid = proc.pid;
      const fill = program.kernel('fillAt', ['pointer', 'u32']);
      const fault = await faultOf(proc.queue.launch(fill, { items: 1, args: [WILD, 16 * MiB] }));
      assert.equal(fault.address, WILD);
      assert.match(fault.message, /started anew/);
      await proc.reopen();
      assert.notEqual(proc.pid, pid);
      assert.equal(proc.counters().reopens, 1);
      await assertWorks(on);
    }));

  it('is lost, and no more than that, where a kernel ends its thread or its process', () =>
    withProcess(async (on) => {
      const { mirror, proc, program } = on;
      const kept = mirror.alloc(4096);
      kept.view(Int32Array).fill(9);
      const exit = program.kernel('exitNow', []);
      await assert.rejects(proc.queue.launch(exit, { items: 1, args: [] }).done, DeviceLost);
      assert.ok((await proc.lost) instanceof DeviceLost);
      assert.equal(isRunning(proc.pid), false);
      assert.ok(kept.view(Int32Array).every((word) => word === 9));
      await proc.reopen();
      await assertWorks(on);
    }));
});
