/**
 * The other process of a bare futex wake-up between two processes of Node: sleeps on word 0 of the memory that it inherits
 * as descriptor 3, and answers each change in word 64.
 *
 * @module
 */
import { SharedMemory } from '../../src/engine/shared-memory.ts';
import { futexWait } from '../../src/linux/futex.ts';
import { setParentDeathSignal } from '../../src/linux/process.ts';

setParentDeathSignal(9);
const { i32, address } = SharedMemory.map(3, 0, 4096);
for (let seen = 0; ; ) {
  Atomics.store(i32, 64, seen);
  while (Atomics.load(i32, 0) === seen) futexWait(address, seen, Number.POSITIVE_INFINITY);
  seen = Atomics.load(i32, 0);
}
