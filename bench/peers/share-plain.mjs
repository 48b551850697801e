// The other process of the benchmarks of sharing that has no mirror: what it makes it sends as a message.
import { objects } from './share-nodes.mjs';

const now = () => Number(process.hrtime.bigint());

process.on('message', async (message) => {
  if (message.task === 'shm') {
    const { default: shm } = await import('shm-typed-array');
    shm.get(message.key, 'Float64Array').fill(1.5);
    process.send({ start: now() });
    return;
  }
  const { task, count, size } = message;
  const data = task === 'objects' ? objects(0, count) : new Float64Array(size / 8).fill(1.5);
  process.send({ start: now(), data });
});
