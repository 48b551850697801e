/**
 * What commands wait for: `after` across queues and devices, user events, and how failures travel.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, DependencyError, openMirror, processDevice } from 'mirrorspace';
import { withBoth } from '../fixtures/with-both.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

test('a launch on one device waits for a launch on another, in both directions', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    const at = mirror.alloc(256);
    const flag = mirror.alloc(64);
    const words = at.view(Int32Array);
    const held = proc.queue.launch(onProc.awaitFlag, {
      items: 1,
      args: [flag, 7, at.address],
    });
    const second = wasm.queue.launch(onWasm.loadAt, {
      items: 1,
      args: [at.address, at.address + 64],
      after: held,
    });
    const third = proc.queue.launch(onProc.loadAt, {
      items: 1,
      args: [at.address + 64, at.address + 128],
      after: [second, held],
    });
    // What runs on the second device meanwhile does not let it pass.
    await wasm.createQueue().launch(onWasm.nothing, { items: 1, args: [] }).done;
    assert.equal(second.status, 'queued');
    assert.equal(second.times.submitted, undefined);
    flag.view(Int32Array)[0] = 7;
    await third.done;
    assert.deepEqual([words[0], words[16], words[32]], [8, 8, 8]);
    const { queued, submitted, started, finished } = second.times;
    assert.ok(submitted! > queued && finished! >= started!);
    assert.ok(submitted! >= held.times.finished! - 1, 'it went to its device once the first had ended');
  }));

test('a blocking wait moves the prerequisites along on all their devices', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    const at = mirror.alloc(64);
    let last: Command | undefined;
    for (let i = 0; i < 200; i++) {
      const after = last ? { after: last } : {};
      last =
        i % 2 === 0
          ? wasm.queue.launch(onWasm.storeAt, { items: 1, args: [at, i], ...after })
          : proc.queue.launch(onProc.storeAt, { items: 1, args: [at, i], ...after });
    }
    last!.wait();
    assert.equal(at.view(Int32Array)[0], 199);
  }));

test('a blocking wait releases commands of other devices that its own kernel waits for in memory', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    const flag = mirror.alloc(64);
    const first = proc.createQueue().launch(onProc.nothing, { items: 1, args: [] });
    const polls = wasm.queue.launch(onWasm.awaitFlag, { items: 1, args: [flag, 5, flag.address + 8] });
    const sent = wasm.createQueue().marker({ after: first });
    proc.queue.launch(onProc.storeAt, { items: 1, args: [flag, 5], after: sent });
    polls.wait();
    assert.equal(flag.view(Int32Array)[2], 6);
  }));

test('a prerequisite that fails fails what waits for it, down the chain, and is named', () =>
  withBoth(async ({ wasm, proc, onWasm, onProc }) => {
    const first = wasm.queue.launch(onWasm.trap, { items: 1, args: [] });
    const second = proc.queue.launch(onProc.nothing, { items: 1, args: [], after: first });
    const third = wasm.queue.marker({ after: second });
    await assert.rejects(third.done, (error: unknown) => {
      assert.ok(error instanceof DependencyError);
      assert.equal(error.code, 'ERR_MIRROR_DEPENDENCY');
      assert.match(
        error.message,
        /^a marker command did not run: a launch of kernel 'nothing'.*kernel 'trap'/,
      );
      assert.ok(error.cause instanceof DependencyError);
      assert.equal((error.cause.cause as Error).name, 'DeviceFault');
      return true;
    });
    assert.equal(second.status, 'failed');
    assert.equal(second.times.started, undefined);
    // One that has failed already fails it at once.
    const late = proc.queue.barrier({ after: first });
    assert.equal(late.status, 'failed');
    assert.throws(() => late.wait(), DependencyError);
    // Who looks at the dependant has looked at the cause.
    await wasm.queue.finish();
    await proc.queue.finish();
  }));

test('a failed dependant that nobody looked at rejects finish', () =>
  withMirror(async ({ mirror, wasm }) => {
    const event = mirror.createEvent();
    wasm.queue.marker({ after: event });
    const finished = wasm.queue.finish();
    event.fail(new Error('no data'));
    await assert.rejects(finished, { name: 'DependencyError', message: /user event.*no data/ });
  }));

test('commands wait for a user event, and run when it is complete', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const at = mirror.alloc(64);
    const storeAt = program.kernel('storeAt', ['pointer', 'i32']);
    const event = mirror.createEvent();
    const first = wasm.queue.launch(storeAt, { items: 1, args: [at, 5], after: event });
    const behind = wasm.queue.copy(at.address + 8, at.address, 4);
    const other = wasm.createQueue();
    await other.fill(at.address + 16, 3, { size: 4 }).done;
    assert.deepEqual([first.status, behind.status], ['queued', 'queued']);
    assert.equal(event.status, 'pending');
    event.complete();
    await behind.done;
    assert.equal(event.status, 'complete');
    await event.done;
    assert.deepEqual([...at.view(Int32Array, 0, 5)], [5, 0, 5, 0, 0x03030303]);
    for (const again of [() => event.complete(), () => event.fail(new Error('late'))])
      assert.throws(again, { name: 'StateError', state: 'ended' });
    // An event that has ended holds up nothing.
    await wasm.queue.launch(storeAt, { items: 1, args: [at, 6], after: [event, first] }).done;
  }));

test('a user event that fails rejects its own done, and nothing where nobody looks', () =>
  withMirror(async ({ mirror }) => {
    const event = mirror.createEvent();
    const reason = new Error('as told');
    event.fail(reason);
    assert.equal(event.status, 'failed');
    await assert.rejects(event.done, reason);
    mirror.createEvent().fail(reason);
  }));

test('wait() on what only this thread can bring about is refused, and never hangs', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    const event = mirror.createEvent();
    const first = wasm.queue.launch(onWasm.nothing, { items: 1, args: [], after: event });
    const behind = wasm.queue.marker();
    const far = proc.queue.launch(onProc.nothing, { items: 1, args: [], after: behind });
    const out = proc.createQueue({ order: 'out' });
    out.marker({ after: far });
    const barrier = out.barrier();
    const last = out.launch(onProc.nothing, { items: 1, args: [] });
    for (const command of [first, behind, far, barrier, last]) {
      assert.throws(() => command.wait(), { name: 'StateError', state: 'busy', message: /user event/ });
    }
    // With an end in sight it waits for that.
    assert.throws(() => last.wait(20), { name: 'TimeoutError' });
    const timed = wasm.createQueue().marker({ after: event, timeout: 20 });
    assert.throws(() => timed.wait(), { name: 'TimeoutError', message: /command 'marker'/ });
    event.complete();
    last.wait();
    assert.equal(far.status, 'complete');
  }));

test('deadlines of prerequisites on another device are kept while the thread is blocked', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    const flag = mirror.alloc(64);
    const stuck = proc.queue.launch(onProc.awaitFlag, {
      items: 1,
      args: [flag, 7, flag.address + 8],
      timeout: 50,
    });
    const last = wasm.queue.launch(onWasm.nothing, { items: 1, args: [], after: stuck });
    assert.throws(() => last.wait(), { name: 'DependencyError', message: /did not finish within 50 ms/ });
    await assert.rejects(stuck.done, { name: 'TimeoutError' });
  }));

test('a dependant that waits can be aborted, and what is behind it goes on', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const event = mirror.createEvent();
    const controller = new AbortController();
    const nothing = program.kernel('nothing', []);
    const held = wasm.queue.launch(nothing, {
      items: 1,
      args: [],
      after: event,
      signal: controller.signal,
    });
    const behind = wasm.queue.marker();
    const dependant = wasm.createQueue().marker({ after: held });
    controller.abort(new Error('enough'));
    await assert.rejects(held.done, { message: 'enough' });
    await behind.done;
    await assert.rejects(dependant.done, { name: 'DependencyError', message: /enough/ });
    event.complete();
    await wasm.queue.finish();
  }));

test('a killed device fails its own commands, and those of others that wait for them', () =>
  withBoth(async ({ mirror, wasm, proc, onWasm, onProc }) => {
    const flag = mirror.alloc(64);
    const event = mirror.createEvent();
    const stuck = proc.queue.launch(onProc.awaitFlag, { items: 1, args: [flag, 7, flag.address + 8] });
    const own = proc.createQueue().marker({ after: event });
    const far = wasm.queue.launch(onWasm.nothing, { items: 1, args: [], after: stuck });
    const back = proc.createQueue().marker({ after: far });
    process.kill(proc.pid, 'SIGKILL');
    // Blocked on one device, the thread learns of the other's death.
    assert.throws(() => far.wait(), { name: 'DependencyError', message: /device 'proc' was lost/ });
    for (const command of [stuck, own, back]) await assert.rejects(command.done, { name: 'DeviceLost' });
    event.complete();
    await wasm.queue.launch(onWasm.nothing, { items: 1, args: [] }).done;
    // On its way back the device holds what waits, and for how long it must.
    const gate = mirror.createEvent();
    const reopening = proc.reopen();
    const held = proc.queue.launch(onProc.nothing, { items: 1, args: [], after: gate });
    const failing = mirror.createEvent();
    const fails = proc.queue.marker({ after: failing });
    failing.fail(new Error('no'));
    await assert.rejects(fails.done, { name: 'DependencyError' });
    const local = wasm.queue.marker({ after: held });
    assert.throws(() => local.wait(), { name: 'StateError' });
    await reopening;
    assert.equal(held.status, 'queued');
    gate.complete();
    await local.done;
  }));

test('closing the mirror fails user events that are pending, and lets the rest end', async () => {
  let closing: Promise<void> | undefined;
  let held: Command | undefined;
  let runs: Command | undefined;
  await withMirror(async ({ mirror, wasm, program }) => {
    const event = mirror.createEvent();
    held = wasm.queue.marker({ after: event });
    held.done.catch(() => {});
    runs = wasm.createQueue().launch(program.kernel('nothing', []), { items: 1, args: [] });
    closing = mirror.close();
    assert.equal(event.status, 'failed');
    assert.throws(() => mirror.createEvent(), { name: 'StateError', state: 'closed' });
  });
  await closing;
  await assert.rejects(held!.done, { name: 'DependencyError', message: /was closed before the user event/ });
  await runs!.done;
});

test('a chain of 100,000 commands over two queues runs in order, and fails at once', () =>
  withMirror(async ({ mirror, wasm }) => {
    const queues = [wasm.queue, wasm.createQueue({ order: 'out' })];
    for (const outcome of ['complete', 'fail'] as const) {
      const event = mirror.createEvent();
      const chain: Command[] = [wasm.queue.marker({ after: event })];
      for (let i = 1; i < 100_000; i++) chain.push(queues[i % 2]!.marker({ after: chain[i - 1]! }));
      if (outcome === 'complete') {
        event.complete();
        await chain.at(-1)!.done;
        assert.ok(chain.every(({ status }) => status === 'complete'));
      } else {
        event.fail(new Error('no'));
        assert.ok(chain.every(({ status }) => status === 'failed'));
        await assert.rejects(chain.at(-1)!.done, { name: 'DependencyError' });
        for (const queue of queues) await queue.finish().catch(() => {});
      }
    }
  }));

test('what is no prerequisite is refused before anything changes', () =>
  withMirror(async ({ mirror, wasm, program }) => {
    const nothing = program.kernel('nothing', []);
    const { queue } = wasm;
    const other = await openMirror({ devices: { proc: processDevice({ cores: 1 }) } });
    try {
      const foreign = other.devices.proc.queue.marker();
      for (const after of [null, 5, 'x', {}, Promise.resolve(), [undefined], [{}]] as never[]) {
        assert.throws(() => queue.launch(nothing, { items: 1, args: [], after }), { name: 'TypeError' });
        assert.throws(() => queue.marker({ after }), { name: 'TypeError' });
      }
      for (const after of [foreign, [queue.marker(), other.createEvent()]])
        assert.throws(() => queue.barrier({ after }), { name: 'RangeError', message: /of this mirror/ });
      for (const options of [null, 5, 'x'] as never[])
        assert.throws(() => queue.barrier(options), { name: 'TypeError' });
      assert.throws(() => queue.marker({ signal: {} as never }), { name: 'TypeError' });
      assert.throws(() => queue.marker({ timeout: -1 }), { name: 'RangeError' });
      const reason = new Error('too late');
      const signal = AbortSignal.abort(reason);
      assert.throws(() => queue.fill(mirror.alloc(64), 0, { signal }), reason);
      for (const options of [null, 5] as never[])
        assert.throws(() => wasm.createQueue(options), { name: 'TypeError' });
      assert.throws(() => wasm.createQueue({ order: 'any' as never }), { name: 'RangeError' });
      assert.throws(() => wasm.createQueue({ order: 1 as never }), { name: 'TypeError' });
      assert.throws(() => wasm.createQueue({ name: '' }), { name: 'RangeError' });
      await queue.launch(nothing, { items: 1, args: [], after: [] }).done;
      assert.equal(mirror.devices.wasm.counters().launches, 1);
    } finally {
      await other.close();
    }
  }));
