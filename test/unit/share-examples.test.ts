/**
 * The programs of examples/sharing do what is said of them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/sharing/${name}`, import.meta.url));

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
