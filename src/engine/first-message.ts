/**
 * How a thread of a device process comes by its data: it is started early, and told later.
 *
 * @module
 */
import { parentPort } from 'node:worker_threads';
import { threadId } from '../linux/process.ts';

/** Waits for the first message, after having loaded what the thread needs to make system calls. */
export function firstMessage<T>(): Promise<T> {
  threadId();
  return new Promise((resolve) => parentPort!.once('message', resolve));
}
