/**
 * examples/native-library prints what it is to show: answers of native code in another process, and what became of it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withoutC } from '../fixtures/native-library.ts';

const run = promisify(execFile);
const EXAMPLE = fileURLToPath(new URL('../../examples/native-library/main.ts', import.meta.url));

test('a native library crashes, hangs and goes astray, and its user goes on', {
  skip: withoutC,
}, async () => {
  const { stdout, stderr } = await run(process.execPath, ['--import', 'tsx', EXAMPLE], {
    env: { ...process.env, NO_COLOR: '1' },
  });
  assert.equal(stderr, '');
  const lines = stdout.split('\n');
  const host = Number(/^This is process (\d+)\./.exec(lines[0]!)?.[1]);
  const rows = lines.slice(3, 9).map((line) => /^ {2}(.{26})(\d+) +(.*)$/.exec(line)!.slice(1));
  const pids = rows.map(([, pid]) => Number(pid));
  const [plain, pointer, loop, long, freed, again] = rows.map(([title, , answer]) => [
    title!.trim(),
    answer!,
  ]);
  assert.deepEqual(plain, ['a name', 'example.org.'], stdout);
  assert.deepEqual(pointer, ['a pointer to that name', 'www.example.org.'], stdout);
  assert.deepEqual(loop, ['a pointer to itself', 'no end after 2000 ms: ended, with its process'], stdout);
  // Compilers that guard the stack turn the one into the other.
  assert.match(long!.join(), /^a name of 2.5 KiB,SIG(SEGV|ABRT|BUS|ILL) in read_name:/, stdout);
  assert.match(freed!.join(), /^a message that was freed,fault: read at 0x[0-9a-f]+/, stdout);
  assert.deepEqual(again, ['the first one again', 'example.org.'], stdout);
  assert.ok(!pids.includes(host));
  const [first, , third, fourth, fifth, last] = pids;
  assert.equal(first, third, 'the names before the loop were read by one process');
  assert.equal(new Set([third, fourth, fifth]).size, 3, 'a loop and a crash each cost a process');
  assert.equal(fifth, last, 'a fault costs none');
  assert.match(
    stdout,
    /is still here, and its messages are untouched\. .* 2 times anew, its core 1 times\.\n$/,
  );
});
