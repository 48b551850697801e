/**
 * Mappings of this process: mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2). The one dangerous flag is MAP_FIXED,
 * which replaces whatever lies there; only callers that own the range use it, and each says so.
 *
 * @module
 */
import { libcFunction } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';
import { checked, lastError, systemCall, systemCallNumber, systemError } from './system-call.ts';

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;

export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MAP_FIXED_NOREPLACE = 0x100000;

export const MADV_DONTNEED = 4;
export const MADV_HUGEPAGE = 14;
export const MADV_DONTDUMP = 16;
/** Maps the pages as reads would; Linux 5.14. */
export const MADV_POPULATE_READ = 22;

const cMmap = libcFunction('int64_t mmap(uintptr_t, size_t, int, int, int, int64_t)');
const cMunmap = libcFunction('int munmap(uintptr_t, size_t)');
const cMprotect = libcFunction('int mprotect(uintptr_t, size_t, int)');
const cMadvise = libcFunction('int madvise(uintptr_t, size_t, int)');
const cMremap = libcFunction('int64_t mremap(uintptr_t, size_t, size_t, int, uintptr_t)');
const cSysconf = libcFunction('int64_t sysconf(int)');

/**
 * Maps where the caller says. Safe with MAP_FIXED_NOREPLACE, or without any fixed flag; with MAP_FIXED only on a
 * range that the caller owns.
 */
export function mmap(
  address: Address,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): Address {
  return checked(cMmap(address, length, prot, flags, fd, offset), 'mmap', [
    address,
    length,
    prot,
    flags,
    fd,
    offset,
  ]);
}

/**
 * mmap at exactly `address`, unless something is there: then `false`, and nothing has changed. Kernels before 4.17
 * ignore MAP_FIXED_NOREPLACE and may move the mapping; that is undone and reported as a collision.
 */
export function mmapNoReplace(
  address: Address,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): boolean {
  const got = cMmap(address, length, prot, flags | MAP_FIXED_NOREPLACE, fd, offset);
  if (got === address) return true;
  if (got !== -1) {
    cMunmap(got, length);
    return false;
  }
  const errno = lastError();
  if (errno === 'EEXIST') return false;
  throw systemError('mmap', [address, length, prot, flags, fd, offset], mapHint(errno));
}

function mapHint(errno: string): string | undefined {
  if (errno !== 'ENOMEM') return undefined;
  return 'The process has no room for another mapping: see vm.max_map_count, RLIMIT_AS and the memory limit of its control group';
}

/**
 * Private zero pages in place of what is mapped there, for which no memory is set aside. Safe over a range of the
 * caller's own only: whatever lies there is replaced. Throws SystemError.
 */
export function mapZeroPages(address: Address, length: number): void {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  mmap(address, length, PROT_READ | PROT_WRITE, flags, -1, 0);
}

/** Inaccessible addresses in place of what is mapped there. Safe over a range of the caller's own only. Throws SystemError. */
export function mapNothing(address: Address, length: number): void {
  mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/** Safe on a range that the caller mapped and that nothing uses any more: later access is SIGSEGV. */
export function munmap(address: Address, length: number): void {
  checked(cMunmap(address, length), 'munmap', [address, length]);
}

/** {@link munmap}; `false` where the kernel has no room to: unmapping a part of a mapping makes two of it. */
export function tryMunmap(address: Address, length: number): boolean {
  if (cMunmap(address, length) === 0) return true;
  // Not "is it ENOMEM?": where there is no room, V8's own failures may have changed errno already.
  if (lastError() !== 'EINVAL') return false;
  throw systemError('munmap', [address, length]);
}

/** Safe on a range that the caller mapped; access against the new protection is SIGSEGV. */
export function mprotect(address: Address, length: number, prot: number): void {
  checked(cMprotect(address, length, prot), 'mprotect', [address, length, prot]);
}

/** Advice only: `false` where the kernel does not know or take it. */
export function madvise(address: Address, length: number, advice: number): boolean {
  return cMadvise(address, length, advice) === 0;
}

/** {@link madvise} whose refusal is an error: `EINVAL`, `ENOMEM` where there are holes, `EAGAIN`. */
export function adviseMemory(address: Address, length: number, advice: number): void {
  checked(cMadvise(address, length, advice), 'madvise', [address, length, advice]);
}

/**
 * Resizes or moves a mapping; mremap(2). Safe on a range that the caller mapped and that nothing points into; with
 * MREMAP_FIXED only onto a range that the caller owns.
 */
export function mremap(
  address: Address,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddress: Address,
): Address {
  return checked(cMremap(address, oldLength, newLength, flags, newAddress), 'mremap', [
    address,
    oldLength,
    newLength,
    flags,
    newAddress,
  ]);
}

/**
 * The system call brk(2), past the C library: the break as it is afterwards. Safe where nobody else moves it meanwhile
 * and the C library's own part of the heap stays.
 */
export function brk(address: Address): Address {
  return systemCall(systemCallNumber('brk'), address, 0, 0, 0, 0, 0);
}

const SC_PAGESIZE = 30;
let knownPageSize = 0;

/** The page size of this machine in bytes; asked once, never assumed. */
export function pageSize(): number {
  if (knownPageSize === 0) knownPageSize = cSysconf(SC_PAGESIZE);
  return knownPageSize;
}

/** Pages that are asked about at once: a byte for each. */
const MOST_PAGES = 2 ** 18;
const cMincore = libcFunction('int mincore(uintptr_t, size_t, void *)');

/** How many pages of a range that the caller mapped are in memory now; mincore(2). */
export function residentPages(address: Address, length: number): number {
  const step = MOST_PAGES * pageSize();
  const pages = new Uint8Array(Math.ceil(Math.min(length, step) / pageSize()));
  let resident = 0;
  for (let done = 0; done < length; done += step) {
    const part = Math.min(step, length - done);
    checked(cMincore(address + done, part, pages), 'mincore', [address + done, part]);
    const count = Math.ceil(part / pageSize());
    for (let i = 0; i < count; i++) resident += pages[i]! & 1;
  }
  return resident;
}
