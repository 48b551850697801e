/**
 * Giving the processor to whoever waits for it: sched_yield(2).
 *
 * @module
 */
import { libcFunction } from '../ffi/library.ts';

const cYield = libcFunction('int sched_yield()');

/**
 * Lets other threads that are ready to run on this processor go first; returns at once where there are none. For a thread
 * that looks for what another thread, which it has just woken, is to do: the kernel puts that one beside its waker, often,
 * and it would wait for as long as its waker looks. Always safe, and on Linux it never fails.
 */
export function yieldProcessor(): void {
  cYield();
}
