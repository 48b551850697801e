/**
 * The end of the pager for system SVM: who has told it to stop may not have rung its bell yet, and must not find it closed,
 * or another file in its place.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { HostPager } from '../../src/device/process/system/host-pager.ts';
import { close } from '../../src/linux/memfd.ts';
import { eventfd } from '../../src/linux/process.ts';

/** Rings a bell so many times, with time in between, and counts. */
const RINGER = `
const { parentPort, workerData: { bell, rung, times } } = require('node:worker_threads');
const write = require('koffi').load(null).func('int64_t write(int, void *, size_t)');
parentPort.postMessage('ready');
for (let i = 0; i < times; i++) {
  Atomics.wait(rung, 1, 0, 100);
  Atomics.add(rung, 0, 1);
  write(bell, new BigUint64Array([1n]), 8);
}
`;

test('the pager ends only after the bell was rung for all that it was told', async () => {
  const bell = eventfd();
  const rung = new Int32Array(new SharedArrayBuffer(8));
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(RINGER, { eval: true, workerData: { bell, rung, times: 3 } });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  try {
    await once(worker, 'message');
    for (const id of [1, 2]) port1.postMessage({ type: 'detach', id });
    port1.postMessage({ type: 'stop', rings: 3 });
    new HostPager({ bell, port: port2, ended: new Int32Array(new SharedArrayBuffer(4)) }).run();
    assert.equal(Atomics.load(rung, 0), 3);
  } finally {
    await ended;
    port1.close();
    close(bell);
  }
});
