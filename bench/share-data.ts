/**
 * Data handed from one process to another, from the last store there to the first read here: a tree of a million nodes
 * linked by pointers, and a gigabyte of floats. Beside what Node has for that: messages of processes and workers, the
 * results of piscina's tasks, `structuredClone`, and the memory of shm-typed-array where that could be installed.
 * Messages take the time of copying; shared memory that of waking up.
 *
 * @module
 */
import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { once } from 'node:events';
import { freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { GiB, MiB, type Mirror, type SvmBuffer } from '../dist/index.js';
import Piscina from './peers/piscina.ts';
import { Node, objects, type TreeNode } from './peers/share-nodes.mjs';
import { shm } from './peers/shm.ts';
import { beside, median, type Row, rounded } from './rows.ts';

const group = 'sharing';
const memberProgram = fileURLToPath(new URL('./peers/share-child.mjs', import.meta.url));
const plainProgram = fileURLToPath(new URL('./peers/share-plain.mjs', import.meta.url));
const poolProgram = fileURLToPath(new URL('./peers/share-pool.mjs', import.meta.url));

/** A process that has attached. */
export async function startChild(mirror: Mirror): Promise<ChildProcess> {
  const child = fork(memberProgram, [JSON.stringify(mirror.share())], { execArgv: [] });
  await once(child, 'message');
  return child;
}

export async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

export async function repeated(times: number, once: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push(await once());
  return rounded(median(all));
}

const now = (): number => Number(process.hrtime.bigint());

/** Milliseconds from the other process's last store to `read` here. */
async function fromMember(
  mirror: Mirror,
  size: number,
  message: object,
  read: (data: SvmBuffer) => void,
): Promise<number> {
  const words = mirror.alloc(4096, { name: 'words' });
  const data = mirror.alloc(size, { name: 'data' });
  const flag = words.view(Int32Array);
  // Making the first view takes time by the size: once for a buffer, whatever comes through it.
  data.bytes;
  const child = await startChild(mirror);
  try {
    const said = once(child, 'message') as Promise<[{ value: number }]>;
    child.send(message);
    while (flag[64] === 0) await mirror.waitAsync(words.address + 256, 0);
    read(data);
    const end = now();
    const [{ value }] = await said;
    return (end - value) / 1e6;
  } finally {
    await kill(child);
    data.free();
    words.free();
  }
}

/** Milliseconds from when the sender began to send until the receiver has read. */
async function fromPlain<T>(
  message: Serializable,
  serialization: 'json' | 'advanced',
  read: (data: T) => void,
): Promise<number> {
  const child = fork(plainProgram, [], { execArgv: [], serialization });
  try {
    const answered = once(child, 'message') as Promise<[{ start: number; data: T }]>;
    child.send(message);
    const [{ start, data }] = await answered;
    read(data);
    return (now() - start) / 1e6;
  } finally {
    await kill(child);
  }
}

async function fromWorker<T>(task: object, read: (data: T) => void): Promise<number> {
  const worker = new Worker(poolProgram, { workerData: task });
  const [{ start, data }] = (await once(worker, 'message')) as [{ start: number; data: T }];
  read(data);
  const taken = (now() - start) / 1e6;
  await worker.terminate();
  return taken;
}

async function fromPool<T>(task: object, read: (data: T) => void): Promise<number> {
  const pool = new Piscina({ filename: poolProgram, maxThreads: 1 });
  const { start, data } = (await pool.run(task)) as { start: number; data: T };
  read(data);
  const taken = (now() - start) / 1e6;
  await pool.destroy();
  return taken;
}

async function cloned<T>(data: T, read: (data: T) => void): Promise<number> {
  const start = now();
  read(structuredClone(data));
  return (now() - start) / 1e6;
}

function check(ok: boolean): void {
  if (!ok) throw new Error('what came is not what was sent');
}

/** The sum over a tree in mirrored memory: follows every pointer. */
function sumOf(mirror: Mirror, root: number): number {
  const node = Node.in(mirror).at(root);
  const open = [root];
  let sum = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    node.move(at);
    sum += node.value;
    if (node.left) open.push(node.left);
    if (node.right) open.push(node.right);
  }
  return sum;
}

export async function nodesHandedOver(mirror: Mirror, quick: boolean): Promise<Row[]> {
  const count = quick ? 100_000 : 1_000_000;
  const times = quick ? 1 : 3;
  const middle = count >>> 1;
  const size = count * 24;
  const ours = await repeated(quick ? 1 : 5, () =>
    fromMember(mirror, size, { task: 'nodes', count }, ({ address }) => {
      const node = Node.in(mirror).at(address + middle * 24);
      check(node.value === middle);
      node.move(node.left);
      check(node.value === middle >>> 1);
    }),
  );
  await verified(mirror, count);
  const read = (tree: TreeNode): void => check(tree.left!.value === middle >>> 1);
  const task = { task: 'objects', count };
  const row = {
    group,
    what: `a tree of ${count} nodes from another process, last store there to first read here`,
    unit: 'ms',
    ours,
    target: 'over 100x less than the peer',
  };
  return [
    beside(row, 'process.send', await repeated(times, () => fromPlain(task, 'json', read))),
    beside(
      row,
      "process.send, serialization: 'advanced'",
      await repeated(times, () => fromPlain(task, 'advanced', read)),
    ),
    beside(row, 'postMessage from a worker', await repeated(times, () => fromWorker(task, read))),
    beside(row, 'the result of a task of piscina', await repeated(times, () => fromPool(task, read))),
    beside(row, 'structuredClone', await repeated(times, () => cloned(objects(0, count)!, read))),
  ];
}

/** The whole tree has come, not only its root. */
async function verified(mirror: Mirror, count: number): Promise<void> {
  await fromMember(mirror, count * 24, { task: 'nodes', count }, ({ address }) => {
    check(sumOf(mirror, address + (count >>> 1) * 24) === (count * (count - 1)) / 2);
  });
}

export async function floatsHandedOver(mirror: Mirror, quick: boolean): Promise<Row[]> {
  const size = quick || freemem() < 6 * GiB ? 128 * MiB : 1 * GiB;
  const times = quick ? 1 : 3;
  const last = size / 8 - 1;
  const read = (floats: Float64Array): void => check(floats.length === last + 1 && floats[last] === 1.5);
  const row = {
    group,
    what: `${size / MiB} MiB of floats from another process, last store there to first read here`,
    unit: 'ms',
    ours: await repeated(times, () =>
      fromMember(mirror, size, { task: 'fill' }, () =>
        read(
          mirror
            .buffers()
            .find(({ name }) => name === 'data')!
            .view(Float64Array),
        ),
      ),
    ),
  };
  const task = { task: 'floats', size };
  const rows = [
    beside(
      row,
      "process.send, serialization: 'advanced'",
      await repeated(1, () => fromPlain(task, 'advanced', read)),
    ),
    beside(row, 'postMessage from a worker', await repeated(times, () => fromWorker(task, read))),
    beside(row, 'the result of a task of piscina', await repeated(times, () => fromPool(task, read))),
    beside(
      row,
      'structuredClone',
      await repeated(times, () => cloned(new Float64Array(size / 8).fill(1.5), read)),
    ),
  ];
  if (shm)
    rows.push(beside(row, 'shm-typed-array and process.send', await repeated(times, () => fromShm(size))));
  return rows;
}

/** The floats lie in a System V segment; a message says that they are there. */
async function fromShm(size: number): Promise<number> {
  const floats = shm!.create(size / 8, 'Float64Array') as (Float64Array & { key: number }) | null;
  if (!floats) throw new Error('shm-typed-array has no memory');
  const child = fork(plainProgram, [], { execArgv: [] });
  try {
    const answered = once(child, 'message') as Promise<[{ start: number }]>;
    child.send({ task: 'shm', key: floats.key });
    const [{ start }] = await answered;
    check(floats[floats.length - 1] === 1.5);
    return (now() - start) / 1e6;
  } finally {
    await kill(child);
    shm!.destroy(floats.key);
  }
}
