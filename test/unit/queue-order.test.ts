/**
 * What `finish` promises, and queues with very many commands: put in, run, taken back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withMirror } from '../fixtures/with-mirror.ts';

test('finish waits for a launch that runs, though the command behind it was taken back', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const first = wasm.queue.launch(awaitFlag, { items: 1, args: [flag, 7, flag.address + 8] });
    const controller = new AbortController();
    const second = wasm.queue.launch(program.kernel('nothing', []), {
      items: 1,
      args: [],
      signal: controller.signal,
    });
    second.done.catch(() => {});
    let finished: string | undefined;
    const finish = wasm.queue.finish().then(() => {
      finished = first.status;
    });
    controller.abort();
    assert.equal(second.status, 'failed');
    // Another queue gets along meanwhile, and its finish waits for nobody else.
    const other = wasm.createQueue();
    await other.marker().done;
    await other.finish();
    assert.equal(finished, undefined);
    flag.view(Int32Array)[0] = 7;
    await finish;
    assert.equal(finished, 'complete');
  }));

test('finish tells of the first failure that nobody has looked at, once', () =>
  withMirror(async ({ wasm, program }) => {
    const trap = program.kernel('trap', []);
    wasm.queue.launch(trap, { items: 1, args: [] });
    wasm.queue.marker();
    await assert.rejects(wasm.queue.finish(), { name: 'DeviceFault', reason: 'trap' });
    await wasm.queue.finish();
    const seen = wasm.queue.launch(trap, { items: 1, args: [] });
    await assert.rejects(seen.done, { name: 'DeviceFault' });
    await wasm.queue.finish();
  }));

test('200,000 commands that wait for room all end, in order', () =>
  withMirror(async ({ wasm }) => {
    const markers = Array.from({ length: 200_000 }, () => wasm.queue.marker());
    await wasm.queue.finish();
    assert.ok(markers.every(({ status }) => status === 'complete'));
  }));

test('50,000 launches that wait are taken back by one signal, and those with a deadline are waited for', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const first = wasm.queue.launch(awaitFlag, { items: 1, args: [flag, 7, flag.address + 8] });
    const nothing = program.kernel('nothing', []);
    const controller = new AbortController();
    const options = { items: 1, args: [], signal: controller.signal, timeout: 3_600_000 } as const;
    const launches = Array.from({ length: 50_000 }, () => wasm.queue.launch(nothing, options));
    controller.abort();
    assert.ok(launches.every(({ status }) => status === 'failed'));
    flag.view(Int32Array)[0] = 7;
    first.wait();
    await assert.rejects(wasm.queue.finish(), { name: 'AbortError' });
  }));

test('finish of a queue whose device is being reopened waits for what that queue holds, and for no more', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const other = wasm.createQueue();
    const forever = program.kernel('forever', ['pointer']);
    const before = wasm.queue.launch(forever, { items: 1, args: [mirror.alloc(64)] });
    process.kill(wasm.pid, 'SIGKILL');
    await assert.rejects(before.done, { name: 'DeviceLost' });
    const reopening = wasm.reopen();
    const marker = wasm.queue.marker();
    await other.finish();
    assert.equal(marker.status, 'queued');
    await wasm.queue.finish();
    assert.equal(marker.status, 'complete');
    await reopening;
  }));
