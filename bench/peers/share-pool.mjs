// Makes the same data in a worker thread: as a task of piscina, or for `postMessage` where it was started by itself.
import { parentPort, workerData } from 'node:worker_threads';
import { objects } from './share-nodes.mjs';

function make({ task, count, size }) {
  if (task === 'echo') return undefined;
  const data = task === 'objects' ? objects(0, count) : new Float64Array(size / 8).fill(1.5);
  return { start: Number(process.hrtime.bigint()), data };
}

if (workerData?.task) parentPort.postMessage(make(workerData));

export default make;
