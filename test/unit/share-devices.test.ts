/**
 * A mirror that has a device and is shared: kernels, the owner and another process meet at one address. And who may
 * attach at all.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openMirror } from 'mirrorspace';
import { eventually } from '../fixtures/proc.ts';
import { forkMember } from '../fixtures/share-members.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

test('what a device stores another process loads, and the other way round', () =>
  withMirror(async ({ mirror, wasm }) => {
    const handle = mirror.share();
    const [from, to] = [mirror.alloc(65536, { name: 'from' }), mirror.alloc(65536, { name: 'to' })];
    assert.ok(to.end <= 2 ** 32);
    const other = forkMember();
    try {
      await other.attach(handle);
      await other.run(({ attached }) => {
        attached.buffer('from')!.bytes.fill(process.pid % 251);
      });
      await wasm.queue.copy(to, from).done;
      const seen = await other.run(({ attached }) => attached.buffer('to')!.bytes[65535]);
      assert.equal(seen, other.pid % 251);
      // Freed: neither device nor process keeps the place for long.
      const { address } = to;
      to.free();
      await other.run((scope) => {
        scope.attached.buffers();
        (globalThis as unknown as { gc(): void }).gc();
      });
      await eventually('the place is free', () => mirror.plan(65536, { place: { at: address } }).ok);
    } finally {
      await other.end();
    }
  }));

const dist = fileURLToPath(import.meta.resolve('mirrorspace'));
const nobody = { uid: 65534, gid: 65534 };
const asNobody =
  process.getuid?.() === 0 &&
  spawnSync(process.execPath, ['-e', `require('node:fs').readFileSync(${JSON.stringify(dist)})`], nobody)
    .status === 0;

const pair = fileURLToPath(new URL('../fixtures/programs/share-pair.mjs', import.meta.url));

test('a process without any privilege shares with its children', {
  skip: !asNobody && 'needs root, to become another',
}, () => {
  const { stdout, stderr } = spawnSync(process.execPath, [pair], { ...nobody, encoding: 'utf8', cwd: '/' });
  assert.deepEqual(JSON.parse(stdout || 'null'), [65534, 65534, 7], stderr);
});

test('a process of another user is refused', {
  skip: !asNobody && 'needs root, to become another',
}, async () => {
  const mirror = await openMirror({ devices: {} });
  const { fork } = await import('node:child_process');
  const member = fileURLToPath(new URL('../fixtures/programs/share-member.mjs', import.meta.url));
  const child = fork(member, { ...nobody, execArgv: [] });
  await once(child, 'message');
  const answer = once(child, 'message');
  child.send({
    id: 1,
    source: '(scope, handle) => scope.api.attachMirror(handle)',
    args: [mirror.share()],
  });
  const [{ error }] = (await answer) as [{ error?: { name: string; reason: string } }];
  assert.equal(error?.name, 'AttachError');
  assert.equal(error?.reason, 'not-permitted');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await mirror.close();
});
