/**
 * Who may end when: an owner that closes or dies, a member that is killed, processes that have nothing to do.
 */
import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openMirror } from 'mirrorspace';
import { holdings } from '../fixtures/leaks.ts';
import { arenaMappings, descriptors, eventually, isRunning } from '../fixtures/proc.ts';
import { forkMember, memberOf, withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'lives' });

test('a member that was killed is forgotten, and what it had not acknowledged is waited for no longer', () =>
  withShared(open, async ({ mirror, child }) => {
    const flag = mirror.alloc(4096, { name: 'flag' });
    const settled = await child();
    await settled.end();
    await eventually('it is forgotten', () => mirror.sharers().length === 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = holdings();
    const buffer = mirror.alloc(65536, { name: 'gone' });
    const { address } = buffer;
    const other = await child();
    const busy = other.run(({ attached }) => {
      const words = attached.buffer('flag')!.view(Int32Array);
      Atomics.store(words, 0, 1);
      for (;;) Atomics.load(words, 1);
    });
    busy.catch(() => {});
    await eventually('it is busy', () => Atomics.load(flag.view(Int32Array), 0) === 1);
    buffer.free();
    assert.equal(mirror.plan(65536, { place: { at: address } }).ok, false);
    await other.end();
    assert.equal(isRunning(other.pid), false);
    await eventually('its place is free', () => mirror.plan(65536, { place: { at: address } }).ok);
    assert.deepEqual(mirror.sharers(), []);
    await eventually('nothing of it is left', () => {
      const now = holdings();
      return now.descriptors <= before.descriptors && now.ourVmas <= before.ourVmas;
    });
  }));

test('after the owner has closed, attached buffers are freed, and everything that waits is told', () =>
  withShared(open, async ({ mirror, child }) => {
    const one = mirror.alloc(4096, { name: 'one' });
    const other = await child();
    const waits = other.run(async ({ attached }) => {
      const buffer = attached.buffer('one')!;
      const all = [
        attached.whenBuffer('never'),
        attached.waitAsync(buffer.address, 0),
        new Promise((resolve) => attached.ended.then(resolve)),
      ];
      buffer.view(Int32Array)[1] = 1;
      const settled = await Promise.allSettled(all);
      return [
        buffer.freed,
        attached.state,
        ...settled.map((each) =>
          each.status === 'rejected' ? (each.reason as { state: string }).state : each.value,
        ),
      ];
    });
    await eventually('it waits', () => one.view(Int32Array)[1] === 1);
    await mirror.close();
    assert.deepEqual(await waits, [true, 'closed', 'closed', 'closed', 'closed']);
    assert.deepEqual(arenaMappings('lives', other.pid), []);
    assert.equal(
      [...descriptors(other.pid).values()].filter((target) => target.includes('memfd:mirrorspace')).length,
      0,
    );
  }));

test('after the owner was killed, what is mapped can be read and written, and new things are refused as lost', async () => {
  const [owner, first, second] = [forkMember(), forkMember(), forkMember()];
  try {
    const handle = await owner.run(async ({ api, kept }) => {
      kept.mirror = await api.openMirror({ devices: {}, name: 'lives' });
      const handle = kept.mirror.share();
      kept.mirror.alloc(65536, { name: 'left' }).view(Float64Array).fill(1.5);
      return handle;
    });
    await first.attach(handle);
    await second.attach(handle);
    const lost = first.run(async ({ attached }) => {
      const never = attached.whenBuffer('never').catch((error) => error.state);
      const word = attached.waitAsync(attached.buffer('left')!.address, 0).catch((error) => error.state);
      return [await attached.ended, await never, await word];
    });
    const seen = await first.run(({ attached }) => attached.buffer('left')!.view(Float64Array)[100]);
    assert.equal(seen, 1.5);
    await owner.end();
    assert.deepEqual(await lost, ['lost', 'lost', 'lost']);
    const after = await first.run(({ attached }) => {
      const view = attached.buffer('left')!.view(Float64Array);
      view[101] = 2.5;
      return [attached.state, view[100], attached.buffers().length];
    });
    assert.deepEqual(after, ['lost', 1.5, 1]);
    // Those who are left still share it.
    assert.equal(await second.run(({ attached }) => attached.buffer('left')!.view(Float64Array)[101]), 2.5);
    await assert.rejects(forkAndAttach(handle), { name: 'AttachError', reason: 'gone' });
    await first.run(({ attached }) => attached.close());
    assert.deepEqual(arenaMappings('lives', first.pid), []);
  } finally {
    await Promise.all([owner, first, second].map((member) => member.end()));
  }
});

async function forkAndAttach(handle: Parameters<ReturnType<typeof forkMember>['attach']>[0]): Promise<void> {
  const late = forkMember();
  try {
    await late.attach(handle);
  } finally {
    await late.end();
  }
}

test('neither a shared mirror nor an attached one keeps a process alive; a wait does, until it is over', async () => {
  const mirror = await open();
  const buffer = mirror.alloc(4096, { name: 'word' });
  const { spawn } = await import('node:child_process');
  const run = async (body: string): Promise<[number | null, string]> => {
    const program = `
      import { attachMirror, openMirror } from ${JSON.stringify(import.meta.resolve('mirrorspace'))};
      const attached = await attachMirror(process.env.HANDLE);
      const { address } = attached.buffer('word');
      ${body}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, HANDLE: JSON.stringify(mirror.share()) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    const [code] = await once(child, 'close');
    return [code as number | null, said];
  };
  assert.deepEqual(
    await run('const own = await openMirror({ devices: {} }); own.share(); console.log("up");'),
    [0, 'up\n'],
  );
  assert.deepEqual(await run('console.log(await attached.waitAsync(address, 0, { timeout: 50 }));'), [
    0,
    'timed-out\n',
  ]);
  const woken = run('console.log(await attached.waitAsync(address, 0));');
  await eventually('it waits', () => {
    Atomics.store(buffer.view(Int32Array), 8, 0);
    return mirror.notify(buffer.address) === 1;
  });
  assert.deepEqual(await woken, [0, 'ok\n']);
  // Nobody waits for this one: Node ends with code 13 where a promise at the top level never settles.
  assert.deepEqual(await run('await attached.whenBuffer("never", { ref: false });'), [13, '']);
  await mirror.close();
});

test('cluster workers attach as other processes do', async () => {
  const mirror = await open();
  const handle = mirror.share();
  const sums = mirror.alloc(4096, { name: 'sums' });
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('../fixtures/programs/share-member.mjs', import.meta.url)),
    execArgv: ['--expose-gc'],
  });
  const workers = [cluster.fork(), cluster.fork()].map((worker) => memberOf(worker.process));
  try {
    await Promise.all(workers.map((worker) => worker.attach(handle)));
    const pids = await Promise.all(
      workers.map((worker) =>
        worker.run(({ attached }) => {
          Atomics.add(attached.buffer('sums')!.view(Int32Array), 0, 20);
          return process.pid;
        }),
      ),
    );
    assert.deepEqual(
      pids,
      workers.map(({ pid }) => pid),
    );
    assert.equal(new Set([process.pid, ...pids]).size, 3);
    assert.equal(Atomics.load(sums.view(Int32Array), 0), 40);
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
    await mirror.close();
  }
});
