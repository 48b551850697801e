/**
 * futex(2): sleeping on a 32-bit word in shared memory until another process changes it. The word is named by its
 * address; the shared (not FUTEX_PRIVATE) form is used throughout, since waiters and wakers are different processes.
 *
 * @module
 */

import { addressOf } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';
import { checked, lastError, systemCall, systemCallNumber, systemError } from './system-call.ts';

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

const timespec = new BigInt64Array(2);
let timespecAddress = 0;
let futexNumber = 0;

/**
 * Sleeps while the word at `address` holds `expected`; gives `'changed'` where it does not, or was woken (also
 * spuriously: look again), `'timeout'` after `timeout` milliseconds. Blocks the thread. The word must stay mapped.
 */
export function futexWait(address: Address, expected: number, timeout: number): 'changed' | 'timeout' {
  return futexSleep(address, expected, timeout) === 'timed-out' ? 'timeout' : 'changed';
}

/** {@link futexWait} that tells why it came back, in the words of `Atomics.wait`; `'ok'` may be spurious. */
export function futexSleep(
  address: Address,
  expected: number,
  timeout: number,
): 'ok' | 'not-equal' | 'timed-out' {
  if (futexNumber === 0) futexNumber = systemCallNumber('futex');
  let pointer = 0;
  if (timeout !== Number.POSITIVE_INFINITY) {
    timespecAddress ||= addressOf(timespec);
    const nanoseconds = Math.max(0, Math.round(timeout * 1e6));
    timespec[0] = BigInt(Math.floor(nanoseconds / 1e9));
    timespec[1] = BigInt(nanoseconds % 1e9);
    pointer = timespecAddress;
  }
  if (systemCall(futexNumber, address, FUTEX_WAIT, expected >>> 0, pointer, 0, 0) === 0) return 'ok';
  const errno = lastError();
  if (errno === 'EAGAIN') return 'not-equal';
  if (errno === 'EINTR') return 'ok';
  if (errno === 'ETIMEDOUT') return 'timed-out';
  throw systemError('futex', [address, 'FUTEX_WAIT', expected, timeout]);
}

/** Wakes up to `count` sleepers of the word; gives how many there were. */
export function futexWake(address: Address, count: number): number {
  if (futexNumber === 0) futexNumber = systemCallNumber('futex');
  const woken = systemCall(futexNumber, address, FUTEX_WAKE, count, 0, 0, 0);
  return checked(woken, 'futex', [address, 'FUTEX_WAKE', count]);
}
