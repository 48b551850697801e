/**
 * Another process of the same user, as its parent may reach it: a descriptor of it (pidfd_getfd(2)), and its memory
 * (process_vm_readv(2), process_vm_writev(2)), which also reach this process itself without ever crashing it: what is not
 * there, or may not be touched, is EFAULT.
 *
 * @module
 */
import { addressOf, libcFunction } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';
import { checked, lastError, SYS_pidfd_getfd, systemCall, systemError } from './system-call.ts';

const cReadv = libcFunction('int64_t process_vm_readv(int, void *, uint64_t, void *, uint64_t, uint64_t)');
const cWritev = libcFunction('int64_t process_vm_writev(int, void *, uint64_t, void *, uint64_t, uint64_t)');

/** A descriptor of this process for what `fd` is in the process of `pidfd`. Needs PTRACE_MODE_ATTACH: a parent has it. */
export function takeDescriptor(pidfd: number, fd: number): number {
  return checked(systemCall(SYS_pidfd_getfd, pidfd, fd, 0, 0, 0, 0), 'pidfd_getfd', [pidfd, fd]);
}

const local = new BigUint64Array(2);
const remote = new BigUint64Array(2);

/**
 * Bytes at an address of a process, into a buffer; gives how many could be read before the first that can't be (a short
 * count at the end of a mapping), 0 where none or the process has gone. `at` and `length` are of the buffer. The buffer
 * must not move: more than 64 bytes.
 */
export function readMemory(pid: number, from: Address, into: Uint8Array, at: number, length: number): number {
  local[0] = BigInt(addressOf(into) + at);
  local[1] = BigInt(length);
  remote[0] = BigInt(from);
  remote[1] = BigInt(length);
  const done = cReadv(pid, local, 1, remote, 1, 0);
  if (done >= 0) return done;
  const errno = lastError();
  if (errno === 'EFAULT' || errno === 'ESRCH') return 0;
  throw systemError('process_vm_readv', [pid, from, length]);
}

/**
 * Throws SystemError where this process may not read the memory of `pid` by {@link readMemory}, or write its own by
 * {@link writeRuns}: seccomp may forbid these calls alone. Tries with address 0, where nothing is: it changes nothing.
 */
export function checkMemoryAccess(pid: number): void {
  const bytes = new Uint8Array(128);
  readMemory(pid, 0, bytes, 0, 1);
  writeRuns(process.pid, 0, bytes, [0, 1]);
}

/** IOV_MAX. */
const MOST_SEGMENTS = 1024;
const segments = { local: new Uint32Array(4 * MOST_SEGMENTS), remote: new Uint32Array(4 * MOST_SEGMENTS) };

/**
 * Writes runs (pairs of offset and length) of a buffer to the same offsets from an address; gives how many bytes got
 * there before the first that may not be stored to, or is not mapped. Only ever to memory whose owner has agreed.
 */
export function writeRuns(pid: number, to: Address, from: Uint8Array, runs: readonly number[]): number {
  const source = addressOf(from);
  let written = 0;
  for (let at = 0; at < runs.length; ) {
    let count = 0;
    let bytes = 0;
    for (; at < runs.length && count < MOST_SEGMENTS; at += 2, count++) {
      const length = runs[at + 1]!;
      setSegment(segments.local, count, source + runs[at]!, length);
      setSegment(segments.remote, count, to + runs[at]!, length);
      bytes += length;
    }
    const done = cWritev(pid, segments.local, count, segments.remote, count, 0);
    if (done === -1) {
      const errno = lastError();
      if (errno === 'EFAULT' || errno === 'ESRCH') return written;
      throw systemError('process_vm_writev', [pid, to, bytes]);
    }
    written += done;
    if (done !== bytes) return written;
  }
  return written;
}

/** struct iovec: a pointer and a length, 64 bits each. */
function setSegment(into: Uint32Array, index: number, address: Address, length: number): void {
  into[4 * index] = address % 2 ** 32;
  into[4 * index + 1] = Math.floor(address / 2 ** 32);
  into[4 * index + 2] = length;
  into[4 * index + 3] = 0;
}
