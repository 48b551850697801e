/**
 * Kernels that don't end, end too late, or misbehave before they begin: stopped by signal and timeout, on all cores, and in
 * a blocking wait; programs that are none. The next launch works each time.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MiB, ProgramError, TimeoutError } from 'mirrorspace';
import { bounds, describeBoth, PAGE, WILD_OF } from '../fixtures/hostile-bench.ts';
import { startThatStores, startThatTraps, straightWalks } from '../fixtures/hostile-modules.ts';
import { eventually } from '../fixtures/proc.ts';
import { clangCounters } from '../fixtures/wasm-clang.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';

describeBoth('a kernel', (mode, bench) => {
  const WILD = WILD_OF[mode];

  for (const name of ['spin', 'sleep']) {
    it(`that ${name}s for ever is stopped by its AbortSignal, and by a timeout, on all cores`, async () => {
      const on = bench();
      const { launch, scratch } = bounds(on);
      const flag = scratch.view(Int32Array);
      const was = on.counters();
      const stop = new AbortController();
      flag[0] = 0;
      const aborted = launch(name, ['pointer'], [scratch], { items: 2, chunk: 1, signal: stop.signal });
      await eventually('the kernel runs', () => Atomics.load(flag, 0) === 1);
      const reason = new Error('enough');
      stop.abort(reason);
      await assert.rejects(aborted.done, reason);

      const late = launch(name, ['pointer'], [scratch], { items: 2, chunk: 1, timeout: 20 });
      await assert.rejects(late.done, (error: unknown) => {
        assert.ok(error instanceof TimeoutError);
        assert.equal(error.timeout, 20);
        assert.equal(error.code, 'ERR_MIRROR_TIMEOUT');
        assert.match(error.message, new RegExp(`kernel '${name}' did not finish within 20 ms`));
        return true;
      });
      await on.assertWorks();
      on.witnesses.assertIntact(name);
      const { coreRestarts, reopens } = on.counters();
      // Of the second launch no core may have begun with any when its time was up.
      const restarts = coreRestarts - was.coreRestarts;
      assert.ok(restarts >= 1 && restarts <= 4, `${restarts} cores were started anew`);
      assert.equal(reopens, was.reopens);
    });
  }

  it('that fills a live buffer without end is stopped between two of its operations', async () => {
    const on = bench();
    const { launch, scratch, mirror } = bounds(on);
    const target = mirror.alloc(32 * MiB, { name: 'target' });
    const command = launch('fillForever', ['pointer', 'pointer', 'u32'], [scratch, target, target.size], {
      timeout: 50,
    });
    await assert.rejects(command.done, TimeoutError);
    await on.assertWorks();
    on.witnesses.assertIntact('fillForever');
    target.free();
  });

  it('that would run on is stopped by its timeout during a blocking wait as well', async () => {
    const on = bench();
    const { launch, scratch } = bounds(on);
    const spinning = launch('spin', ['pointer'], [scratch], { timeout: 20 });
    const queued = launch('spin', ['pointer'], [scratch], { timeout: 10 });
    assert.throws(() => queued.wait(), TimeoutError);
    assert.throws(() => spinning.wait(), TimeoutError);
    assert.equal(spinning.status, 'failed');
    scratch.view(Int32Array)[0] = 0;
    const patient = launch('spin', ['pointer'], [scratch], { timeout: 1e9 });
    assert.throws(() => patient.wait(5), TimeoutError);
    assert.equal(patient.status, 'submitted', 'a wait that has run out leaves the kernel alone');
    await eventually('the kernel runs', () => Atomics.load(scratch.view(Int32Array), 0) === 1);
    Atomics.store(scratch.view(Int32Array), 0, 12345);
    patient.wait();
    await on.assertWorks();
  });

  it('that is done before its timeout is not touched by it', async () => {
    const on = bench();
    const { launch, scratch } = bounds(on);
    for (const timeout of [1e4, 2 ** 40, Number.POSITIVE_INFINITY]) {
      const command = launch('swing', ['pointer', 'i32'], [scratch, 5], { timeout });
      await command.done;
      assert.equal(command.status, 'complete');
    }
    for (const timeout of [-1, Number.NaN]) {
      assert.throws(() => launch('swing', ['pointer', 'i32'], [scratch, 5], { timeout }), {
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      });
    }
    assert.throws(
      () => launch('swing', ['pointer', 'i32'], [scratch, 5], { timeout: '5' as unknown as number }),
      {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      },
    );
    await on.assertWorks();
  });

  it('that sits in the queue past its timeout never runs', async () => {
    const on = bench();
    const { launch, scratch } = bounds(on);
    const words = scratch.view(Int32Array);
    words[0] = 0;
    words[64] = 0;
    const stop = new AbortController();
    const first = launch('spin', ['pointer'], [scratch], { signal: stop.signal });
    const second = launch('swing', ['pointer', 'i32'], [scratch.address + 256, 9], { timeout: 10 });
    await eventually('the first runs', () => Atomics.load(words, 0) === 1);
    await assert.rejects(second.done, TimeoutError);
    assert.equal(first.status, 'submitted', 'nobody has waited for the first');
    const last = on.wasm.queue.marker();
    stop.abort();
    await assert.rejects(first.done, { name: 'AbortError' });
    await last.done;
    assert.equal(words[64], 0);
    await on.wasm.queue.finish();
  });

  it('that finds no place in the ring before it is aborted holds nothing up afterwards', async () => {
    const on = bench();
    const { launch, scratch, mirror } = bounds(on);
    const stop = new AbortController();
    const stopLast = new AbortController();
    const used = mirror.alloc(PAGE, { name: 'used' });
    const first = launch('spin', ['pointer'], [scratch], { signal: stop.signal });
    const store = () => launch('swing', ['pointer', 'i32'], [used, 3], { signal: stopLast.signal });
    const others = Array.from({ length: 400 }, store);
    used.free();
    const reason = new Error('no longer');
    stopLast.abort(reason);
    for (const other of others) await assert.rejects(other.done, reason);
    assert.notEqual(first.status, 'failed');
    stop.abort(reason);
    await assert.rejects(first.done, reason);
    await on.wasm.queue.finish();
    const place = { at: used.address };
    await eventually('the free takes effect', () => mirror.plan(PAGE, { place }).ok);
    await on.assertWorks();
  });

  it('that is no module, or none for this device, is refused before anything of it is placed', async () => {
    const on = bench();
    const { wasm } = on;
    const was = on.counters();
    const overlapping = await compileAssemblyScript(
      `const table: StaticArray<i32> = [1, 2, 3]; export function sum(begin: i32, end: i32): i32 { return table[begin]; }`,
      [
        ...'--importMemory --sharedMemory --initialMemory 65536 --maximumMemory 65536'.split(' '),
        ...'--enable threads --runtime stub --memoryBase 131080'.split(' '),
      ],
    );
    for (const [reason, source] of [
      ['not-wasm', new TextEncoder().encode('export function sum() {}')],
      ['not-wasm', new Uint8Array()],
      ['malformed', straightWalks.subarray(0, straightWalks.length - 3)],
      ['no-kernels', await compileAssemblyScript('let x = 1; export const y: i32 = 2;')],
      [
        'imports',
        await compileAssemblyScript('export function f(b: i32, e: i32): void { console.log("x"); }'),
      ],
      ['imports', await compileAssemblyScript('export function f(b: i32, e: i32): void { Date.now(); }')],
      ['overlap', overlapping],
      ['instantiate', startThatTraps],
    ] as const) {
      await assert.rejects(wasm.load(source), (error: unknown) => {
        assert.ok(error instanceof ProgramError, String(error));
        assert.equal(error.reason, reason, error.message);
        return true;
      });
    }
    await on.assertWorks();
    on.witnesses.assertIntact('a module that was refused');
    const { coreRestarts, reopens } = on.counters();
    assert.deepEqual({ coreRestarts, reopens }, { coreRestarts: was.coreRestarts, reopens: was.reopens });
  });

  it('that misbehaves while it is loaded is refused, and the programs before it go on', async () => {
    const on = bench();
    const { wasm } = on;
    const was = on.counters();
    for (const pages of [1, 200]) {
      await assert.rejects(wasm.load(startThatStores(WILD, pages)), (error: unknown) => {
        assert.ok(error instanceof ProgramError, String(error));
        assert.equal(error.reason, 'instantiate');
        assert.match(
          error.message,
          mode === 'trap' ? /out of bounds/ : /start function (faulted|ran away)(?=.*0x[ac]00[0-9a-f]{5})/s,
        );
        return true;
      });
      await on.assertWorks();
    }
    assert.equal(on.counters().reopens - was.reopens, mode === 'trap' ? 0 : 1);
    on.witnesses.assertIntact('a start function');
    const clang = (await wasm.load(clangCounters)).kernel('bump', ['pointer']);
    await wasm.queue.launch(clang, { items: 3, args: [on.scratch] }).done;
    assert.deepEqual([...on.scratch.view(Int32Array, 0, 3)], [102, 202, 302], 'and others can be loaded');
  });
});
