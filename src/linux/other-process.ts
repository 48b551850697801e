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
  return transfer(cReadv, 'process_vm_readv', pid, from, into, at, length);
}

/** The other way round; 0 where the process may not store there itself. Only ever to memory whose owner has agreed. */
export function writeMemory(pid: number, to: Address, from: Uint8Array, at: number, length: number): number {
  return transfer(cWritev, 'process_vm_writev', pid, to, from, at, length);
}

function transfer(
  call: typeof cReadv,
  name: string,
  pid: number,
  address: Address,
  buffer: Uint8Array,
  at: number,
  length: number,
): number {
  local[0] = BigInt(addressOf(buffer) + at);
  local[1] = BigInt(length);
  remote[0] = BigInt(address);
  remote[1] = BigInt(length);
  const done = call(pid, local, 1, remote, 1, 0);
  if (done >= 0) return done;
  const errno = lastError();
  if (errno === 'EFAULT' || errno === 'ESRCH') return 0;
  throw systemError(name, [pid, address, length]);
}
