/**
 * Lives and deaths, many of them: devices killed at random moments, mirrors opened and closed, several in one process,
 * some in worker threads. Afterwards processes, descriptors, mappings, memory and disk are as before, by what /proc
 * says. `MIRRORSPACE_STRESS=full` makes the loops long; `MIRRORSPACE_SEED` repeats a run.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  type Command,
  DeviceFault,
  DeviceLost,
  type Kernel,
  type Mirror,
  openMirror,
  type Program,
  type Queue,
  type SvmBuffer,
  type WasmDevice,
  wasmDevice,
} from 'mirrorspace';
import { childrenOf, collect, filesOnDisk, type Holdings, holdings } from '../fixtures/leaks.ts';
import { arenaMappings, eventually, isRunning } from '../fixtures/proc.ts';
import { basicKernels } from '../fixtures/with-mirror.ts';

const full = process.env.MIRRORSPACE_STRESS === 'full';
const KILLS = full ? 1000 : 40;
const OPENINGS = full ? 1000 : 60;
const SEED = Number(process.env.MIRRORSPACE_SEED?.split('/')[0] ?? Math.floor(Math.random() * 2 ** 31));
const MiB = 2 ** 20;

const program = new URL('../fixtures/programs/many-mirrors.mjs', import.meta.url);

/** Numbers in [0, below), the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** An idle mirror keeps no process alive: something else must while its loss is awaited. */
async function awake<T>(promise: Promise<T>): Promise<T> {
  const alive = setInterval(() => {}, 1000);
  try {
    return await promise;
  } finally {
    clearInterval(alive);
  }
}

interface Open {
  readonly mirror: Mirror<{ wasm: WasmDevice }>;
  readonly wasm: WasmDevice;
  readonly program: Program;
  readonly increment: Kernel<['pointer']>;
}

let names = 0;

async function open(cores = 2): Promise<Open> {
  const name = `lifecycle-${process.pid}-${names++}`;
  const mirror = await openMirror({ name, devices: { wasm: wasmDevice({ cores }) } });
  const { wasm } = mirror.devices;
  const loaded = await wasm.load(basicKernels);
  return { mirror, wasm, program: loaded, increment: loaded.kernel('increment', ['pointer']) };
}

/** The processes of the devices that live. */
const devices = (): number[] => childrenOf(process.pid).filter(isRunning);

const wordOf = (buffer: SvmBuffer): number => Atomics.load(buffer.view(Int32Array), 0);

async function works({ wasm, increment }: Open, counter: SvmBuffer): Promise<void> {
  const before = wordOf(counter);
  await wasm.queue.launch(increment, { items: 1000, chunk: 10, args: [counter] }).done;
  assert.equal(wordOf(counter), (before + 1000) | 0);
}

/** Nothing of a mirror is held any more, and of the rest no more than before. */
async function assertAsBefore(before: Holdings, growth: { vmas: number; rss: number }): Promise<void> {
  await collect();
  const now = holdings();
  assert.deepEqual(now.children, before.children, 'children, zombies too');
  assert.equal(now.ours, before.ours, 'descriptors of memory files, processes and events');
  assert.equal(now.ourVmas, before.ourVmas, 'mappings of memory files');
  assert.ok(
    now.descriptors <= before.descriptors,
    `${now.descriptors} descriptors, not ${before.descriptors}`,
  );
  assert.ok(now.vmas <= before.vmas + growth.vmas, `${now.vmas} mappings, not ${before.vmas}`);
  assert.ok(now.rss <= before.rss + growth.rss, `${now.rss} bytes of memory, not ${before.rss}`);
  assert.ok(now.threads <= before.threads, `${now.threads} threads, not ${before.threads}`);
}

describe(`a device that is killed ${KILLS} times at random moments with work in its queues (seed ${SEED})`, () => {
  /** What a queue was given: each adds so many to its counter. */
  interface Work {
    readonly queue: Queue;
    readonly counter: SvmBuffer;
    readonly commands: { readonly command: Command; readonly items: number }[];
  }

  /** Commands of one queue end in order: first the complete ones, which have run, then the lost, of which one may have. */
  async function settle({ counter, commands }: Work, before: number): Promise<void> {
    let sum = 0;
    let partly: number | undefined;
    for (const { command, items } of commands) {
      const error = await command.done.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) {
        assert.equal(partly, undefined, 'a command behind a lost one is complete');
        assert.equal(command.status, 'complete');
        sum += items;
      } else {
        assert.ok(error instanceof DeviceLost, String(error));
        assert.equal(command.status, 'failed');
        partly ??= items;
      }
    }
    const ran = (wordOf(counter) - before) | 0;
    assert.ok(
      ran >= sum && ran <= sum + (partly ?? 0),
      `${ran} items ran, not ${sum} to ${sum + (partly ?? 0)}`,
    );
  }

  test('settles every command, leaves memory intact, and comes back each time', async () => {
    const random = generator(SEED);
    const on = await open();
    const { mirror, wasm, increment } = on;
    try {
      const trap = on.program.kernel('trap', []);
      const wild = on.program.kernel('storeAt', ['pointer', 'i32']);
      const untouched = mirror.alloc(300_000, { name: 'untouched' });
      const expected = Uint8Array.from({ length: untouched.size }, (_, i) => (i * 31 + (i >> 8)) & 255);
      untouched.bytes.set(expected);
      const probe = mirror.alloc(4, { name: 'probe' });
      const queues = [wasm.queue, wasm.createQueue(), wasm.createQueue()];
      const counters = queues.map((_, i) => mirror.alloc(4, { name: `counter ${i}` }));
      let before: Holdings | undefined;
      for (let n = 0; n < KILLS; n++) {
        const { pid } = wasm;
        const starts = counters.map(wordOf);
        const given: Work[] = queues.map((queue, i) => ({ queue, counter: counters[i]!, commands: [] }));
        for (const { queue, counter, commands } of given) {
          // More than a ring holds, now and then.
          const count = random(10) === 0 ? 300 : random(20);
          for (let i = 0; i < count; i++) {
            const items = 1 + random(60_000);
            commands.push({ command: queue.launch(increment, { items, args: [counter] }), items });
          }
        }
        // A core that is being stopped and started again is killed too.
        const failing = random(4) === 0 ? queues[0]!.launch(wild, { items: 1, args: [8, 1] }) : undefined;
        const trapping = random(4) === 0 ? queues[1]!.launch(trap, { items: 4, args: [] }) : undefined;
        const faults = [failing, trapping].map((command) => command?.done.catch((error: unknown) => error));
        const passing = mirror.alloc(1 + random(100_000), { name: 'passing' });
        queues[2]!.fill(passing, 9);
        // Its free waits for what is pending: it must take effect also where that never ends.
        passing.free();
        if (random(3) > 0) await pause(random(8));
        process.kill(pid, (['SIGKILL', 'SIGKILL', 'SIGSEGV', 'SIGABRT'] as const)[random(4)]!);
        const last = given[random(3)]!.commands.at(-1)?.command;
        if (last && random(3) === 0) {
          try {
            last.wait();
          } catch (error) {
            assert.ok(error instanceof DeviceLost, String(error));
          }
        }
        const lost = await awake(wasm.lost);
        assert.match(lost.message, new RegExp(`process ${pid} `));
        for (let i = 0; i < given.length; i++) await settle(given[i]!, starts[i]!);
        for (const fault of await Promise.all(faults)) {
          assert.ok(fault === undefined || fault instanceof DeviceFault || fault instanceof DeviceLost);
        }
        await Promise.all(queues.map((queue) => queue.finish().catch(() => {})));
        assert.equal(Buffer.compare(untouched.bytes, expected), 0, 'a buffer that no command was given');
        assert.throws(() => queues[random(3)]!.launch(increment, { items: 1, args: [probe] }), DeviceLost);
        if (n % 8 === 5) {
          // Killed while it starts again: that is told, and it can be tried once more.
          const again = wasm.reopen().then(
            () => undefined,
            (error: unknown) => error,
          );
          await eventually('a new process', () => devices().length > 0);
          await pause(random(60));
          for (const other of devices()) process.kill(other, 'SIGKILL');
          const error = await awake(again);
          assert.ok(error === undefined || error instanceof DeviceLost, String(error));
          await eventually('the end of it', () => devices().length === 0);
          await awake(wasm.lost);
        }
        await wasm.reopen();
        await works(on, probe);
        assert.deepEqual(devices(), [wasm.pid], 'one device, and no other child');
        if (n === 10) {
          await collect();
          before = holdings();
        }
      }
      const names = new Set(arenaMappings(mirror.name).map(({ start }) => start));
      for (const { address } of mirror.buffers()) assert.ok(names.has(address));
      assert.equal(mirror.buffers().length, 5, 'what was freed behind pending commands is free');
      await assertAsBefore({ ...before!, children: [wasm.pid] }, { vmas: 200, rss: 64 * MiB });
    } finally {
      await mirror.close();
    }
  });
});

test(`${OPENINGS} mirrors opened and closed leave processes, descriptors, mappings, memory and disk as before`, async () => {
  const random = generator(SEED + 1);
  const first = holdings();
  const disk = filesOnDisk();

  /** One life, in one of the ways in which it may go. */
  async function live(): Promise<void> {
    const on = await open(1 + random(2));
    const { mirror, wasm, increment } = on;
    const { pid } = wasm;
    const counter = mirror.alloc(4096);
    mirror.alloc(1 + random(2 * MiB), { commit: true });
    mirror.alloc(64 * 1024).bytes.fill(7);
    mirror.alloc(4096).free();
    await works(on, counter);
    const end = random(6);
    if (end === 1) process.kill(pid, 'SIGKILL');
    if (end === 2) {
      process.kill(pid, 'SIGKILL');
      await awake(wasm.lost);
      await wasm.reopen();
      await works(on, counter);
    }
    // Not awaited: closing does that.
    if (end === 3)
      for (let i = 0; i < 300; i++) wasm.queue.launch(increment, { items: 1000, args: [counter] });
    if (end === 4) await Promise.all([mirror.close(), mirror.close()]);
    if (end === 5) {
      process.kill(pid, 'SIGKILL');
      await awake(wasm.lost);
      // Closed while its device comes back.
      const again = wasm.reopen().catch(() => {});
      await mirror.close();
      await again;
    }
    await mirror.close();
    await eventually(`the end of the device ${pid}`, () => !isRunning(pid));
  }

  for (let i = 0; i < 6; i++) await live();
  await collect();
  const before = holdings();
  assert.deepEqual(
    [before.children, before.ours, before.ourVmas],
    [[], first.ours, 0],
    'nothing is left already now',
  );
  for (let done = 0; done < OPENINGS; done += 2) await Promise.all([live(), live()]);
  await assertAsBefore(before, { vmas: 200, rss: 64 * MiB });
  assert.deepEqual(filesOnDisk(), disk);
});

test('what is freed under a running kernel is given away only once a device that is closed has ended', async () => {
  for (let n = 0; n < (full ? 200 : 8); n++) {
    const { mirror, wasm, increment } = await open();
    try {
      const buffer = mirror.alloc(4096);
      const running = wasm.queue.launch(increment, { items: 2 ** 31, args: [buffer] });
      const lost = assert.rejects(running.done, DeviceLost);
      await pause(n % 5);
      buffer.free();
      const closing = wasm.close();
      assert.equal(mirror.plan(4096, { place: { at: buffer.address } }).ok, false);
      await closing;
      await lost;
      const again = mirror.alloc(4096, { place: { at: buffer.address } });
      assert.ok(again.bytes.every((byte) => byte === 0));
    } finally {
      await mirror.close();
    }
  }
});

describe('two mirrors in one process', () => {
  test('have the same window and different addresses, and live and die each for itself', async () => {
    const [a, b] = await Promise.all([open(), open()]);
    try {
      assert.deepEqual(a.wasm.window, b.wasm.window);
      const buffers = [a, b, a, b, a, b].map(({ mirror }, i) => mirror.alloc(10_000 * (i + 1)));
      const sorted = [...buffers].sort((x, y) => x.address - y.address);
      for (let i = 1; i < sorted.length; i++)
        assert.ok(sorted[i - 1]!.end <= sorted[i]!.address, 'no overlap');
      const [mine, theirs] = buffers as [SvmBuffer, SvmBuffer];
      assert.equal(b.mirror.query(mine.address), undefined);
      const taken = b.mirror.plan(4096, { place: { at: mine.address } });
      assert.equal(taken.ok, false, 'a place of the one is taken for the other');
      await Promise.all([works(a, mine), works(b, theirs)]);

      // Neither device reaches the other's buffers, nor is a buffer or kernel of the one good for the other.
      const store = b.program.kernel('storeAt', ['pointer', 'i32']);
      await assert.rejects(
        b.wasm.queue.launch(store, { items: 1, args: [mine.address, -1] }).done,
        DeviceFault,
      );
      assert.equal(wordOf(mine), 1000);
      assert.throws(() => b.wasm.queue.launch(store, { items: 1, args: [mine, -1] }), RangeError);
      assert.throws(() => a.wasm.queue.launch(store, { items: 1, args: [mine, -1] }), RangeError);

      process.kill(a.wasm.pid, 'SIGKILL');
      await awake(a.wasm.lost);
      await works(b, theirs);
      await a.wasm.reopen();
      await works(a, mine);

      await a.mirror.close();
      await works(b, theirs);
      assert.equal(wordOf(theirs), 3000);
      // What the one had is free for the other.
      await collect();
      const there = b.mirror.alloc(4096, { place: { at: mine.address } });
      await works(b, there);
    } finally {
      await a.mirror.close();
      await b.mirror.close();
    }
  });
});

describe('a mirror in a worker thread', () => {
  interface Said {
    readonly pid: number;
    readonly counted: number;
    readonly address: number;
  }

  function startWorker(closes: boolean): { worker: Worker; said: Promise<Said>; exited: Promise<unknown[]> } {
    const name = `worker-${process.pid}-${names++}`;
    // Not the loaders of this process: the program is plain JavaScript.
    const worker = new Worker(program, { workerData: { name, closes }, execArgv: [] });
    const said = once(worker, 'message').then(([message]) => message as Said);
    return { worker, said, exited: once(worker, 'exit') };
  }

  test('opens, launches and closes, beside one in the main thread and one in another worker', async () => {
    const on = await open();
    try {
      const counter = on.mirror.alloc(4);
      await works(on, counter);
      // The first worker brings things that stay, such as the handle of a library.
      const first = startWorker(true);
      await first.said;
      await first.exited;
      await collect();
      const before = holdings();
      const two = [startWorker(true), startWorker(true)];
      for (const { said, exited } of two) {
        const { pid, counted, address } = await said;
        assert.equal(counted, 1000);
        assert.notEqual(address, counter.address);
        assert.deepEqual(await exited, [0]);
        await eventually('the end of its device', () => !isRunning(pid));
      }
      await works(on, counter);
      await assertAsBefore(before, { vmas: 200, rss: 64 * MiB });
    } finally {
      await on.mirror.close();
    }
  });

  test('loses its device when the worker is terminated with a kernel running, and the host goes on', async () => {
    const { worker, said } = startWorker(false);
    const { pid } = await said;
    assert.ok(isRunning(pid));
    await worker.terminate();
    await eventually('the end of its device', () => !isRunning(pid));
    const on = await open();
    try {
      await works(on, on.mirror.alloc(4));
    } finally {
      await on.mirror.close();
    }
  });
});

describe('a host with three mirrors, one of them in a worker, leaves nothing', () => {
  for (const [ending, status] of [
    ['return', 0],
    ['exit', 3],
    ['uncaught', 1],
    ['SIGTERM', 'SIGTERM'],
    ['SIGKILL', 'SIGKILL'],
  ] as const)
    test(`by ${ending}${ending === 'return' ? '' : ', kernels running'}`, async () => {
      const disk = filesOnDisk();
      const name = `many-${process.pid}-${names++}`;
      const child = spawn(process.execPath, [fileURLToPath(program), name, ending], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const exited = once(child, 'exit');
      let text = '';
      child.stdout.on('data', (more) => {
        text += more;
      });
      await eventually(
        `the devices of ${name}`,
        () => text.includes('\n') || child.exitCode !== null,
        30_000,
      );
      const devices = JSON.parse(text) as number[];
      assert.equal(devices.length, 3);
      if (ending.startsWith('SIG')) {
        assert.ok(devices.every(isRunning));
        child.kill(ending as NodeJS.Signals);
      }
      await exited;
      assert.equal(child.signalCode ?? child.exitCode, status);
      await eventually('the end of the devices', () => !devices.some(isRunning));
      assert.deepEqual(filesOnDisk(), disk);
    });
});
