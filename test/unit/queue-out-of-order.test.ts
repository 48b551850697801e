/**
 * Queues out of order: commands run side by side, and barriers, markers, `after` and `finish` are what orders them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'mirrorspace';
import { withBoth } from '../fixtures/with-both.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

test('a later command overtakes one that runs, in an out-of-order queue of either device, and not in order', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    for (const [device, kernels] of [
      [wasm, onWasm],
      [proc, onProc],
    ] as const) {
      const flag = mirror.alloc(64);
      const queue = device.createQueue({ order: 'out', name: 'any order' });
      assert.deepEqual([queue.order, queue.name], ['out', 'any order']);
      assert.deepEqual([device.queue.order, device.queue.name], ['in', 'queue-0']);
      const first = queue.launch(kernels.awaitFlag, { items: 1, args: [flag, 9, flag.address + 8] });
      // The second one is what the first one waits for: in order neither would ever end.
      const second = queue.launch(kernels.storeAt, { items: 1, args: [flag, 9] });
      second.wait();
      await first.done;
      assert.equal(flag.view(Int32Array)[2], 10);
      await queue.finish();
    }
  }));

test('what has ended is known before what is older', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const queue = wasm.createQueue({ order: 'out' });
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const first = queue.launch(awaitFlag, { items: 1, args: [flag, 9, flag.address + 8] });
    const later = Array.from({ length: 1000 }, (_, i) =>
      queue.launch(program.kernel('nothing', []), { items: i % 3, args: [] }),
    );
    // More than the ring has slots: the first one's place is not needed by those behind, until they have gone round.
    await Promise.all(later.slice(0, 200).map(({ done }) => done));
    assert.equal(first.status, 'submitted');
    let finished = false;
    const finish = queue.finish().then(() => {
      finished = true;
    });
    assert.equal(finished, false);
    flag.view(Int32Array)[0] = 9;
    await finish;
    assert.ok(later.every(({ status }) => status === 'complete'));
    assert.equal(first.status, 'complete');
  }));

test('a barrier keeps apart what is before it and behind it; a marker only waits', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const at = mirror.alloc(64);
    const queue = wasm.createQueue({ order: 'out' });
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const storeAt = program.kernel('storeAt', ['pointer', 'i32']);
    const first = queue.launch(awaitFlag, { items: 1, args: [flag, 9, flag.address + 8] });
    const marker = queue.marker();
    const past = queue.launch(storeAt, { items: 1, args: [at, 1] });
    await past.done;
    const barrier = queue.barrier();
    const behind = queue.launch(storeAt, { items: 1, args: [at, 2] });
    const second = queue.barrier();
    const last = queue.copy(at.address + 8, at.address, 4);
    // On another queue the device gets along.
    await wasm.queue.marker().done;
    assert.deepEqual(
      [first, marker, barrier, behind, second, last].map(({ status }) => status),
      ['submitted', 'queued', 'queued', 'queued', 'queued', 'queued'],
    );
    assert.equal(at.view(Int32Array)[0], 1);
    flag.view(Int32Array)[0] = 9;
    await last.done;
    assert.deepEqual([...at.view(Int32Array, 0, 3)], [2, 0, 2]);
    for (const command of [first, marker, barrier, behind, second]) assert.equal(command.status, 'complete');
    assert.ok(barrier.times.finished! <= behind.times.submitted!);
  }));

test('a barrier with a list waits for these alone, and what is behind it for the barrier', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const event = mirror.createEvent();
    const queue = wasm.createQueue({ order: 'out' });
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const running = queue.launch(awaitFlag, { items: 1, args: [flag, 9, flag.address + 8] });
    const barrier = queue.barrier({ after: event });
    const behind = queue.launch(program.kernel('nothing', []), { items: 1, args: [] });
    const marker = queue.marker({ after: event });
    await wasm.queue.marker().done;
    assert.deepEqual([barrier.status, behind.status, marker.status], ['queued', 'queued', 'queued']);
    event.complete();
    await Promise.all([behind.done, marker.done]);
    assert.equal(running.status, 'submitted');
    flag.view(Int32Array)[0] = 9;
    await queue.finish();
  }));

test('a barrier that is aborted, or fails, still keeps apart what it stands between', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const flag = mirror.alloc(64);
    const queue = wasm.createQueue({ order: 'out' });
    const awaitFlag = program.kernel('awaitFlag', ['pointer', 'i32', 'pointer']);
    const first = queue.launch(awaitFlag, { items: 1, args: [flag, 9, flag.address + 8] });
    const controller = new AbortController();
    const barrier = queue.barrier({ signal: controller.signal });
    const behind = queue.marker({ after: [] });
    const launch = queue.launch(program.kernel('nothing', []), { items: 1, args: [] });
    controller.abort();
    await assert.rejects(barrier.done, { name: 'AbortError' });
    await wasm.queue.marker().done;
    assert.deepEqual([behind.status, launch.status], ['queued', 'queued']);
    flag.view(Int32Array)[0] = 9;
    await launch.done;
    assert.equal(first.status, 'complete');
    await behind.done;
  }));

test('faults and aborts in an out-of-order queue meet the one command', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const at = mirror.alloc(64);
    const queue = wasm.createQueue({ order: 'out' });
    const controller = new AbortController();
    const forever = program.kernel('forever', ['pointer']);
    const storeAt = program.kernel('storeAt', ['pointer', 'i32']);
    const runs = queue.launch(forever, { items: 1, args: [at], signal: controller.signal });
    const traps = queue.launch(program.kernel('trap', []), { items: 1, args: [] });
    const wild = queue.launch(storeAt, { items: 1, args: [64, 1] });
    await assert.rejects(traps.done, { name: 'DeviceFault', reason: 'trap' });
    await assert.rejects(wild.done, { name: 'DeviceFault' });
    assert.equal(runs.status, 'submitted');
    while (Atomics.load(at.view(Int32Array), 0) !== 1) await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort();
    await assert.rejects(runs.done, { name: 'AbortError' });
    for (let i = 0; i < 600; i++) queue.launch(storeAt, { items: 1, args: [at.address + 8, i] });
    await queue.finish();
    await wasm.queue.launch(storeAt, { items: 1, args: [at, 3] }).done;
  }));

test('a killed device with commands of an out-of-order queue comes back with that queue', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const at = mirror.alloc(64);
    const queue = wasm.createQueue({ order: 'out' });
    const forever = program.kernel('forever', ['pointer']);
    const nothing = program.kernel('nothing', []);
    const runs = queue.launch(forever, { items: 1, args: [at] });
    const barrier = queue.barrier();
    const behind = queue.launch(nothing, { items: 1, args: [] });
    process.kill(wasm.pid, 'SIGKILL');
    for (const command of [runs, barrier, behind]) await assert.rejects(command.done, { name: 'DeviceLost' });
    const reopening = wasm.reopen();
    const held: Command[] = [queue.launch(nothing, { items: 1, args: [] }), queue.barrier(), queue.marker()];
    await reopening;
    await queue.finish();
    assert.ok(held.every(({ status }) => status === 'complete'));
  }));

test('200,000 commands of an out-of-order queue all end, with a barrier here and there', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const counter = mirror.alloc(64);
    const queue = wasm.createQueue({ order: 'out' });
    const increment = program.kernel('increment', ['pointer']);
    const commands = Array.from({ length: 200_000 }, (_, i) =>
      i % 1000 === 999 ? queue.barrier() : queue.launch(increment, { items: 1, args: [counter] }),
    );
    await queue.finish();
    assert.ok(commands.every(({ status }) => status === 'complete'));
    assert.equal(counter.view(Int32Array)[0], 200_000 - 200);
  }));
