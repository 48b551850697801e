/**
 * Memory as a file without a name: memfd_create(2), its size, its seals, and holes punched into it. All of it acts
 * on descriptors that the caller holds; nothing here touches a mapping directly.
 *
 * @module
 */
import { SystemError } from '../errors.ts';
import { libcFunction } from '../ffi/library.ts';
import { checked, lastError, systemError } from './system-call.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
const LOCK_EX = 2;
const LOCK_NB = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

const cMemfdCreate = libcFunction('int memfd_create(const char *, unsigned int)');
const cFtruncate = libcFunction('int ftruncate(int, int64_t)');
const cFcntl = libcFunction('int fcntl(int, int, uintptr_t)');
const cFallocate = libcFunction('int fallocate(int, int, int64_t, int64_t)');
const cFlock = libcFunction('int flock(int, int)');
const cClose = libcFunction('int close(int)');

/** A new memory file, closed on exec; it shows as `/memfd:NAME (deleted)` in /proc/PID/maps. */
export function memfdCreate(name: string): number {
  return checked(cMemfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create', [name]);
}

/** Sets the length; costs no memory. `false` where RLIMIT_FSIZE or the file system forbids that length (EFBIG). */
export function tryFtruncate(fd: number, length: number): boolean {
  if (cFtruncate(fd, length) === 0) return true;
  if (['EFBIG', 'EINVAL'].includes(lastError())) return false;
  throw systemError('ftruncate', [fd, length]);
}

export function ftruncate(fd: number, length: number): void {
  checked(cFtruncate(fd, length), 'ftruncate', [fd, length]);
}

/** After this nobody, in any process, can change what the seals forbid. */
export function addSeals(fd: number, seals: number): void {
  checked(cFcntl(fd, F_ADD_SEALS, seals), 'fcntl', [fd, 'F_ADD_SEALS', seals]);
}

/** Gives the pages of the range back: they read as zero everywhere from now on, and faults are missing faults. */
export function punchHole(fd: number, offset: number, length: number): void {
  checked(cFallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length), 'fallocate', [
    fd,
    'PUNCH_HOLE',
    offset,
    length,
  ]);
}

/** Allocates the pages of the range now, zeroed where new. Throws where memory runs out, with nothing half done. */
export function allocatePages(fd: number, offset: number, length: number): void {
  let errno = '';
  do {
    // A signal may interrupt it; what was allocated by then stays.
    if (cFallocate(fd, 0, offset, length) === 0) return;
    errno = lastError();
  } while (errno === 'EINTR');
  throw new SystemError('fallocate', [fd, offset, length], errno, 'Memory could not be allocated now');
}

export function close(fd: number): void {
  checked(cClose(fd), 'close', [fd]);
}

/** Locks the file behind a descriptor for this descriptor alone, until it is closed; false where another has it. */
export function tryLock(fd: number): boolean {
  return cFlock(fd, LOCK_EX | LOCK_NB) === 0;
}
