/**
 * The programs of examples/sharing and of docs/sharing.md do what is said of them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openMirror, SharedChannel, SharedMutex } from 'mirrorspace';

const run = promisify(execFile);
const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/sharing/${name}`, import.meta.url));

/** The TypeScript of a page, one text for each block. */
const page = readFileSync(new URL('../../docs/sharing.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text]) => text!);

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
  const resolved = block('// another').replaceAll(
    "'mirrorspace'",
    JSON.stringify(import.meta.resolve('mirrorspace')),
  );
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
