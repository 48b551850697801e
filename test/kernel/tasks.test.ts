/**
 * Whether a task lives, by /proc: children, zombies, threads, and what can't be found out.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { isAlive, readTask } from '../../src/linux/task.ts';

test('a task is alive until it has ended, by its number and the time at which it began', async () => {
  const own = readTask(process.pid)!;
  assert.ok(own.start > 0);
  assert.ok(isAlive(process.pid, own.start));
  assert.ok(isAlive(process.pid, 0));
  assert.equal(isAlive(process.pid, own.start + 1), false);
  const child = spawn('sleep', ['100']);
  const { start } = readTask(child.pid!)!;
  assert.ok(start >= own.start);
  assert.ok(isAlive(child.pid!, start));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(isAlive(child.pid!, start), false);
  assert.equal(readTask(2 ** 22 + 1), undefined);
});

test('a zombie has ended', async () => {
  // A shell becomes another program, which never waits for the child, before that ends.
  const shell = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 100'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [text] = (await once(shell.stdout, 'data')) as [Buffer];
  const zombie = Number(text.toString());
  while (readTask(zombie)?.state !== 'Z') await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(isAlive(zombie, 0), false);
  shell.kill('SIGKILL');
  await once(shell, 'exit');
});

test('a thread is a task of its own', async () => {
  // /proc/thread-self leads to PID/task/TID.
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     parentPort.on('message', () => {});
     parentPort.postMessage(Number(require('node:fs').readlinkSync('/proc/thread-self').split('/').at(-1)));`,
    { eval: true },
  );
  const [id] = (await once(worker, 'message')) as [number];
  assert.notEqual(id, process.pid);
  const { start } = readTask(id)!;
  assert.ok(isAlive(id, start));
  await worker.terminate();
  while (isAlive(id, start)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('one that can not be looked at, since no descriptor is free, is not taken for dead', () => {
  const source = fileURLToPath(new URL('../../src/linux/task.ts', import.meta.url));
  const program = `
    import { closeSync, openSync } from 'node:fs';
    import { isAlive, readTask } from ${JSON.stringify(source)};
    const start = readTask(process.pid).start;
    const held = [];
    try { for (;;) held.push(openSync('/dev/null')); } catch {}
    const alive = isAlive(process.pid, start + 1);
    let code;
    try { readTask(process.pid); } catch (error) { code = error.errno; }
    for (const fd of held) closeSync(fd);
    console.log(JSON.stringify([alive, code, isAlive(process.pid, start + 1)]));`;
  const { stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" --import tsx --input-type=module -e "$1"', process.execPath, program],
    { encoding: 'utf8', cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  );
  assert.deepEqual(JSON.parse(stdout || 'null'), [true, 'EMFILE', false], stderr);
});
