/**
 * How a system call is made and how its failure is reported: the C library's wrapper through the foreign
 * function interface, `errno` read at once, a {@link SystemError} with the call's name and arguments. Calls that
 * the C library has no wrapper for go through `syscall(2)` by number.
 *
 * @module
 */
import { SystemError, UnsupportedError } from '../errors.ts';
import { errnoName, lastErrno, libcFunction, type NativeFunction } from '../ffi/library.ts';

/** The name of the error that the last failing call left. Read it at once. */
export function lastError(): string {
  return errnoName(lastErrno());
}

/** The typed error for the call that just failed. */
export function systemError(name: string, args: readonly (number | string)[], hint?: string): SystemError {
  const errno = lastError();
  return new SystemError(name, args, errno, hint ?? hints[errno]);
}

/** The typed error for a file of /proc that Node could not open or read. */
export function fileError(error: unknown, path: string): SystemError {
  const { syscall = 'read', code = String(error) } = error as NodeJS.ErrnoException;
  return new SystemError(syscall, [path], code, hints[code]);
}

const hints: Record<string, string> = {
  EMFILE: 'This process has as many descriptors open as RLIMIT_NOFILE allows (ulimit -n)',
};

/** Throws where `result` is -1; gives it back otherwise. */
export function checked(
  result: number,
  name: string,
  args: readonly (number | string)[],
  hint?: string,
): number {
  if (result === -1) throw systemError(name, args, hint);
  return result;
}

/** System call numbers that differ between the two 64-bit architectures; the generic ones are shared. */
const numbers: Record<string, { brk: number; futex: number; gettid: number; userfaultfd: number }> = {
  x64: { brk: 12, futex: 202, gettid: 186, userfaultfd: 323 },
  arm64: { brk: 214, futex: 98, gettid: 178, userfaultfd: 282 },
};

export const SYS_pidfd_open = 434;
export const SYS_pidfd_getfd = 438;
export const SYS_futex_waitv = 449;

/** The number of a system call on this architecture. Throws {@link UnsupportedError} on others. */
export function systemCallNumber(name: 'brk' | 'futex' | 'gettid' | 'userfaultfd'): number {
  const table = numbers[process.arch];
  if (!table)
    throw new UnsupportedError(
      'architecture',
      `Mirrorspace runs on x86-64 and arm64 Linux; this is ${process.arch}.`,
    );
  return table[name];
}

/** `syscall(2)` with up to six arguments. */
export const systemCall: NativeFunction = libcFunction(
  'int64_t syscall(int64_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)',
);
