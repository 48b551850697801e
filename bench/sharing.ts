/**
 * Sharing between processes: a ping-pong over two words, a counter under a lock from four processes, and a gigabyte of
 * floats handed over, beside what Node has for that: messages to a process, messages to a worker, a SharedArrayBuffer.
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { GiB, MiB, type Mirror, openMirror } from '../dist/index.js';
import { beside, median, type Row, rounded } from './rows.ts';

const group = 'sharing';
const childProgram = fileURLToPath(new URL('./peers/share-child.mjs', import.meta.url));
const threadProgram = new URL('./peers/share-thread.mjs', import.meta.url);

async function startChild(mirror: Mirror): Promise<ChildProcess> {
  const child = fork(childProgram, [JSON.stringify(mirror.share())], { execArgv: [] });
  await once(child, 'message');
  return child;
}

/** Microseconds of a round trip: half of the rounds warm up. */
async function pingPong(mirror: Mirror, rounds: number): Promise<number> {
  const buffer = mirror.alloc(4096, { name: 'words' });
  const words = buffer.view(Int32Array);
  const child = await startChild(mirror);
  child.send({ task: 'pong', rounds });
  let start = 0n;
  for (let round = 1; round <= rounds; round++) {
    if (round === rounds / 2 + 1) start = process.hrtime.bigint();
    Atomics.store(words, 0, round);
    mirror.notify(buffer.address, 1);
    while (Atomics.load(words, 16) !== round) mirror.wait(buffer.address + 64, round - 1);
  }
  const taken = Number(process.hrtime.bigint() - start) / (rounds / 2) / 1000;
  child.kill('SIGKILL');
  await once(child, 'exit');
  buffer.free();
  return taken;
}

async function echo(
  send: (message: number) => void,
  answered: () => Promise<unknown>,
  rounds: number,
): Promise<number> {
  let start = 0n;
  for (let round = 0; round < rounds; round++) {
    if (round === rounds / 2) start = process.hrtime.bigint();
    const answer = answered();
    send(round);
    await answer;
  }
  return Number(process.hrtime.bigint() - start) / (rounds / 2) / 1000;
}

/** Nanoseconds of an increment, four at once. */
async function lockedCounter(mirror: Mirror, rounds: number): Promise<number> {
  const buffer = mirror.alloc(4096, { name: 'words' });
  const words = buffer.view(Int32Array);
  const children = await Promise.all([0, 1, 2, 3].map(() => startChild(mirror)));
  for (const child of children) child.send({ task: 'count', rounds });
  while (Atomics.load(words, 48) < 4) await new Promise((resolve) => setTimeout(resolve, 1));
  const done = Promise.all(children.map((child) => once(child, 'message')));
  const start = process.hrtime.bigint();
  Atomics.store(words, 49, 1);
  await done;
  const taken = Number(process.hrtime.bigint() - start) / (4 * rounds);
  if (words[50] !== 4 * rounds) throw new Error(`the lock let ${words[50]} of ${4 * rounds} through`);
  for (const child of children) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  buffer.free();
  return taken;
}

async function lockedCounterInThreads(rounds: number): Promise<number> {
  const words = new Int32Array(new SharedArrayBuffer(4096));
  const workers = [0, 1, 2, 3].map(
    () => new Worker(threadProgram, { workerData: { task: 'count', words, rounds } }),
  );
  while (Atomics.load(words, 48) < 4) await new Promise((resolve) => setTimeout(resolve, 1));
  const done = Promise.all(workers.map((worker) => once(worker, 'message')));
  const start = process.hrtime.bigint();
  Atomics.store(words, 49, 1);
  await done;
  const taken = Number(process.hrtime.bigint() - start) / (4 * rounds);
  if (words[50] !== 4 * rounds) throw new Error(`the lock let ${words[50]} of ${4 * rounds} through`);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return taken;
}

/** Milliseconds from the other side's last store to the first read here. */
async function handOver(mirror: Mirror, size: number): Promise<number> {
  const flag = mirror.alloc(4096, { name: 'words' });
  const floats = mirror.alloc(size, { name: 'floats' });
  const view = floats.view(Float64Array);
  const child = await startChild(mirror);
  const said = once(child, 'message') as Promise<[{ value: number }]>;
  child.send({ task: 'fill' });
  while (flag.view(Int32Array)[64] === 0) await mirror.waitAsync(flag.address + 256, 0);
  if (view[view.length - 1] !== 1.5) throw new Error('the floats have not come');
  const end = Number(process.hrtime.bigint());
  const [{ value }] = await said;
  child.kill('SIGKILL');
  await once(child, 'exit');
  floats.free();
  flag.free();
  return (end - value) / 1e6;
}

async function handOverToThread(size: number): Promise<number> {
  const worker = new Worker(threadProgram, { workerData: { task: 'fill', size } });
  const [{ start, floats }] = (await once(worker, 'message')) as [{ start: number; floats: Float64Array }];
  if (floats[floats.length - 1] !== 1.5) throw new Error('the floats have not come');
  const end = Number(process.hrtime.bigint());
  await worker.terminate();
  return (end - start) / 1e6;
}

async function repeated(times: number, once: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push(await once());
  return rounded(median(all));
}

export async function sharing(quick: boolean): Promise<Row[]> {
  const times = quick ? 1 : 5;
  const rounds = quick ? 2000 : 20_000;
  const mirror = await openMirror({ devices: {}, name: 'bench' });
  mirror.share();
  const rows: Row[] = [];
  try {
    const ours = await repeated(times, () => pingPong(mirror, rounds));
    const trip = { group, what: 'ping-pong of two processes, wait and notify', unit: 'us', ours };
    const worker = new Worker(threadProgram, { workerData: { task: 'echo' } });
    const toWorker = await repeated(times, () =>
      echo(
        (message) => worker.postMessage(message),
        () => once(worker, 'message'),
        rounds / 4,
      ),
    );
    await worker.terminate();
    rows.push(beside(trip, 'postMessage to a worker and back', toWorker));
    const words = mirror.alloc(4096, { name: 'words' });
    const child = await startChild(mirror);
    child.send({ task: 'echo' });
    await once(child, 'message');
    const toChild = await repeated(times, () =>
      echo(
        (message) => child.send(message),
        () => once(child, 'message'),
        rounds / 4,
      ),
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    words.free();
    rows.push(beside(trip, 'process.send and back', toChild));

    const counts = quick ? 20_000 : 200_000;
    const counter = {
      group,
      what: 'counter under a lock, from four processes, one increment',
      unit: 'ns',
      ours: await repeated(times, () => lockedCounter(mirror, counts)),
    };
    rows.push(
      beside(
        counter,
        'a lock over a SharedArrayBuffer, four workers (not robust)',
        await repeated(times, () => lockedCounterInThreads(counts)),
      ),
    );

    const size = quick || freemem() < 6 * GiB ? 128 * MiB : 1 * GiB;
    const handed = {
      group,
      what: `${size / MiB} MiB of floats, last store there to first read here`,
      unit: 'ms',
      ours: await repeated(Math.min(times, 3), () => handOver(mirror, size)),
    };
    rows.push(
      beside(
        handed,
        'postMessage from a worker',
        await repeated(Math.min(times, 3), () => handOverToThread(size)),
      ),
    );
    const floats = new Float64Array(size / 8).fill(1.5);
    const clone = await repeated(Math.min(times, 3), async () => {
      const start = performance.now();
      if (structuredClone(floats)[size / 8 - 1] !== 1.5) throw new Error('no clone');
      return performance.now() - start;
    });
    rows.push(beside(handed, 'structuredClone', clone));
  } finally {
    await mirror.close();
  }
  return rows;
}
