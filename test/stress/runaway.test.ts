/**
 * What becomes of everything else when a runaway kernel costs the device its process: the launch that is to blame
 * rejects with its fault, what was pending with it is lost, what comes meanwhile waits, and the device is back by itself.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  DeviceFault,
  DeviceLost,
  KiB,
  MiB,
  openMirror,
  type Program,
  ProgramError,
  StateError,
  type SvmBuffer,
  TimeoutError,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { endlessStack, startThatStores } from '../fixtures/hostile-modules.ts';
import { eventually } from '../fixtures/proc.ts';

const hostileKernels = new URL('../fixtures/kernels/build/hostile.wasm', import.meta.url);
const WILD = 0xe0000000;

interface On {
  readonly wasm: WasmDevice;
  readonly program: Program;
  readonly scratch: SvmBuffer;
  readonly words: Int32Array;
  alloc(size: number, at?: number): SvmBuffer;
  close(): Promise<void>;
}

async function withDevice(body: (on: On) => Promise<void>, cores = 2): Promise<void> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores, faults: 'userfaultfd' }) } });
  try {
    const { wasm } = mirror.devices;
    const program = await wasm.load(hostileKernels);
    const scratch = mirror.alloc(64 * KiB, { name: 'scratch' });
    const words = scratch.view(Int32Array);
    const close = () => mirror.close();
    await body({
      wasm,
      program,
      scratch,
      words,
      alloc: (size, at) => mirror.alloc(size, at === undefined ? {} : { place: { at } }),
      close,
    });
  } finally {
    await mirror.close();
  }
}

function runAway({ wasm, program }: On) {
  return wasm.queue.launch(program.kernel('fillAt', ['pointer', 'u32']), { items: 1, args: [WILD, 8 * MiB] });
}

function store({ wasm, program, scratch }: On, index: number, value: number, queue = wasm.queue) {
  const args = [scratch.address + 4 * index, value] as const;
  return queue.launch(program.kernel('swing', ['pointer', 'i32']), { items: 1, args });
}

describe('a runaway kernel', () => {
  it('takes pending commands of its device with it, of its own queue and of others', () =>
    withDevice(async (on) => {
      const { wasm, program, scratch, words } = on;
      const other = wasm.createQueue();
      const spin = program.kernel('spin', ['pointer']);
      const beside = other.launch(spin, { items: 1, args: [scratch] });
      await eventually('the other kernel runs', () => Atomics.load(words, 0) === 1);
      const lost = wasm.lost;
      const { pid } = wasm;
      const culprit = runAway(on);
      const behind = store(on, 1, 5);
      await assert.rejects(culprit.done, (error: unknown) => {
        assert.ok(error instanceof DeviceFault, String(error));
        assert.equal(error.address, WILD);
        assert.equal(error.kernel, 'fillAt');
        return true;
      });
      for (const { done } of [beside, behind]) {
        await assert.rejects(done, (error: unknown) => {
          assert.ok(error instanceof DeviceLost, String(error));
          assert.match(error.message, /ran away over wild memory: 65 pages, the first at 0xe0000000/);
          return true;
        });
      }
      assert.match((await lost).reason, /ran away/);
      assert.notEqual(wasm.lost, lost, 'a new promise for the new life');
      await store(on, 1, 7).done;
      await store(on, 2, 8, other).done;
      assert.deepEqual([...words.subarray(0, 3)], [1, 7, 8]);
      assert.notEqual(wasm.pid, pid);
      await eventually('the old process is gone', () => !existsSync(`/proc/${pid}`));
      assert.equal(wasm.counters().reopens, 1);
    }));

  it('leaves commands that are put in meanwhile waiting, in their order', () =>
    withDevice(async (on) => {
      await assert.rejects(runAway(on).done, DeviceFault);
      const commands = Array.from({ length: 600 }, (_, i) => store(on, 3, i + 1));
      assert.equal(commands[0]!.status, 'queued');
      assert.equal(commands[0]!.progress, 0);
      const queue = on.wasm.createQueue();
      const reading = on.wasm.load(endlessStack);
      await queue.marker().done;
      assert.deepEqual((await reading).kernels, ['pushes']);
      await on.wasm.queue.finish();
      assert.equal(on.words[3], 600);
      assert.ok(commands.every(({ status }) => status === 'complete'));
    }));

  it('is reopened once, however many ask for it, and before reopen() resolves', () =>
    withDevice(async (on) => {
      await assert.rejects(runAway(on).done, DeviceFault);
      await Promise.all([on.wasm.reopen(), on.wasm.reopen(), on.wasm.load(hostileKernels)]);
      store(on, 0, 3).wait();
      assert.equal(on.words[0], 3);
      assert.equal(on.wasm.counters().reopens, 1);
      await on.wasm.reopen();
      assert.equal(on.wasm.counters().reopens, 1);
    }));

  it('can not be waited out without the event loop: a blocking wait says so, and the command goes on', () =>
    withDevice(async (on) => {
      assert.throws(() => runAway(on).wait(), DeviceFault);
      const command = store(on, 0, 4);
      assert.throws(
        () => command.wait(),
        (error: unknown) =>
          error instanceof StateError && error.state === 'lost' && /being reopened/.test(error.message),
      );
      await command.done;
      assert.equal(on.words[0], 4);
    }));

  it('does not let timeouts and signals of waiting commands be forgotten', () =>
    withDevice(async (on) => {
      const { wasm, program, scratch } = on;
      await assert.rejects(runAway(on).done, DeviceFault);
      const swing = program.kernel('swing', ['pointer', 'i32']);
      const stop = new AbortController();
      const late = wasm.queue.launch(swing, { items: 1, args: [scratch.address, 1], timeout: 0 });
      const aborted = wasm.queue.launch(swing, {
        items: 1,
        args: [scratch.address + 4, 1],
        signal: stop.signal,
      });
      const kept = store(on, 2, 1);
      const reason = new Error('no longer');
      stop.abort(reason);
      await assert.rejects(aborted.done, reason);
      await assert.rejects(late.done, TimeoutError);
      await kept.done;
      assert.deepEqual([...on.words.subarray(0, 3)], [0, 0, 1]);
    }));

  it('keeps the statics of its program from surviving, and the buffers of all from dying', () =>
    withDevice(async (on) => {
      const { wasm, scratch } = on;
      const basic = await wasm.load(new URL('../fixtures/kernels/build/basic.wasm', import.meta.url));
      const add = basic.kernel('addToStatic', ['pointer']);
      await wasm.queue.launch(add, { items: 10, chunk: 1, args: [scratch] }).done;
      on.words[100] = 99;
      await assert.rejects(runAway(on).done, DeviceFault);
      const during = on.alloc(64 * KiB);
      during.view(Int32Array)[0] = 17;
      await wasm.queue.launch(add, { items: 10, chunk: 1, args: [scratch] }).done;
      await wasm.queue.launch(add, { items: 1, args: [scratch] }).done;
      assert.equal(on.words[0], 11, 'static data is as new');
      assert.equal(on.words[100], 99);
      await wasm.queue.copy(scratch, during, 4).done;
      assert.equal(on.words[0], 17, 'a buffer made meanwhile is there');
    }));

  it('has its buffers freed while it is away, and their addresses used again', () =>
    withDevice(async (on) => {
      const { wasm, scratch } = on;
      const gone = on.alloc(64 * KiB);
      await wasm.queue.fill(gone, 0x5a).done;
      await assert.rejects(runAway(on).done, DeviceFault);
      const reading = wasm.queue.copy(scratch, gone, 64 * KiB);
      gone.free();
      await reading.done;
      assert.ok(
        scratch.bytes.every((byte) => byte === 0x5a),
        'the command before the free saw the bytes',
      );
      const again = on.alloc(64 * KiB);
      await wasm.queue.copy(scratch, again, 64 * KiB).done;
      assert.ok(scratch.bytes.every((byte) => byte === 0));
    }));

  it('does not keep the mirror from closing while its device is on its way back', async () => {
    for (const pending of [false, true]) {
      await withDevice(async (on) => {
        await assert.rejects(runAway(on).done, DeviceFault);
        const command = pending ? store(on, 0, 6) : undefined;
        await on.close();
        if (command) assert.equal(command.status, 'complete', 'close lets pending commands end');
        assert.throws(() => store(on, 0, 6), StateError);
      });
    }
  });

  it('is survived twenty times in a row, on one core', () =>
    withDevice(async (on) => {
      for (let round = 1; round <= 20; round++) {
        await assert.rejects(runAway(on).done, DeviceFault);
        await store(on, 0, round).done;
        assert.equal(on.words[0], round);
        assert.equal(on.wasm.counters().reopens, round);
      }
    }, 1));

  it('whose device can not come back is told to what waits, and reopen() tries again', () =>
    withDevice(async (on) => {
      const { wasm, scratch } = on;
      const AT = 0xd0000000;
      const base = on.alloc(4 * KiB, AT);
      await wasm.load(startThatStores(AT, 1));
      base.free();
      const culprit = runAway(on);
      await assert.rejects(culprit.done, DeviceFault);
      const waiting = store(on, 0, 1);
      await assert.rejects(waiting.done, (error: unknown) => {
        assert.ok(error instanceof DeviceLost, String(error));
        assert.match(error.message, /could not be opened again.*start function faulted: write at 0xd0000000/);
        return true;
      });
      assert.throws(() => store(on, 0, 1), DeviceLost);
      await assert.rejects(wasm.load(endlessStack), DeviceLost);
      await assert.rejects(wasm.reopen(), ProgramError);
      assert.equal(wasm.counters().reopens, 0);
      await eventually('the place is free', () => {
        try {
          on.alloc(4 * KiB, AT);
          return true;
        } catch {
          return false;
        }
      });
      await wasm.reopen();
      await store(on, 0, 2).done;
      assert.equal(scratch.view(Int32Array)[0], 2);
    }));
});

describe('a start function', () => {
  it('that faults when its core is started anew loses the device instead of trying for ever', () =>
    withDevice(async (on) => {
      const { wasm, program, scratch } = on;
      const AT = 0xd0000000;
      const base = on.alloc(4 * KiB, AT);
      await wasm.load(startThatStores(AT, 1));
      base.free();
      const lost = wasm.lost;
      const load = program.kernel('walkLoads', ['pointer', 'u32', 'u32', 'pointer']);
      await assert.rejects(
        wasm.queue.launch(load, { items: 1, args: [WILD, 1, 4, scratch] }).done,
        DeviceFault,
      );
      const alive = setInterval(() => {}, 1000);
      const { reason } = await lost.finally(() => clearInterval(alive));
      assert.match(
        reason,
        /core [01] did not start again: the start function of a program faulted at 0xd0000000/,
      );
    }));
});
