/**
 * futex(2): sleeping on a 32-bit word in shared memory until another process changes it. The word is named by its
 * address; the shared (not FUTEX_PRIVATE) form is used throughout, since waiters and wakers are different processes.
 *
 * @module
 */

import { addressOf } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';
import {
  checked,
  lastError,
  SYS_futex_waitv,
  systemCall,
  systemCallNumber,
  systemError,
} from './system-call.ts';

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

/** A word and what it holds while there is nothing to do. */
export interface Awaited {
  readonly address: Address;
  readonly expected: number;
}

/** Milliseconds between two looks where the kernel (before Linux 5.16) can't sleep on several words. */
const LOOK_AGAIN = 1;
const FUTEX2_SIZE_U32 = 2;
const CLOCK_MONOTONIC = 1;
const WAITER_BYTES = 24;
/** Most words that futex_waitv takes. */
const MOST_WORDS = 128;

/**
 * Sleeps while every one of the words holds what is expected of it, up to `timeout` milliseconds, or shorter: look again
 * after it. The words must stay mapped.
 */
export function futexWaitAny(words: readonly Awaited[], timeout: number): void {
  const [first] = words;
  if (!first) return;
  if (words.length === 1) {
    futexWait(first.address, first.expected, timeout);
    return;
  }
  const count = Math.min(words.length, MOST_WORDS);
  const waiters = new DataView(new ArrayBuffer(count * WAITER_BYTES));
  for (let i = 0; i < count; i++) {
    const { address, expected } = words[i]!;
    waiters.setBigUint64(i * WAITER_BYTES, BigInt(expected >>> 0), true);
    waiters.setBigUint64(i * WAITER_BYTES + 8, BigInt(address), true);
    waiters.setUint32(i * WAITER_BYTES + 16, FUTEX2_SIZE_U32, true);
  }
  let pointer = 0;
  // Unlike futex(2) this call takes a point in time.
  if (timeout !== Number.POSITIVE_INFINITY) {
    const end = process.hrtime.bigint() + BigInt(Math.max(0, Math.round(timeout * 1e6)));
    timespecAddress ||= addressOf(timespec);
    timespec[0] = end / 1_000_000_000n;
    timespec[1] = end % 1_000_000_000n;
    pointer = timespecAddress;
  }
  if (systemCall(SYS_futex_waitv, addressOf(waiters), count, 0, pointer, CLOCK_MONOTONIC, 0) >= 0) return;
  const errno = lastError();
  if (errno === 'EAGAIN' || errno === 'EINTR' || errno === 'ETIMEDOUT') return;
  // The kernel, or a container's profile, does not have it.
  if (errno === 'ENOSYS' || errno === 'EPERM') {
    futexWait(first.address, first.expected, Math.min(timeout, LOOK_AGAIN));
    return;
  }
  throw systemError('futex_waitv', [count, timeout]);
}

/** Wakes up to `count` sleepers of the word; gives how many there were. */
export function futexWake(address: Address, count: number): number {
  if (futexNumber === 0) futexNumber = systemCallNumber('futex');
  const woken = systemCall(futexNumber, address, FUTEX_WAKE, count, 0, 0, 0);
  return checked(woken, 'futex', [address, 'FUTEX_WAKE', count]);
}
