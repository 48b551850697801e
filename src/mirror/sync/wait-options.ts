/**
 * The options of everything that waits, and their check. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../errors.ts';

export interface TimeoutOptions {
  /** Milliseconds; none by default. */
  readonly timeout?: number;
}

export interface WaitOptions extends TimeoutOptions {
  /** Gives up; the wait rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Whether the process stays alive for it; true by default. */
  readonly ref?: boolean;
}

export interface CheckedWait {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly ref: boolean;
}

const NONE = {};

export function checkTimeout(options: TimeoutOptions = NONE): number {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { timeout = Number.POSITIVE_INFINITY } = options;
  if (typeof timeout !== 'number') throw invalidType('timeout', 'a number of milliseconds', timeout);
  if (!(timeout >= 0)) throw outOfRange('timeout', 'at least 0 milliseconds', timeout);
  return timeout;
}

export function checkWait(options: WaitOptions = NONE): CheckedWait {
  const timeout = checkTimeout(options);
  const { signal, ref = true } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalidType('signal', 'an AbortSignal', signal);
  if (typeof ref !== 'boolean') throw invalidType('ref', 'a boolean', ref);
  return { timeout, signal, ref };
}
