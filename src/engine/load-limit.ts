/**
 * A limit to how long a device's process may take over a program. What runs when a program is loaded is the program's own
 * code, perhaps native: nothing but the end of the process ends it for sure.
 *
 * @module
 */
import { invalidType, TimeoutError } from '../errors.ts';
import { checkTimeout } from './kernel-arguments.ts';

/** Milliseconds: what a timer of Node takes, 24 days. */
const LONGEST = 2 ** 31 - 1;

export interface LoadLimit {
  /** The program, in words. */
  readonly what: string;
  /** Milliseconds; undefined: no limit. */
  readonly timeout: number | undefined;
}

/** The work's answer; where that is not there in time, TimeoutError, once `giveUp` has ended the process for that reason. */
export async function within<T>(
  { what, timeout }: LoadLimit,
  giveUp: (reason: string) => void,
  work: Promise<T>,
): Promise<T> {
  if (timeout === undefined || timeout > LONGEST) return work;
  let late: TimeoutError | undefined;
  const timer = setTimeout(() => {
    late = new TimeoutError(what, timeout);
    giveUp(late.message);
  }, timeout);
  try {
    return await work;
  } catch (error) {
    throw late ?? error;
  } finally {
    clearTimeout(timer);
  }
}

/** The `timeout` of load's options. Throws TypeError or RangeError. */
export function checkLoadOptions(options: unknown): number | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { timeout } = options as { timeout?: number };
  if (timeout !== undefined) checkTimeout(timeout);
  return timeout;
}
