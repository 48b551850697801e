/**
 * Kernels that do everything wrong, one after another on one device, in both ways of catching it: each is a typed error
 * that names who and where as far as that can be known, every byte that was not theirs is as it was, the counters say
 * what has happened, and the next launch works.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Command,
  type DeviceCounters,
  DeviceFault,
  DeviceLost,
  type FaultMode,
  type Kernel,
  KiB,
  type LaunchOptions,
  MiB,
  type Mirror,
  openMirror,
  type Program,
  ProgramError,
  type SvmBuffer,
  TimeoutError,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { endlessStack, startThatStores, startThatTraps, straightWalks } from '../fixtures/hostile-modules.ts';
import { eventually } from '../fixtures/proc.ts';
import { clangCounters } from '../fixtures/wasm-clang.ts';
import { compileAssemblyScript } from '../fixtures/wasm-compile.ts';
import { Witnesses } from '../fixtures/witness.ts';

const MODES = (['userfaultfd', 'trap'] as const).filter((mode) => mode !== process.env.MIRRORSPACE_REFUSED);
const hostileKernels = new URL('../fixtures/kernels/build/hostile.wasm', import.meta.url);

/** Nothing is there, nor in the 256 MiB behind it; not the same, since views keep a buffer's addresses for a while. */
const WILD_OF = { userfaultfd: 0xa0000000, trap: 0xc0000000 };
const PAGE = 4 * KiB;

/** The most wild pages that a core may touch before its device is given up. */
const ALLOWED = 64;

type Mode = Exclude<FaultMode, 'auto'>;

/** What an address must be, given the core and what it is. */
type AddressOf = (core: number, is: number | undefined) => number | undefined;

const within =
  (start: number, size: number): AddressOf =>
  (_core, is) =>
    is !== undefined && is >= start && is < start + size ? is : start;

/** What is to come of a launch. */
interface Expected {
  /** Of a DeviceFault; where there is none, DeviceLost is expected. */
  readonly reason?: DeviceFault['reason'];
  readonly address?: number | AddressOf | undefined;
  readonly access?: DeviceFault['access'];
  readonly says?: RegExp;
  /** How the counters change. */
  readonly restarts?: number;
  readonly reopens?: number;
  readonly wild?: readonly [least: number, most: number];
}

class Bench {
  readonly mirror: Mirror<{ wasm: WasmDevice }>;
  readonly mode: Mode;
  readonly witnesses = new Witnesses();
  readonly hostile: Program;
  readonly walks: Program;
  readonly endless: Program;
  /** A kernel may do to it what it likes. */
  readonly scratch: SvmBuffer;
  /** It ends 16 KiB below where nothing is. */
  readonly near: SvmBuffer;
  readonly constant: SvmBuffer;
  readonly hidden: SvmBuffer;

  private constructor(
    mirror: Mirror<{ wasm: WasmDevice }>,
    mode: Mode,
    programs: readonly [Program, Program, Program],
  ) {
    this.mirror = mirror;
    this.mode = mode;
    [this.hostile, this.walks, this.endless] = programs;
    const { witnesses } = this;
    this.scratch = mirror.alloc(1 * MiB, { name: 'scratch' });
    this.near = witnesses.alloc(mirror, 16 * KiB, { name: 'near', place: { at: WILD_OF[mode] - 32 * KiB } });
    witnesses.alloc(mirror, 3 * MiB + 5, { name: 'odd' });
    this.constant = witnesses.alloc(mirror, 64 * KiB, { name: 'constant', access: { wasm: 'read' } });
    this.hidden = witnesses.alloc(mirror, 64 * KiB, {
      name: 'hidden',
      devices: [],
      place: { at: WILD_OF[mode] - 16 * MiB },
    });
    witnesses.alloc(mirror, 1 * MiB, { name: 'top', topdown: true });
  }

  static async open(mode: Mode): Promise<Bench> {
    const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 2, faults: mode }) } });
    const { wasm } = mirror.devices;
    assert.equal(wasm.faults, mode);
    return new Bench(mirror, mode, [
      await wasm.load(hostileKernels),
      await wasm.load(straightWalks),
      await wasm.load(endlessStack),
    ]);
  }

  get wasm(): WasmDevice {
    return this.mirror.devices.wasm;
  }

  counters(): DeviceCounters {
    return this.wasm.counters();
  }

  /** Every item of a launch on both cores does its work. */
  async assertWorks(): Promise<void> {
    const swing = this.hostile.kernel('swing', ['pointer', 'i32']);
    const value = this.counters().launches * 1000;
    const items = 500;
    await this.wasm.queue.launch(swing, { items, chunk: 1, args: [this.scratch, value] }).done;
    const words = this.scratch.view(Int32Array, 0, items);
    assert.deepEqual(
      [...words],
      Array.from({ length: items }, (_, i) => value + i),
    );
  }

  /** The launch fails as expected, harms nothing, and is followed by one that works. */
  async endsAs(expected: Expected, launch: () => Command): Promise<DeviceFault | DeviceLost> {
    const was = this.counters();
    const { pid } = this.wasm;
    const command = launch();
    const error = await failureOf(command);
    assert.equal(command.status, 'failed');
    const { reason, address, access, says, restarts = 0, reopens = 0, wild = [0, 0] } = expected;
    if (reason !== undefined) {
      assert.ok(error instanceof DeviceFault, `a DeviceFault, not ${String(error)}`);
      assert.equal(error.device, 'wasm');
      assert.ok(error.core === 0 || error.core === 1);
      assert.ok(error.message.includes(`kernel '${error.kernel}' on wasm core ${error.core}`), error.message);
      assert.deepEqual(
        { reason: error.reason, address: error.address, access: error.access },
        {
          reason,
          address: typeof address === 'function' ? address(error.core, error.address) : address,
          access,
        },
        error.message,
      );
      const errno = reason === 'read-only' ? 'EPERM' : 'EFAULT';
      assert.equal(error.errno, address === undefined ? undefined : errno);
    } else {
      assert.ok(error instanceof DeviceLost, `a DeviceLost, not ${String(error)}`);
      assert.equal(error.device, 'wasm');
      await this.wasm.reopen();
    }
    if (says) assert.match(error.message, says);
    this.witnesses.assertIntact(error.message);
    await this.assertWorks();
    this.witnesses.assertIntact(error.message);
    const now = this.counters();
    assert.equal(now.launches, was.launches + 2);
    assert.equal(now.coreRestarts - was.coreRestarts, restarts, 'cores that were started anew');
    assert.equal(now.reopens - was.reopens, reopens, 'device processes that were started anew');
    assert.equal(this.wasm.pid !== pid, reopens > 0);
    const faults = now.wildFaults - was.wildFaults;
    assert.ok(faults >= wild[0] && faults <= wild[1], `${faults} wild faults, not ${wild.join(' to ')}`);
    return error;
  }

  launch<const Kinds extends Kernel['kinds']>(
    name: string,
    kinds: Kinds,
    args: LaunchOptions['args'],
    more: { items?: number; chunk?: number; timeout?: number; signal?: AbortSignal } = {},
  ): Command {
    const kernel: Kernel = this.hostile.kernel(name, kinds);
    const options: LaunchOptions = { items: 1, args, ...more };
    return this.wasm.queue.launch(kernel, options as LaunchOptions<never>);
  }
}

async function failureOf(command: Command): Promise<Error> {
  try {
    await command.done;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  assert.fail('the launch was not rejected');
}

function describeBoth(what: string, body: (mode: Mode, bench: () => Bench) => void): void {
  for (const mode of MODES) {
    describe(`${what}, with faults: '${mode}'`, () => {
      let bench: Bench;
      before(async () => {
        bench = await Bench.open(mode);
        await bench.assertWorks();
      });
      after(() => bench.mirror.close());
      body(mode, () => bench);
    });
  }
}

/** A plain wild access: found out by its address where there are page faults, else by V8's trap. */
function wildAt(mode: Mode, address: number, access: 'read' | 'write', says: RegExp): Expected {
  return mode === 'userfaultfd'
    ? // A loop may touch some more pages before V8 looks.
      { reason: 'unmapped', address, access, says, restarts: 1, wild: [1, ALLOWED] }
    : { reason: 'unmapped', says: /memory access out of bounds \(address unknown\)/ };
}

/** A bulk operation that goes on over wild pages and can't be interrupted. */
function runaway(mode: Mode, address: number, access: 'read' | 'write'): Expected {
  return mode === 'userfaultfd'
    ? {
        reason: 'unmapped',
        address,
        access,
        says: /`near`; it ran on and could not be stopped, so the device is started anew$/,
        reopens: 1,
        wild: [ALLOWED + 1, ALLOWED + 2],
      }
    : { says: /its process \d+ ended/, reopens: 1 };
}

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

/** Where a core's stack begins: behind a guard page. */
function stackStart({ reserved }: WasmDevice, core: number): number {
  return reserved.find(({ name }) => name === `core ${core} stack and scratch`)!.start + PAGE;
}

/** What the tests use most. */
function bounds(bench: Bench) {
  const { mirror, scratch, near, constant, hidden } = bench;
  return { mirror, scratch, near, constant, hidden, launch: bench.launch.bind(bench) };
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
