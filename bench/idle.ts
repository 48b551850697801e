/**
 * From launch to done where the device's cores are asleep, beside a bare futex wake-up between two processes in C: what
 * the kernel takes to bring a sleeping thread up is in both, and on an idle machine it is most of it. The host blocks in
 * `wait()`, as the peer does by looking; and awaits `done`, which goes through a sleeping event loop. The same wake-up
 * between two processes of Node, through the foreign function interface, tells how much of it is Node.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openMirror, wasmDevice } from '../dist/index.js';
import { SharedMemory } from '../src/engine/shared-memory.ts';
import { futexWake } from '../src/linux/futex.ts';
import { runPeer } from './c-peer.ts';
import { beside, median, type Row, rounded } from './rows.ts';

const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);
/** Milliseconds between two launches: cores look for 0.05 ms, the event loop for 0.1, before they sleep. */
const PAUSE = 3;

/** Microseconds of a bare wake-up between two processes of Node. */
async function wakeThroughFfi(rounds: number, pause: () => void): Promise<number> {
  const { i32, address, fd } = SharedMemory.create('bench-wake', 4096);
  const program = fileURLToPath(new URL('./peers/wake-sleeper.ts', import.meta.url));
  const sleeper = spawn(process.execPath, ['--import', 'tsx', program], {
    stdio: ['ignore', 'ignore', 'inherit', fd],
  });
  Atomics.store(i32, 64, -1);
  while (Atomics.load(i32, 64) !== 0) await sleep(1);
  let round = 0;
  const wake = (): number => {
    const start = performance.now();
    Atomics.store(i32, 0, ++round);
    futexWake(address, 1);
    while (Atomics.load(i32, 64) !== round);
    return (performance.now() - start) * 1000;
  };
  for (let i = 0; i < 2000; i++) wake();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    pause();
    times.push(wake());
  }
  sleeper.kill('SIGKILL');
  return median(times);
}

export async function idleLaunch(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 100 : 1000;
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const { wasm } = mirror.devices;
  const kernel = (await wasm.load(kernels)).kernel('nothing', []);
  const launch = () => wasm.queue.launch(kernel, { items: 1, args: [] });
  const word = new Int32Array(new SharedArrayBuffer(4));
  const pause = (): void => {
    Atomics.wait(word, 0, 0, PAUSE);
  };
  for (let i = 0; i < 2000; i++) launch().wait();

  const blocking: number[] = [];
  for (let i = 0; i < rounds; i++) {
    pause();
    const start = performance.now();
    launch().wait();
    blocking.push((performance.now() - start) * 1000);
  }
  const awaited: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await sleep(PAUSE);
    const start = performance.now();
    await launch().done;
    awaited.push((performance.now() - start) * 1000);
  }
  await mirror.close();

  const row = (what: string, times: readonly number[], target?: string): Row => ({
    group: 'launch',
    what,
    unit: 'us',
    ours: rounded(median(times)),
    ...(target ? { target } : {}),
  });
  const rows = [
    row('idle device: empty kernel, wait()', blocking, 'at most 1.5x'),
    row('idle device: empty kernel, await done', awaited),
  ];
  const { target: _, ...blocked } = rows[0]!;
  const inNode = beside(
    blocked,
    'bare futex wake-up through the same FFI',
    await wakeThroughFfi(rounds, pause),
  );
  const peer = runPeer('wake', rounds, PAUSE * 1000);
  if (!peer)
    return [...rows.map((each) => ({ ...each, peer: 'futex wake-up in C (no C compiler here)' })), inNode];
  return [...rows.map((each) => beside(each, 'bare futex wake-up in C', Number(peer[0]) / 1000)), inNode];
}
