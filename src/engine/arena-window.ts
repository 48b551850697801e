/**
 * A window onto the arena inside a device process: address `a` of the window lies at `base + a`, and the byte there is
 * byte `a` of the arena. All of it is registered with userfaultfd, so that no page is there before the pager has agreed.
 *
 * @module
 */
import { UnsupportedError } from '../errors.ts';
import {
  MADV_DONTDUMP,
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_SHARED,
  madvise,
  mmap,
  mprotect,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../linux/mmap.ts';
import {
  openUserfaultfd,
  registerRange,
  UFFD_FEATURE_EXACT_ADDRESS,
  UFFD_FEATURE_MINOR_SHMEM,
  UFFD_FEATURE_THREAD_ID,
  UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../linux/userfaultfd.ts';
import type { Address, Range } from '../mm/address.ts';

/** How accesses outside of live buffers are caught: `auto` is userfaultfd where it is to be had, else traps. */
export type FaultMode = 'auto' | 'userfaultfd' | 'trap';

/**
 * The descriptor on which a whole window's faults arrive; none with `'trap'`, nor with `'auto'` where it is refused, with
 * the words of the refusal. Throws UnsupportedError where `'userfaultfd'` is refused.
 */
export function openFaults(mode: FaultMode): {
  userfaultfd?: number;
  refused?: string;
} {
  if (mode === 'trap') return {};
  try {
    return { userfaultfd: openWindowFaults() };
  } catch (error) {
    if (mode === 'auto' && error instanceof UnsupportedError) return { refused: error.message };
    throw error;
  }
}

function openWindowFaults(): number {
  return openUserfaultfd(
    UFFD_FEATURE_THREAD_ID |
      UFFD_FEATURE_EXACT_ADDRESS |
      UFFD_FEATURE_MINOR_SHMEM |
      UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
  );
}

/** A window where the process has had room for it: the byte of address `a` is at `base + a`. */
export interface PlacedWindow {
  readonly base: Address;
  /** Absent where accesses outside of buffers are caught by protection. */
  readonly userfaultfd?: number;
  /** Why it is not userfaultfd, where that was wanted. */
  readonly refused?: string;
}

/**
 * Maps a device's window anywhere in its process, for devices that reach memory through an offset. With a userfaultfd
 * every access faults first; without one all of it is inaccessible but what the log of maps says. Throws UnsupportedError
 * where `'userfaultfd'` is refused, SystemError where the process has no room.
 */
export function placeWindow({ start, end }: Range, arena: number, faults: FaultMode): PlacedWindow {
  const { userfaultfd, refused } = openFaults(faults);
  const prot = userfaultfd === undefined ? PROT_NONE : PROT_READ | PROT_WRITE;
  const base = mmap(0, end - start, prot, MAP_SHARED | MAP_NORESERVE, arena, start) - start;
  madvise(base + start, end - start, MADV_DONTDUMP);
  if (userfaultfd === undefined) return { base, ...(refused === undefined ? {} : { refused }) };
  registerArena(base + start, end - start, userfaultfd);
  return { base, userfaultfd };
}

/** Maps and registers a part of the window. MAP_FIXED: the caller says that the range is the window's. */
export function mapArena(
  base: Address,
  start: Address,
  end: Address,
  arena: number,
  userfaultfd: number,
  prot = PROT_READ | PROT_WRITE,
): void {
  const flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
  mmap(base + start, end - start, prot, flags, arena, start);
  madvise(base + start, end - start, MADV_DONTDUMP);
  registerArena(base + start, end - start, userfaultfd);
}

/** Has faults of a range answered that is a shared mapping of the arena. */
export function registerArena(start: Address, length: number, userfaultfd: number): void {
  const mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP;
  registerRange(userfaultfd, start, length, mode);
}

/**
 * Puts a page of the window back that a private one stood in for. Between the mapping and its registration another core
 * must not get hold of a page for good: so the page is read-only meanwhile where buffers may lie there (`live`), and
 * what was mapped by then is taken away again; otherwise it is inaccessible.
 */
export function restoreArena(
  base: Address,
  start: Address,
  end: Address,
  live: boolean,
  arena: number,
  userfaultfd: number,
): void {
  mapArena(base, start, end, arena, userfaultfd, live ? PROT_READ : PROT_NONE);
  madvise(base + start, end - start, MADV_DONTNEED);
  mprotect(base + start, end - start, PROT_READ | PROT_WRITE);
}
