/**
 * A kernel that follows a million pointers in an order that no prefetcher guesses, beside the same loop in C -O2 over
 * the same list, in a process of its own; on one core, and on two that each follow all of it.
 *
 * @module
 */
import { openMirror, wasmDevice } from '../dist/index.js';
import { runPeer } from './c-peer.ts';
import { beside, median, type Row, rounded } from './rows.ts';

const COUNT = 1_000_000;
const STEP = 618_033;
const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);

async function onCores(cores: number, rounds: number): Promise<Row> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores }) } });
  const { wasm } = mirror.devices;
  const follow = (await wasm.load(kernels)).kernel('follow', ['pointer', 'pointer']);
  const list = mirror.alloc(COUNT * 16, { name: 'list' });
  const out = mirror.alloc(64, { name: 'out' });
  const words = list.view(Uint32Array);
  for (let i = 0, at = 0; i < COUNT; i++, at = (at + STEP) % COUNT) {
    words[at * 4] = i % 1000;
    words[at * 4 + 2] = i === COUNT - 1 ? 0 : list.address + ((at + STEP) % COUNT) * 16;
  }
  const times: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const command = wasm.queue.launch(follow, { items: cores, chunk: 1, args: [list, out] });
    await command.done;
    if (round >= 0) times.push((command.times.finished! - command.times.started!) * 1e6);
  }
  const sum = out.view(BigInt64Array)[0];
  await mirror.close();

  const row: Row = {
    group: 'kernels',
    what: `following 1e6 pointers, ${cores === 1 ? 'one core' : `each of ${cores} cores`}`,
    unit: 'ms',
    ours: rounded(median(times) / 1e6),
    target: '0.9x of C or better',
  };
  const peer = runPeer('follow', COUNT, STEP, rounds, cores);
  if (!peer) return { ...row, peer: 'C -O2 (no C compiler here)' };
  const [time, theirSum] = peer;
  if (BigInt(theirSum!) !== sum) throw new Error(`the peer's sum is ${theirSum}, ours ${sum}`);
  return beside(row, 'the same loop in C -O2', Number(time) / 1e6);
}

export async function pointerFollowing(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 5 : 25;
  return [await onCores(1, rounds), await onCores(2, rounds)];
}
