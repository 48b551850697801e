// The worker threads that the benchmarks of sharing measure against.
import { parentPort, workerData } from 'node:worker_threads';

const tasks = {
  echo() {
    parentPort.on('message', (message) => parentPort.postMessage(message));
  },
  /** The same lock over a SharedArrayBuffer: free, held, held and waited for. */
  count({ words, rounds }) {
    Atomics.add(words, 48, 1);
    while (Atomics.load(words, 49) === 0);
    for (let round = 0; round < rounds; round++) {
      let seen = Atomics.compareExchange(words, 32, 0, 1);
      for (let spins = 400; seen !== 0 && spins > 0; spins--) seen = Atomics.compareExchange(words, 32, 0, 1);
      if (seen !== 0) while (Atomics.exchange(words, 32, 2) !== 0) Atomics.wait(words, 32, 2);
      words[50] += 1;
      if (Atomics.exchange(words, 32, 0) === 2) Atomics.notify(words, 32, 1);
    }
    parentPort.postMessage('done');
  },
};

tasks[workerData.task](workerData);
