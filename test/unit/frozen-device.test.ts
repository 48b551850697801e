/**
 * A device whose process gets no time (here it is stopped by a signal): its commands end with their timeouts and signals
 * all the same, and the device comes back. And the end of a device as its owner sees it.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { SvmBuffer } from 'mirrorspace';
import { runProgram } from '../fixtures/run-child.ts';
import { type TestMirror, withMirror } from '../fixtures/with-mirror.ts';

const never = (buffer: SvmBuffer) => [buffer, 1, buffer.address + 8] as const;

/** The device in a kernel that waits for a flag, and stopped in it. */
async function frozen(
  { mirror, wasm, program }: TestMirror,
  conditions: { timeout?: number; signal?: AbortSignal },
) {
  const flag = mirror.alloc(64, { name: 'flag' });
  const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
  const command = wasm.queue.launch(awaitFlag, { items: 1, args: never(flag), ...conditions });
  while (command.progress === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const { pid } = wasm;
  process.kill(pid, 'SIGSTOP');
  return { command, flag, pid, awaitFlag };
}

async function cameBack({ mirror, wasm, program }: TestMirror, pid: number): Promise<void> {
  const counter = mirror.alloc(64);
  await wasm.queue.launch(program.kernel('increment', ['pointer']), { items: 3, args: [counter] }).done;
  assert.equal(counter.view(Int32Array)[0], 3);
  assert.notEqual(wasm.pid, pid);
  assert.equal(existsSync(`/proc/${pid}`), false);
  assert.equal(wasm.counters().reopens, 1);
}

test('a kernel on a frozen device ends with its timeout, other commands with the loss, and the device comes back', () =>
  withMirror(async (on) => {
    const { command, pid } = await frozen(on, { timeout: 3000 });
    const behind = on.wasm.queue.marker();
    const { lost } = on.wasm;
    await assert.rejects(command.done, { name: 'TimeoutError', timeout: 3000 });
    await assert.rejects(behind.done, { name: 'DeviceLost', reason: /^it did not stop kernel 'awaitFlag'/ });
    assert.match((await lost).reason, /^it did not stop kernel 'awaitFlag' within 5000 ms/);
    await cameBack(on, pid);
  }));

test('a kernel on a frozen device ends with the reason of its signal', () =>
  withMirror(async (on) => {
    const controller = new AbortController();
    const { command, pid } = await frozen(on, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(command.done, { message: 'enough' });
    await cameBack(on, pid);
  }));

test('a blocking wait for a kernel on a frozen device ends with its timeout', () =>
  withMirror(async (on) => {
    const { command, pid } = await frozen(on, { timeout: 3000 });
    assert.throws(() => command.wait(), { name: 'TimeoutError', timeout: 3000 });
    await cameBack(on, pid);
  }));

test('a device that was stopped for less than that goes on, and only the launch has ended', () =>
  withMirror(async (on) => {
    const { command, pid } = await frozen(on, { timeout: 3000 });
    assert.throws(() => command.wait(3100), { name: 'TimeoutError' });
    process.kill(pid, 'SIGCONT');
    await assert.rejects(command.done, { name: 'TimeoutError', timeout: 3000 });
    await on.wasm.queue.marker().done;
    assert.equal(on.wasm.pid, pid);
  }));

test('close() called twice resolves twice, when the process has ended', () =>
  withMirror(async ({ wasm }) => {
    const { pid } = wasm;
    void wasm.close();
    await wasm.close();
    assert.equal(existsSync(`/proc/${pid}`), false);
  }));

test('devices open in a process whose working folder was deleted', async () => {
  const { end, said, stderr } = await runProgram('deleted-folder.mjs', []);
  assert.equal(end, 0, stderr);
  assert.deepEqual(said, ['complete', 'complete']);
});
