/**
 * Claims a device process's part of mirrored memory: maps the arena (offset == address) over all that it has free in its
 * window, without ever replacing a mapping. Other threads of the process come up meanwhile and may be faster: then the
 * picture is read again.
 *
 * @module
 */
import { registerArena } from '../../engine/arena-window.ts';
import { CHILD_FD } from '../../engine/child-protocol.ts';
import { SystemError, UnsupportedError } from '../../errors.ts';
import {
  MADV_DONTDUMP,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mmap,
  mmapNoReplace,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../../linux/mmap.ts';
import { readMaps } from '../../linux/process-maps.ts';
import {
  registerRange,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from '../../linux/userfaultfd.ts';
import type { Address, Range } from '../../mm/address.ts';
import { parseMaps } from '../../mm/parse-maps.ts';
import type { ReservedRegion } from '../device.ts';
import { claimable, joined, notClaimed, type OwnMapping } from './claims.ts';

/** More often than threads could come between. */
const MOST_ATTEMPTS = 32;

export interface ClaimedWindow {
  /** Where mirrored memory may lie; by start, neighbours as one. */
  readonly claims: readonly Range[];
  /** The rest of the window. */
  readonly reserved: readonly ReservedRegion[];
}

/**
 * Claims what is free. With a userfaultfd every access faults first; without one the claims are inaccessible. `room`: where
 * the process's own mappings are to go. `forCopies`: a userfaultfd for claims that can hold copies of host memory. Throws
 * UnsupportedError where the process may not have so many addresses, or where none is free.
 */
export function claimWindow(
  window: Range,
  userfaultfd: number | undefined,
  room?: Range,
  forCopies?: number,
): ClaimedWindow {
  const claims: Range[] = [];
  let own = readOwn();
  const next = nextMapping();
  const reached = withinUserSpace(window, own);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    let all = true;
    for (const range of claimable([...own, ...claims.map(named)], next, reached, pageSize(), room)) {
      if (forCopies === undefined ? claim(range, userfaultfd) : claimForCopies(range, forCopies))
        claims.push(range);
      else all = false;
    }
    if (all) break;
    own = readOwn();
  }
  const sorted = joined(claims);
  if (sorted.length === 0) {
    throw new UnsupportedError(
      'address space',
      "The device's process has nothing free in the window: choose another one, or none, for the device",
    );
  }
  return { claims: sorted, reserved: notClaimed(sorted, readOwn(), next, window, room) };
}

function claim({ start, end }: Range, userfaultfd: number | undefined): boolean {
  const prot = userfaultfd === undefined ? PROT_NONE : PROT_READ | PROT_WRITE;
  if (!place(start, end, prot, MAP_SHARED, CHILD_FD.ARENA)) return false;
  madvise(start, end - start, MADV_DONTDUMP);
  if (userfaultfd !== undefined) registerArena(start, end - start, userfaultfd);
  return true;
}

/** Empty pages of the process's own, which come from the host's pager. */
function claimForCopies({ start, end }: Range, userfaultfd: number): boolean {
  if (!place(start, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)) return false;
  madvise(start, end - start, MADV_DONTDUMP);
  registerRange(userfaultfd, start, end - start, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
  return true;
}

function place(start: Address, end: Address, prot: number, kind: number, fd: number): boolean {
  try {
    return mmapNoReplace(start, end - start, prot, kind | MAP_NORESERVE, fd, fd === -1 ? 0 : start);
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    throw new UnsupportedError(
      'address space',
      `The device's process can't claim addresses for mirrored memory (${cause.message}). It claims all that is free in its window, and no memory: raise RLIMIT_AS (ulimit -v unlimited), or give the device a smaller window`,
      { cause, errno: cause.errno },
    );
  }
}

const named = (range: Range): OwnMapping => ({ ...range, name: '' });

function readOwn(): OwnMapping[] {
  return parseMaps(readMaps('self')).vmas;
}

/** The part of the window that user space can have: it ends a page below the power of two that its stack lies under. */
function withinUserSpace({ start, end }: Range, own: readonly OwnMapping[]): Range {
  const highest = own.reduce((most, mapping) => Math.max(most, mapping.end), 0);
  return { start, end: Math.min(end, 2 ** Math.ceil(Math.log2(highest)) - pageSize()) };
}

/** Where the kernel would put a mapping that asks for no place. */
function nextMapping(): Address {
  const length = pageSize();
  const address = mmap(0, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  munmap(address, length);
  return address;
}
