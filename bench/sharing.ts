/**
 * Sharing between processes: a ping-pong over two words, a counter under a lock from four processes, and data handed
 * over (share-data.ts), beside what Node has for that: messages to a process, messages to a worker, piscina, a
 * SharedArrayBuffer.
 *
 * @module
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Mirror, openMirror } from '../dist/index.js';
import Piscina from './peers/piscina.ts';
import { beside, type Row } from './rows.ts';
import { floatsHandedOver, kill, nodesHandedOver, repeated, startChild } from './share-data.ts';

const group = 'sharing';
const poolProgram = fileURLToPath(new URL('./peers/share-pool.mjs', import.meta.url));
const threadProgram = new URL('./peers/share-thread.mjs', import.meta.url);

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
  await kill(child);
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
  await Promise.all(children.map(kill));
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
    await kill(child);
    words.free();
    rows.push(beside(trip, 'process.send and back', toChild));
    const pool = new Piscina({ filename: poolProgram, maxThreads: 1 });
    const toPool = await repeated(times, () =>
      echo(
        () => {},
        () => pool.run({ task: 'echo' }),
        rounds / 4,
      ),
    );
    await pool.destroy();
    rows.push(beside(trip, 'an empty task of piscina', toPool));

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

    rows.push(...(await nodesHandedOver(mirror, quick)), ...(await floatsHandedOver(mirror, quick)));
  } finally {
    await mirror.close();
  }
  return rows;
}
