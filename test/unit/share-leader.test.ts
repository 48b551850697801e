/**
 * A process in which the thread that attached first, and mapped for all of them, is terminated while the others go on.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { openMirror } from 'mirrorspace';
import { arenaMappings, eventually } from '../fixtures/proc.ts';
import { withShared } from '../fixtures/share-members.ts';

const open = () => openMirror({ devices: {}, name: 'leader' });
const LIBRARY = JSON.stringify(import.meta.resolve('mirrorspace'));

/** The text of a worker that attaches, and then does something. */
const worker = (body: string): string => `
  const { parentPort, workerData } = require('node:worker_threads');
  import(${LIBRARY}).then(async ({ attachMirror }) => {
    const mirror = await attachMirror(workerData);
    ${body}
  });`;

const LEADER = worker(`
  parentPort.on('message', async () => parentPort.postMessage(await mirror.close()));
  parentPort.postMessage('attached');`);
const BLOCKED = worker(`
  const { address } = mirror.buffer('word');
  parentPort.postMessage('attached');
  try {
    parentPort.postMessage(mirror.wait(address, 0));
  } catch (error) {
    parentPort.postMessage(error.state);
  }`);

test('when the thread that maps is terminated the others are told that it is closed, and the owner has the addresses back', () =>
  withShared(open, async ({ mirror, handle, forked }) => {
    const buffer = mirror.alloc(65536, { name: 'word' });
    const viewless = mirror.alloc(65536, { name: 'viewless' });
    const { address } = buffer;
    const member = forked();
    await member.run(
      async (scope, handle, leader, blocked) => {
        const { Worker } = await import('node:worker_threads');
        const { once } = (await import('node:events')).default;
        const { kept } = scope;
        const begin = async (text: string): Promise<Worker> => {
          const worker = new Worker(text, { eval: true, workerData: handle });
          await once(worker, 'message');
          return worker;
        };
        kept.leader = await begin(leader);
        scope.attached = await scope.api.attachMirror(handle);
        kept.view = scope.attached.buffer('word')!.view(Int32Array);
        kept.view[1] = 42;
        kept.never = scope.attached.whenBuffer('never').catch((error) => error.state);
        kept.waiting = scope.attached
          .waitAsync(scope.attached.buffer('word')!.address, 0)
          .catch((error) => error.state);
        kept.blocked = once(await begin(blocked), 'message');
      },
      handle,
      LEADER,
      BLOCKED,
    );
    assert.equal(mirror.sharers().length, 3);
    assert.equal(buffer.view(Int32Array)[1], 42);
    const told = await member.run(async ({ attached, kept }) => {
      await (kept.leader as Worker).terminate();
      const blocked = await kept.blocked;
      return [await attached.ended, attached.state, await kept.never, await kept.waiting, blocked[0]];
    });
    assert.deepEqual(told, ['closed', 'closed', 'closed', 'closed', 'closed']);
    await eventually('all are gone', () => mirror.sharers().length === 0);
    assert.deepEqual(arenaMappings('leader', member.pid), []);
    buffer.free();
    viewless.free();
    await eventually('the address is free', () => mirror.plan(65536, { place: { at: viewless.address } }).ok);
    // The owner's own view keeps that of the other buffer, and only that: another lies where the process has nothing.
    const other = mirror.alloc(65536, { place: { at: viewless.address }, name: 'other' });
    other.bytes.fill(7);
    const seen = await member.run(({ kept }) => {
      kept.view[2] = 5;
      return [kept.view[1], kept.view[2]];
    });
    assert.deepEqual(seen, [0, 5]);
    assert.ok(address > 0);
    // The process may attach again: what nobody there has views of is not in the way.
    await member.attach(handle);
    assert.equal(await member.run(({ attached }) => attached.buffer('other')!.bytes[9]), 7);
  }));

test('a thread that maps and has closed serves the others until it is terminated, then they are told', () =>
  withShared(open, async ({ mirror, handle, forked }) => {
    const buffer = mirror.alloc(65536, { name: 'word' });
    const { address } = buffer;
    const member = forked();
    await member.run(
      async (scope, handle, leader) => {
        const { Worker } = await import('node:worker_threads');
        const { once } = (await import('node:events')).default;
        const { kept } = scope;
        kept.leader = new Worker(leader, { eval: true, workerData: handle });
        await once(kept.leader, 'message');
        scope.attached = await scope.api.attachMirror(handle);
        const closed = once(kept.leader, 'message');
        kept.leader.postMessage('close');
        await closed;
      },
      handle,
      LEADER,
    );
    assert.equal(mirror.sharers().length, 1);
    const late = mirror.alloc(4096, { name: 'late' });
    const seen = await member.run(async ({ attached }) => {
      const late = await attached.whenBuffer('late');
      late.view(Int32Array)[0] = 5;
      return [late.address, attached.buffer('word')!.address, attached.state];
    });
    assert.deepEqual(seen, [late.address, address, 'open']);
    assert.equal(late.view(Int32Array)[0], 5);
    const told = await member.run(async ({ attached, kept }) => {
      await (kept.leader as Worker).terminate();
      return [await attached.ended, attached.buffers().length];
    });
    assert.deepEqual(told, ['closed', 0]);
    await eventually('all are gone', () => mirror.sharers().length === 0);
    await eventually('nothing is mapped', () => arenaMappings('leader', member.pid).length === 0);
    buffer.free();
    await eventually('the address is free', () => mirror.plan(65536, { place: { at: address } }).ok);
  }));
