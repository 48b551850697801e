/**
 * A core's way into code that is not the device's own (a kernel, a program's start) and out of it again. While it is
 * inside, others may take the core from it: see {@link CORE_STATE}. Each way in has a number, by which the pager knows
 * whether a fault that it has read about is still the core's: two cores that wait for one page are woken together, and
 * the second message may be of a call that has long ended.
 *
 * @module
 */
import { futexWait } from '../linux/futex.ts';
import { CORE, CORE_STATE, coreWord } from './control-layout.ts';
import type { SharedMemory } from './shared-memory.ts';

/** How long, in milliseconds, a core waits before it looks again whether it is to be stopped after all. */
const LOOK_AGAIN = 1;

/** The states of a core that is inside. */
export type Inside = typeof CORE_STATE.RUNNING | typeof CORE_STATE.LOADING;

/** From here on faults and stops are meant for this call. */
export function enterCall({ i32 }: SharedMemory, core: number, state: Inside): void {
  const block = coreWord(core);
  i32[block + CORE.CALLS] = (i32[block + CORE.CALLS]! + 1) | 0;
  Atomics.store(i32, block + CORE.STATE, state);
}

/** The call has ended; does not return where the core has been taken from it. */
export function leaveCall({ i32, address }: SharedMemory, core: number, state: Inside): void {
  const word = coreWord(core) + CORE.STATE;
  for (;;) {
    const was = Atomics.compareExchange(i32, word, state, CORE_STATE.IDLE);
    if (was === state) return;
    if (was !== CORE_STATE.STOPPING) park();
    // The supervisor may find that it is not this packet that it wants stopped.
    futexWait(address + word * 4, CORE_STATE.STOPPING, LOOK_AGAIN);
  }
}

/** This core has been stopped from outside and belongs to the supervisor: wait for the end, interruptibly. */
function park(): never {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(never, 0, 0);
}
