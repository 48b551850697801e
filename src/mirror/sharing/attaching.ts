/**
 * One thread of all attaches to a share at a time, or clears up after one that had attached.
 *
 * @module
 */
import type { SharedMemory } from '../../engine/shared-memory.ts';
import { threadId } from '../../linux/process.ts';
import { isAlive } from '../../linux/task.ts';
import { HEADER } from './control-layout.ts';

/** It is this thread's turn, unless another is at it that still lives. */
export function tryEnter({ i32 }: SharedMemory): boolean {
  const thread = threadId();
  const holder = Atomics.compareExchange(i32, HEADER.ATTACHING, 0, thread);
  if (holder === 0) return true;
  return !isAlive(holder, 0) && Atomics.compareExchange(i32, HEADER.ATTACHING, holder, thread) === holder;
}

export function goOut({ i32 }: SharedMemory): void {
  Atomics.store(i32, HEADER.ATTACHING, 0);
}
