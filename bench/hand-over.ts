/**
 * Handing a tree of a million nodes to someone else: from the host's last store to the device's first result, beside
 * `structuredClone`, JSON and `postMessage` of the same tree as JavaScript objects. The nodes lie in mirrored memory,
 * linked by address, so nothing is handed over but a pointer.
 *
 * @module
 */
import { Worker } from 'node:worker_threads';
import { openMirror, wasmDevice } from '../dist/index.js';
import { beside, median, type Row, rounded } from './rows.ts';

const COUNT = 1_000_000;
const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);

interface TreeNode {
  value: number;
  left: TreeNode | null;
  right: TreeNode | null;
}

/** A balanced tree over [low, high), as objects. */
function objects(low: number, high: number): TreeNode | null {
  if (low >= high) return null;
  const middle = (low + high) >>> 1;
  return { value: middle, left: objects(low, middle), right: objects(middle + 1, high) };
}

/** The same tree in memory: node i at `base + 32 i`; gives the address of its root, or 0. */
function mirrored(words: Uint32Array, base: number, low: number, high: number): number {
  if (low >= high) return 0;
  const middle = (low + high) >>> 1;
  const at = middle * 8;
  words[at] = middle;
  words[at + 2] = mirrored(words, base, low, middle);
  words[at + 4] = mirrored(words, base, middle + 1, high);
  return base + middle * 32;
}

export async function handOver(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 3 : 7;
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const { wasm } = mirror.devices;
  const load = (await wasm.load(kernels)).kernel('loadAt', ['pointer', 'pointer']);
  const out = mirror.alloc(4096, { name: 'out' });
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    // A fresh buffer each round: the device has seen none of its pages.
    const tree = mirror.alloc(COUNT * 32, { name: 'tree' });
    const words = tree.view(Uint32Array);
    const root = mirrored(words, tree.address, 0, COUNT);
    words[(root - tree.address) / 4] = round + 1000;
    const start = performance.now();
    await wasm.queue.launch(load, { items: 1, args: [root, out] }).done;
    if (round >= 0) times.push(performance.now() - start);
    if (out.view(Int32Array)[0] !== round + 1000) throw new Error('the device saw something else');
    tree.free();
  }
  await mirror.close();

  const tree = objects(0, COUNT);
  const timed = async (once: () => unknown): Promise<number> => {
    const all: number[] = [];
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      const start = performance.now();
      await once();
      all.push(performance.now() - start);
    }
    return median(all);
  };
  const worker = new Worker(
    "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m.value));",
    { eval: true },
  );
  const row = {
    group: 'hand-over',
    what: 'a tree of 1e6 nodes, last store to first result',
    unit: 'ms',
    ours: rounded(median(times)),
    target: 'over 100x less than the peer',
  };
  const rows = [
    beside(row, 'structuredClone', await timed(() => structuredClone(tree))),
    beside(row, 'JSON.stringify + parse', await timed(() => JSON.parse(JSON.stringify(tree)))),
    beside(
      row,
      'postMessage to a worker and back',
      await timed(() => {
        const answer = new Promise((resolve) => worker.once('message', resolve));
        worker.postMessage(tree);
        return answer;
      }),
    ),
  ];
  await worker.terminate();
  return rows;
}
