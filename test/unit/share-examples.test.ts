/**
 * The programs of examples/sharing, docs/sharing.md and docs/coming-from.md do what is said of them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { openMirror, SharedChannel, SharedMutex } from 'mirrorspace';
import { f64, pointer, struct } from 'mirrorspace/layout';

const run = promisify(execFile);
const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/sharing/${name}`, import.meta.url));

/** The programs of a page, one text for each block. */
function programs(name: string): string[] {
  const page = readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  return [...page.matchAll(/```(?:ts|js)\n([\s\S]*?)```/g)].map(([, text]) => text!);
}

const blocks = [...programs('sharing.md'), ...programs('coming-from.md')];
const LIBRARY = JSON.stringify(import.meta.resolve('mirrorspace'));

/** The block that has such a text. */
function block(part: string): string {
  const found = blocks.filter((text) => text.includes(part));
  assert.equal(found.length, 1, part);
  return found[0]!;
}

const AsyncFunction = (async () => {}).constructor as new (
  ...parameters: string[]
) => (...values: unknown[]) => Promise<unknown>;

test('a producer and two consumers pass on every reading once', async () => {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', example('ring.ts')]);
  const totals = [0, 0, 0, 0];
  for (let i = 0; i < 20_000; i++) totals[i % 4]! += i / 2;
  const expected = totals.map((total, sensor) => `sensor ${sensor}: 5000 readings, total ${total}\n`);
  assert.equal(stdout, expected.join(''));
});

test('a parent reads what its child has written', async () => {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', example('parent.ts')]);
  assert.equal(stdout, `${Math.PI}\n`);
});

test('the two programs of the page share a buffer', async () => {
  const resolved = block('// another').replaceAll("'mirrorspace'", LIBRARY);
  const [one, another] = resolved.split('// another');
  const member = `const handle = process.env.HANDLE;\n${another}`;
  const owner = `${one}
    const { execFileSync } = await import('node:child_process');
    const env = { ...process.env, HANDLE: JSON.stringify(handle) };
    const args = ['--input-type=module', '-e', ${JSON.stringify(member)}];
    const before = samples.view(Float32Array)[0];
    execFileSync(process.execPath, args, { env, stdio: 'inherit' });
    console.log(before, samples.view(Float32Array)[0]);
    await mirror.close();`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', owner]);
  assert.equal(stdout, '0 1\n');
});

test('the lock and the channel of the page are used as they are meant to', async () => {
  const mirror = await openMirror({ devices: {}, name: 'page' });
  try {
    const buffer = mirror.alloc(4096);
    const counter = new Int32Array(1);
    const repair = (): void => assert.fail('nobody has died');
    // Its only types are in a `!`.
    const lock = block('new SharedMutex').replace('counter[0]!', 'counter[0]');
    await new AsyncFunction('SharedMutex', 'mirror', 'buffer', 'counter', 'repair', lock)(
      SharedMutex,
      mirror,
      buffer,
      counter,
      repair,
    );
    assert.equal(counter[0], 1);
    const received: Uint8Array[] = [];
    const channel = block('SharedChannel.create').replace('for await', 'channel.close();\nfor await');
    await new AsyncFunction('SharedChannel', 'mirror', 'use', channel)(
      SharedChannel,
      mirror,
      (message: Uint8Array) => received.push(message),
    );
    assert.equal(received.length, 1);
    assert.deepEqual([...new Float64Array(received[0]!.buffer)], [1, 2]);
  } finally {
    await mirror.close();
  }
});

test('what was a SharedArrayBuffer is a buffer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'share-examples-'));
  try {
    const file = join(folder, 'double.mjs');
    writeFileSync(file, block('// double.mjs').replaceAll("'mirrorspace'", LIBRARY));
    const { stdout } = await run(process.execPath, [file]);
    assert.equal(stdout, '42\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('workers of a pool attach once, and sum parts of a buffer by its name', async () => {
  const mirror = await openMirror({ devices: {}, name: 'pool' });
  const handle = mirror.share();
  mirror.alloc(80, { name: 'numbers' }).view(Float64Array).set([1, 2, 3, 4]);
  // The pool's own part is that it passes `workerData` on.
  const text = block('// worker.mjs')
    .replaceAll("'mirrorspace'", LIBRARY)
    .replace(
      "import { workerData } from 'piscina';",
      "import { parentPort, workerData } from 'node:worker_threads';",
    )
    .concat("parentPort.on('message', (task) => parentPort.postMessage(sum(task)));");
  const url = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  const workers = [0, 1].map(() => new Worker(url, { workerData: handle }));
  try {
    const sums = workers.map(async (worker, i) => {
      const answer = once(worker, 'message');
      worker.postMessage({ name: 'numbers', from: 2 * i, to: 2 * i + 2 });
      return (await answer)[0];
    });
    assert.deepEqual(await Promise.all(sums), [3, 7]);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
    await mirror.close();
  }
});

test('a tree that was a message is followed in place', async () => {
  const mirror = await openMirror({ devices: {}, name: 'tree' });
  try {
    const [owner, member] = block('// owner: the nodes').split('// member');
    let sent = { root: 0 };
    const child = { send: (message: { root: number }) => (sent = message) };
    const layout = { struct, f64, pointer };
    const text = `const { struct, f64, pointer } = layout; ${owner}; return Node;`;
    const Node = await new AsyncFunction('layout', 'mirror', 'child', text)(layout, mirror, child);
    const printed: unknown[] = [];
    const console = { log: (value: unknown) => printed.push(value) };
    await new AsyncFunction('Node', 'attached', 'message', 'console', member!)(Node, mirror, sent, console);
    assert.deepEqual(printed, [1.5]);
  } finally {
    await mirror.close();
  }
});
