/**
 * From launch to done, an empty kernel: beside the round trip of a message to a worker thread, and a task of piscina.
 * `done` is awaited, so both go through the event loop; `wait` blocks and does not.
 *
 * @module
 */
import { Worker } from 'node:worker_threads';
import { openMirror, processDevice, wasmDevice } from '../dist/index.js';
import Piscina from './peers/piscina.ts';
import { beside, median, type Row, rounded } from './rows.ts';

const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);

/** Milliseconds until a device is hot: compilers' and collectors' threads have done most of what they do. */
const WARM_UP = 400;

/** Median microseconds of one round trip, over several rounds that begin when all is hot. */
async function roundTrip(rounds: number, trips: number, once: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (const hot = performance.now() + WARM_UP; performance.now() < hot; ) await once();
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < trips; i++) await once();
    times.push(((performance.now() - start) * 1000) / trips);
  }
  return median(times);
}

/** The same on a device whose kernels are JavaScript. */
async function processLatency(rounds: number, trips: number): Promise<number> {
  const mirror = await openMirror({ devices: { proc: processDevice({ cores: 1 }) } });
  const { proc } = mirror.devices;
  const program = await proc.load(new TextEncoder().encode('export function nothing() {}'));
  const kernel = program.kernel('nothing', []);
  const done = await roundTrip(rounds, trips, () => proc.queue.launch(kernel, { items: 1, args: [] }).done);
  await mirror.close();
  return done;
}

export async function launchLatency(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 9 : 15;
  const trips = quick ? 500 : 2000;
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const { wasm } = mirror.devices;
  const kernel = (await wasm.load(kernels)).kernel('nothing', []);
  const done = await roundTrip(rounds, trips, () => wasm.queue.launch(kernel, { items: 1, args: [] }).done);
  const wait = await roundTrip(rounds, trips, async () =>
    wasm.queue.launch(kernel, { items: 1, args: [] }).wait(),
  );
  const batch = await roundTrip(rounds, Math.ceil(trips / 100), async () => {
    for (let i = 0; i < 999; i++) wasm.queue.launch(kernel, { items: 1, args: [] });
    await wasm.queue.launch(kernel, { items: 1, args: [] }).done;
  });
  await mirror.close();
  const process = await processLatency(rounds, trips);

  const worker = new Worker(
    "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m));",
    { eval: true },
  );
  const message = await roundTrip(rounds, trips, () => {
    const answer = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage(1);
    return answer;
  });
  await worker.terminate();
  const pool = new Piscina({
    filename: new URL('./peers/empty-task.mjs', import.meta.url).href,
    maxThreads: 1,
  });
  const task = await roundTrip(rounds, trips, () => pool.run(1));
  await pool.destroy();

  const row = (what: string, ours: number): Omit<Row, 'peer' | 'theirs' | 'ratio'> => ({
    group: 'launch',
    what,
    unit: 'us',
    ours: rounded(ours),
    target: '4x under the peer',
  });
  const batched: Row = {
    group: 'launch',
    what: 'empty kernel in a batch of 1,000',
    unit: 'us',
    ours: rounded(batch / 1000),
  };
  return [
    beside(row('empty kernel, await done', done), 'worker postMessage round trip', message),
    beside(row('empty kernel, await done', done), 'piscina task', task),
    beside(row('empty kernel, wait()', wait), 'worker postMessage round trip', message),
    beside(
      row('process device: empty kernel, await done', process),
      'worker postMessage round trip',
      message,
    ),
    batched,
  ];
}
