/**
 * A JavaScript kernel on ordinary memory of the host, which nobody allocated for it, beside the same function in a worker
 * thread that is sent the array by postMessage, which copies it as structuredClone does. Twice: where the host has stored
 * to all of it since the last time, so that the device fetches all; and where it has not.
 *
 * @module
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openMirror, processDevice } from '../dist/index.js';
import { beside, median, type Row, rounded } from './rows.ts';

const MiB = 2 ** 20;
const COUNT = (64 * MiB) / 8;

export async function systemKernel(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 3 : 15;
  const values = new Float64Array(COUNT);
  await using mirror = await openMirror({
    devices: { proc: processDevice({ cores: 1, system: 'read' }) },
  });
  const { proc } = mirror.devices;
  const program = await proc.load(new URL('./peers/sum-kernel.mjs', import.meta.url));
  const sum = program.kernel('sum', ['pointer', 'f64', 'pointer']);
  const out = mirror.alloc(8);
  const worker = new Worker(new URL('./peers/sum-worker.mjs', import.meta.url));
  using pin = mirror.pin(values);
  let filled = 0;

  async function onDevice(): Promise<number> {
    await proc.queue.launch(sum, { items: 1, args: [pin.address, COUNT, out] }).done;
    return out.view(Float64Array)[0]!;
  }

  async function inWorker(): Promise<number> {
    const answer = once(worker, 'message');
    worker.postMessage(values);
    return (await answer)[0] as number;
  }

  async function timed(run: () => Promise<number>): Promise<number> {
    const start = performance.now();
    const total = await run();
    const time = performance.now() - start;
    if (total !== filled * COUNT) throw new Error(`the sum is ${total}, and should be ${filled * COUNT}`);
    return time;
  }

  /** Median milliseconds of both, who take turns. */
  async function both(change: boolean): Promise<[number, number]> {
    const times: [number[], number[]] = [[], []];
    for (let round = -2; round < rounds; round++) {
      for (const [which, run] of [onDevice, inWorker].entries()) {
        if (change) values.fill(++filled);
        const time = await timed(run);
        if (round >= 0) times[which]!.push(time);
      }
    }
    return [median(times[0]), median(times[1])];
  }

  const rows: Row[] = [];
  for (const [what, change] of [
    ['after the host has written all of it', true],
    ['again, unchanged', false],
  ] as const) {
    const [ours, theirs] = await both(change);
    const row = {
      group: 'system SVM',
      what: `sum of 64 MiB of doubles, ${what}`,
      unit: 'ms',
      ours: rounded(ours),
    };
    rows.push(beside(row, 'a worker, structuredClone', theirs));
  }
  await worker.terminate();
  return rows;
}
