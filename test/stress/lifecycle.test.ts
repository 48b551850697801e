/**
 * Lives of mirrors, many of them: opened and closed in every way, several in one process, some in worker threads.
 * Afterwards processes, descriptors, mappings, memory and disk are as before, by what /proc says.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DeviceFault, DeviceLost, type SvmBuffer } from 'mirrorspace';
import { collect, filesOnDisk, holdings } from '../fixtures/leaks.ts';
import {
  assertAsBefore,
  awake,
  full,
  generator,
  MiB,
  newName,
  open,
  pause,
  SEED,
  wordOf,
  works,
} from '../fixtures/many-mirrors.ts';
import { eventually, isRunning } from '../fixtures/proc.ts';

const OPENINGS = full ? 1000 : 60;

const program = new URL('../fixtures/programs/many-mirrors.mjs', import.meta.url);

test(`${OPENINGS} mirrors opened and closed leave processes, descriptors, mappings, memory and disk as before`, async () => {
  const random = generator(SEED + 1);
  const first = holdings();
  const disk = filesOnDisk();

  /** One life, in one of the ways in which it may go. */
  async function live(): Promise<void> {
    const on = await open({ cores: 1 + random(2) });
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
    const name = newName('worker');
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

  test('is cleared up after by the next mirror when the worker is terminated with a kernel running', async () => {
    const warm = startWorker(true);
    await warm.said;
    await warm.exited;
    await collect();
    const before = holdings();
    for (let round = 0; round < 3; round++) {
      const { worker, said } = startWorker(false);
      const { pid } = await said;
      assert.ok(isRunning(pid));
      await worker.terminate();
      await eventually('the end of its device', () => !isRunning(pid));
      assert.ok(holdings().ours > before.ours, 'the thread could not close its descriptors');
      const on = await open();
      try {
        await works(on, on.mirror.alloc(4));
      } finally {
        await on.mirror.close();
      }
      // Its buffers' addresses stay taken, by zero pages: a view may have been transferred elsewhere.
      await assertAsBefore(before, { vmas: 200, rss: 64 * MiB });
    }
  });

  test('is cleared up after once, though several threads open mirrors at the same time', async () => {
    const warm = startWorker(true);
    await warm.said;
    await warm.exited;
    await collect();
    const before = holdings();
    for (let round = 0; round < 3; round++) {
      const dead = [startWorker(false), startWorker(false), startWorker(false)];
      for (const { worker, said } of dead) {
        const { pid } = await said;
        await worker.terminate();
        await eventually('the end of its device', () => !isRunning(pid));
      }
      const live = [1, 2, 3, 4].map(() => startWorker(true));
      for (const { said, exited } of live) {
        assert.equal((await said).counted, 1000);
        assert.deepEqual(await exited, [0]);
      }
      await assertAsBefore(before, { vmas: 200, rss: 64 * MiB });
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
      const name = newName('many');
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
