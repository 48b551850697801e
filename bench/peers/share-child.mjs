// The other process of the benchmarks of sharing: attaches, and does what its first message says.
import { attachMirror, SharedMutex } from '../../dist/index.js';
import { build, Node } from './share-nodes.mjs';

const mirror = await attachMirror(process.argv[2]);
const word = (name) => mirror.buffer(name).view(Int32Array);

/** The data is there; gives when that was. */
function say() {
  word('words')[64] = 1;
  const start = process.hrtime.bigint();
  mirror.notify(mirror.buffer('words').address + 256);
  return Number(start);
}

const tasks = {
  /** Answers each change of word 0 by the same in word 16, blocking in between. */
  pong({ rounds }) {
    const words = word('words');
    const { address } = mirror.buffer('words');
    for (let round = 1; round <= rounds; round++) {
      while (Atomics.load(words, 0) !== round) mirror.wait(address, round - 1);
      Atomics.store(words, 16, round);
      mirror.notify(address + 64, 1);
    }
  },
  /** Adds one to a counter so many times, under a lock. */
  count({ rounds }) {
    const words = word('words');
    const lock = new SharedMutex(mirror, mirror.buffer('words').address + 128);
    Atomics.add(words, 48, 1);
    while (Atomics.load(words, 49) === 0);
    for (let round = 0; round < rounds; round++) {
      lock.lock();
      words[50] += 1;
      lock.unlock();
    }
  },
  /** Fills the floats. */
  fill() {
    mirror.buffer('data').view(Float64Array).fill(1.5);
    return say();
  },
  /** Builds a tree. */
  nodes({ count }) {
    const { address } = mirror.buffer('data');
    build(Node.in(mirror).at(address), address, 0, count);
    return say();
  },
  /** The peer of `pong`: from now on every message comes back. */
  echo() {
    echoing = true;
  },
};

let echoing = false;
process.on('message', (message) => {
  if (echoing) process.send(message);
  else process.send({ value: tasks[message.task](message) });
});
process.send({ ready: true });
