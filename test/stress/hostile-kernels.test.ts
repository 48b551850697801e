/**
 * Kernels that do everything wrong, one after another on one device, in both ways of catching it: each is a typed error
 * that names who and where as far as that can be known, every byte that was not theirs is as it was, the counters say
 * what has happened, and the next launch works.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Command, DeviceFault, KiB, MiB, type WasmDevice } from 'mirrorspace';
import {
  ALLOWED,
  type Bench,
  bounds,
  describeBoth,
  type Expected,
  PAGE,
  runaway,
  WILD_OF,
  wildAt,
  within,
} from '../fixtures/hostile-bench.ts';

describeBoth('a hostile kernel', (mode, bench) => {
  const WILD = WILD_OF[mode];
  const trapped = (says: RegExp): Expected => ({ reason: 'trap', says });
  const pastNear = /16 KiB past `near`|20480 bytes past `near`|16384 bytes past `near`/;

  it('that walks over wild memory by loads in a loop is stopped at its first', async () => {
    const { launch, near } = bounds(bench());
    await bench().endsAs(wildAt(mode, WILD, 'read', pastNear), () =>
      launch('walkLoads', ['pointer', 'u32', 'u32', 'pointer'], [WILD, 1e6, PAGE, near]),
    );
  });

  it('that walks over wild memory by stores in a loop is stopped at its first', async () => {
    const { launch } = bounds(bench());
    await bench().endsAs(wildAt(mode, WILD, 'write', pastNear), () =>
      launch('walkStores', ['pointer', 'u32', 'u32'], [WILD, 1e6, PAGE]),
    );
  });

  it('that walks over more wild pages than it may, uninterruptibly, is blamed for the loss of its device', async () => {
    const on = bench();
    for (const [name, access] of [
      ['stores', 'write'],
      ['loads', 'read'],
    ] as const) {
      const kernel = on.walks.kernel(name, ['pointer']);
      await on.endsAs(
        // V8's trap ends it at once, wherever it is.
        mode === 'trap' ? wildAt(mode, WILD, access, pastNear) : runaway(mode, WILD, access),
        () => on.wasm.queue.launch(kernel, { items: 1, args: [WILD] }),
      );
    }
  });

  it('that fills megabytes of wild memory loses the device, not the host, and is blamed', async () => {
    const { launch } = bounds(bench());
    await bench().endsAs(runaway(mode, WILD, 'write'), () =>
      launch('fillAt', ['pointer', 'u32'], [WILD, 8 * MiB]),
    );
  });

  it('that copies megabytes to wild memory loses the device, not the host, and is blamed', async () => {
    const { launch, scratch } = bounds(bench());
    await bench().endsAs(
      // Where a copy begins is the C library's affair.
      { ...runaway(mode, WILD, 'write'), ...(mode === 'trap' ? {} : { address: within(WILD, 1 * MiB) }) },
      () => launch('copyAt', ['pointer', 'pointer', 'u32'], [WILD, scratch, 1 * MiB]),
    );
  });

  it('that copies megabytes from wild memory loses the device, not the host, and is blamed', async () => {
    const { launch, scratch } = bounds(bench());
    await bench().endsAs(
      { ...runaway(mode, WILD, 'read'), ...(mode === 'trap' ? {} : { address: within(WILD, 1 * MiB) }) },
      () => launch('copyAt', ['pointer', 'pointer', 'u32'], [scratch, WILD, 1 * MiB]),
    );
  });

  it('that copies a little from wild memory is rejected, and the device stays where it can', async () => {
    const { launch, scratch } = bounds(bench());
    await bench().endsAs(
      mode === 'userfaultfd' ? wildAt(mode, WILD + 8, 'read', /past `near`/) : runaway(mode, WILD, 'read'),
      () => launch('copyAt', ['pointer', 'pointer', 'u32'], [scratch, WILD + 8, 2000]),
    );
  });

  it('that copies from a buffer which is not for its device gets none of its bytes', async () => {
    const { launch, scratch, hidden } = bounds(bench());
    scratch.bytes.fill(0, 512 * KiB);
    await bench().endsAs(
      mode === 'userfaultfd' ? wildAt(mode, hidden.address, 'read', /`hidden`/) : runaway(mode, WILD, 'read'),
      () =>
        launch(
          'copyAt',
          ['pointer', 'pointer', 'u32'],
          [scratch.address + 512 * KiB, hidden.address, 64 * KiB],
        ),
    );
    assert.ok(scratch.bytes.subarray(512 * KiB).every((byte) => byte === 0));
  });

  it('that fills a buffer it may only read changes nothing in it', async () => {
    const { launch, constant } = bounds(bench());
    await bench().endsAs(
      mode === 'userfaultfd'
        ? { reason: 'read-only', address: constant.address, access: 'write', restarts: 1, wild: [1, ALLOWED] }
        : runaway(mode, WILD, 'write'),
      () => launch('fillAt', ['pointer', 'u32'], [constant, constant.size]),
    );
  });

  it('that overruns its buffer word by word is stopped in the guard behind it', async () => {
    const { launch, mirror } = bounds(bench());
    const short = mirror.alloc(3 * PAGE, { name: 'short', guard: 4 });
    const expected = wildAt(mode, short.end, 'write', /0 bytes past `short`/);
    await bench().endsAs(expected, () => launch('walkStores', ['pointer', 'u32', 'u32'], [short, 1e6, 4]));
    assert.ok(
      short.bytes.every((byte) => byte === 0xff),
      'it stored what it was entitled to',
    );
    short.free();
  });

  it('that overruns its buffer by a bulk operation is stopped in a guard of more than 64 pages', async () => {
    const { launch, mirror } = bounds(bench());
    const short = mirror.alloc(3 * PAGE, { name: 'short', guard: ALLOWED + 2 });
    await bench().endsAs(
      mode === 'userfaultfd'
        ? {
            reason: 'unmapped',
            address: short.end,
            access: 'write',
            says: /0 bytes past `short`; it ran on/,
            reopens: 1,
            wild: [ALLOWED + 1, ALLOWED + 1],
          }
        : runaway(mode, WILD, 'write'),
      () => launch('fillAt', ['pointer', 'u32'], [short, 8 * MiB]),
    );
    assert.ok(
      short.bytes.every((byte) => byte === 0xff),
      'it stored what it was entitled to',
    );
    short.free();
  });

  it('that recurses without end overflows the stack of its core, and no more', async () => {
    const { launch, scratch } = bounds(bench());
    await bench().endsAs(trapped(/trapped: Maximum call stack size exceeded/), () =>
      launch('recurse', ['pointer'], [scratch], { items: 64, chunk: 1 }),
    );
  });

  it('that overflows the stack which C keeps in linear memory faults below it', async () => {
    const on = bench();
    const pushes = on.endless.kernel('pushes', []);
    const error = await on.endsAs(
      mode === 'userfaultfd'
        ? {
            ...wildAt(mode, 0, 'write', /below the stack of core [01], which is full/),
            address: (core) => stackStart(on.wasm, core) - 16,
          }
        : wildAt(mode, 0, 'write', /./),
      () => on.wasm.queue.launch(pushes, { items: 1, args: [] }),
    );
    assert.ok(error instanceof DeviceFault);
  });

  it('that allocates with `new` traps on every core, instead of giving two of them one object', async () => {
    const { launch, scratch } = bounds(bench());
    scratch.bytes.fill(0);
    for (let round = 0; round < 4; round++) {
      await bench().endsAs(trapped(/trapped: unreachable/), () =>
        launch('allocate', ['pointer'], [scratch.address + 4 * KiB], { items: 64, chunk: 1 }),
      );
    }
    assert.ok(scratch.bytes.subarray(4 * KiB).every((byte) => byte === 0));
  });

  for (const [what, says, run] of [
    ['divides by zero', /divide by zero/, divide(1, 0)],
    ['overflows an integer by division', /divide result unrepresentable/, divide(-(2 ** 31), -1)],
    ['takes the remainder of a division by zero', /remainder by zero/, remainder(5n, 0n)],
    ['calls a null function', /null function|function signature mismatch/, callThrough(0)],
    ['calls a function beyond its table', /table index is out of bounds/, callThrough(1e6)],
    ['adds atomically at an odd address', /does not support unaligned accesses/, misaligned],
    ['aborts in its own words', /abort: x must be y at hostile.ts:\d+:\d+/, refuse],
  ] as const) {
    it(`that ${what} traps, at the cost of no core`, async () => {
      await bench().endsAs(trapped(says), () => run(bench()));
    });
  }

  it('that calls a function through memory reaches the right one', async () => {
    const { launch, scratch } = bounds(bench());
    await launch('callHalf', ['pointer'], [scratch]).done;
    assert.equal(scratch.view(Int32Array)[0], 3);
  });

  it('that grows the memory is told that it can not, and nothing moves', async () => {
    const on = bench();
    const { launch, scratch } = bounds(on);
    await launch('growMemory', ['i32', 'pointer'], [1, scratch]).done;
    assert.deepEqual([...scratch.view(Int32Array, 0, 2)], [-1, 65536]);
    await launch('growMemory', ['i32', 'pointer'], [0, scratch]).done;
    assert.deepEqual([...scratch.view(Int32Array, 0, 2)], [65536, 65536]);
    await on.assertWorks();
    on.witnesses.assertIntact('memory.grow');
  });
});

/** Where a core's stack begins: behind a guard page. */
function stackStart({ reserved }: WasmDevice, core: number): number {
  return reserved.find(({ name }) => name === `core ${core} stack and scratch`)!.start + PAGE;
}

type Run = (bench: Bench) => Command;

function divide(a: number, b: number): Run {
  return (on) => on.launch('divide', ['i32', 'i32', 'pointer'], [a, b, on.scratch]);
}

function remainder(a: bigint, b: bigint): Run {
  return (on) => on.launch('remainder', ['i64', 'i64', 'pointer'], [a, b, on.scratch]);
}

function callThrough(index: number): Run {
  return (on) => {
    on.scratch.view(Uint32Array)[0] = index;
    return on.launch('callThrough', ['pointer', 'pointer'], [on.scratch, on.scratch]);
  };
}

function misaligned(on: Bench): Command {
  return on.launch('misaligned', ['pointer'], [on.scratch]);
}

function refuse(on: Bench): Command {
  on.scratch.view(Int32Array).set([1, 2]);
  return on.launch('refuse', ['pointer'], [on.scratch]);
}
