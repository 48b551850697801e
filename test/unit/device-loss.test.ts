/**
 * A device that dies, is stopped, or is closed: the host learns of it by a typed error, keeps its memory, and can have
 * the device back.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DeviceLost, StateError, TimeoutError } from 'mirrorspace';
import { withMirror } from '../fixtures/with-mirror.ts';

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition(), 'what was waited for never came');
}

/** An idle mirror keeps no process alive, so something else must while its loss is awaited. */
async function lossOf(device: { readonly lost: Promise<DeviceLost> }): Promise<DeviceLost> {
  const alive = setInterval(() => {}, 1000);
  try {
    return await device.lost;
  } finally {
    clearInterval(alive);
  }
}

describe('device loss', () => {
  it('rejects every pending command with DeviceLost when the device is killed mid-kernel', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flag = mirror.alloc(4096, { name: 'flag' });
      flag.view(Int32Array)[8] = 99;
      const forever = program.kernel('forever', ['pointer']);
      const running = wasm.queue.launch(forever, { items: 1, args: [flag] });
      const queued = wasm.queue.launch(forever, { items: 1, args: [flag] });
      await until(() => Atomics.load(flag.view(Int32Array), 0) === 1);
      const { pid } = wasm;
      process.kill(pid, 'SIGKILL');
      for (const command of [running, queued]) {
        await assert.rejects(command.done, (error: unknown) => {
          assert.ok(error instanceof DeviceLost);
          assert.equal(error.code, 'ERR_MIRROR_DEVICE_LOST');
          assert.match(error.message, new RegExp(`process ${pid} ended`));
          return true;
        });
      }
      assert.equal((await lossOf(wasm)).device, 'wasm');
      assert.equal(flag.view(Int32Array)[8], 99, 'memory is intact');
      assert.throws(() => wasm.queue.launch(forever, { items: 1, args: [flag] }), DeviceLost);
    }));

  it('comes back with its programs by reopen(), as another process, over the same memory', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const buffer = mirror.alloc(4096);
      const out = mirror.alloc(4096);
      buffer.view(Int32Array)[0] = 31;
      const { pid } = wasm;
      process.kill(pid, 'SIGKILL');
      await lossOf(wasm);
      const late = mirror.alloc(4096);
      late.view(Int32Array)[0] = 11;
      await wasm.reopen();
      assert.notEqual(wasm.pid, pid);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      await wasm.queue.launch(load, { items: 1, args: [buffer, out] }).done;
      assert.equal(out.view(Int32Array)[0], 31);
      await wasm.queue.launch(load, { items: 1, args: [late, out] }).done;
      assert.equal(out.view(Int32Array)[0], 11, 'a buffer made while the device was lost is there as well');
    }));

  it('is noticed by a blocking wait, which the event loop could not tell', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flag = mirror.alloc(4096);
      const forever = program.kernel('forever', ['pointer']);
      const command = wasm.queue.launch(forever, { items: 1, args: [flag] });
      await until(() => Atomics.load(flag.view(Int32Array), 0) === 1);
      process.kill(wasm.pid, 'SIGKILL');
      assert.throws(() => command.wait(), DeviceLost);
    }));

  it('leaves alloc and free working, and frees what the lost device had', () =>
    withMirror(async ({ mirror, wasm }) => {
      const before = mirror.alloc(1 << 20);
      process.kill(wasm.pid, 'SIGKILL');
      await lossOf(wasm);
      before.free();
      const again = mirror.alloc(1 << 20, { place: { at: before.address } });
      assert.equal(again.address, before.address);
      again.free();
    }));

  it('gives up waiting with TimeoutError while the command goes on', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flags = mirror.alloc(4096);
      const wait = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
      const command = wasm.queue.launch(wait, { items: 1, args: [flags.address, 1, flags.address + 4] });
      assert.throws(() => command.wait(5), TimeoutError);
      assert.equal(command.status, 'submitted');
      Atomics.store(flags.view(Int32Array), 0, 1);
      command.wait();
      assert.equal(command.status, 'complete');
    }));

  it('stops a runaway kernel by its AbortSignal, and one that waits in the queue too', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flag = mirror.alloc(4096);
      const forever = program.kernel('forever', ['pointer']);
      const stop = new AbortController();
      const running = wasm.queue.launch(forever, { items: 8, chunk: 1, args: [flag], signal: stop.signal });
      const queued = wasm.queue.launch(forever, { items: 1, args: [flag], signal: stop.signal });
      await until(() => Atomics.load(flag.view(Int32Array), 0) === 1);
      const reason = new Error('enough');
      stop.abort(reason);
      await assert.rejects(running.done, reason);
      await assert.rejects(queued.done, reason);
      flag.view(Int32Array)[0] = 0;
      await wasm.queue.launch(program.kernel('increment', ['pointer']), { items: 1000, args: [flag] }).done;
      assert.equal(flag.view(Int32Array)[0], 1000);
      assert.throws(
        () => wasm.queue.launch(forever, { items: 1, args: [flag], signal: stop.signal }),
        reason,
      );
    }));

  it('lets pending commands end before close() resolves, and refuses what comes after', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const counter = mirror.alloc(4096);
      const view = counter.view(Int32Array);
      const increment = program.kernel('increment', ['pointer']);
      const { pid } = wasm;
      const command = wasm.queue.launch(increment, { items: 3_000_000, args: [counter] });
      await mirror.close();
      assert.equal(command.status, 'complete');
      await command.done;
      await until(() => !existsSync(`/proc/${pid}`));
      assert.deepEqual([view.length, view[0]], [1024, 0], 'the view shows zero pages');
      assert.throws(() => mirror.alloc(4096), StateError);
      assert.throws(() => wasm.queue.launch(increment, { items: 1, args: [counter] }), StateError);
      await mirror.close();
    }));

  it('lets free() with commands pending take effect after them', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const flags = mirror.alloc(4096);
      const buffer = mirror.alloc(4096, { name: 'used' });
      const out = mirror.alloc(4096);
      buffer.view(Int32Array)[0] = 123;
      const wait = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
      const load = program.kernel('loadAt', ['pointer', 'pointer']);
      wasm.queue.launch(wait, { items: 1, args: [flags.address, 1, flags.address + 4] });
      const reading = wasm.queue.launch(load, { items: 1, args: [buffer, out] });
      buffer.free();
      assert.throws(() => wasm.queue.launch(load, { items: 1, args: [buffer, out] }), StateError);
      Atomics.store(flags.view(Int32Array), 0, 1);
      await reading.done;
      assert.equal(out.view(Int32Array)[0], 123, 'the command that was submitted before still saw the bytes');
    }));
});
