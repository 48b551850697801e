/**
 * The window of a wasm device inside its process: one shared linear memory of 4 GiB whose pages are the arena's
 * (offset == address), but for the device's own memory at the bottom, all of it registered with userfaultfd so that
 * no page is there before the pager has agreed.
 *
 * @module
 */

import { fstatSync } from 'node:fs';
import { mapArena, restoreArena } from '../../engine/arena-window.ts';
import { UnsupportedError } from '../../errors.ts';
import { addressOf } from '../../ffi/library.ts';
import {
  MADV_DONTDUMP,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../linux/mmap.ts';
import { registerRange, UFFDIO_REGISTER_MODE_MISSING } from '../../linux/userfaultfd.ts';
import { type Address, GiB, type Range } from '../../mm/address.ts';
import { WASM_WINDOW } from './regions.ts';

const WINDOW_BYTES = 4 * GiB;
const WASM_PAGE = 65536;

/** Makes the linear memory. Node reserves 4 GiB of addresses for it, and no memory. */
export function createLinearMemory(): WebAssembly.Memory {
  const pages = WINDOW_BYTES / WASM_PAGE;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new UnsupportedError(
      'address space',
      `The device's process can't reserve a linear memory of 4 GiB (${String(cause)}). Node reserves about 10 GiB of addresses for it, and no memory: raise RLIMIT_AS (ulimit -v unlimited)`,
      { cause },
    );
  }
}

/** Where virtual address 0 of the window lies in this process. */
export function baseOf(memory: WebAssembly.Memory): Address {
  return addressOf(new Uint8Array(memory.buffer));
}

/** Puts a page of the window back that a private one stood in for; see {@link restoreArena}. */
export function restorePage(
  base: Address,
  start: Address,
  end: Address,
  live: boolean,
  ownEnd: Address,
  arena: number,
  userfaultfd: number,
): void {
  // Where no arena lies behind the window, there is nothing that could be had too early.
  if ((start >= WASM_WINDOW.start && start < ownEnd) || start >= fstatSync(arena).size) {
    mapWindow(base, start, end, ownEnd, arena, userfaultfd);
    return;
  }
  restoreArena(base, start, end, live, arena, userfaultfd);
}

/** Maps and registers a part of the window as it is to be. MAP_FIXED: the window is this process's own memory. */
export function mapWindow(
  base: Address,
  start: Address,
  end: Address,
  ownEnd: Address,
  arena: number,
  userfaultfd: number,
): void {
  const split = Math.min(Math.max(start, WASM_WINDOW.start), end);
  if (start < split) mapArena(base, start, split, arena, userfaultfd);
  const own = Math.min(Math.max(split, ownEnd), end);
  if (split < own) mapOwn(base, split, own, userfaultfd);
  const backed = Math.min(Math.max(own, fstatSync(arena).size), end);
  if (own < backed) mapArena(base, own, backed, arena, userfaultfd);
  // Beyond the end of an arena that RLIMIT_FSIZE has made short an access would be SIGBUS, and no fault.
  if (backed < end) mapOwn(base, backed, end, userfaultfd);
}

function mapOwn(base: Address, start: Address, end: Address, userfaultfd: number): void {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  mmap(base + start, end - start, PROT_READ | PROT_WRITE, flags, -1, 0);
  registerRange(userfaultfd, base + start, end - start, UFFDIO_REGISTER_MODE_MISSING);
}

/** The window where userfaultfd is not to be had: inaccessible, but for the device's own memory. */
export function mapProtectedWindow(base: Address, arena: number, own: readonly Range[]): void {
  mmap(base, WINDOW_BYTES, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, arena, 0);
  madvise(base, WINDOW_BYTES, MADV_DONTDUMP);
  for (const { start, end } of own) {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    mmap(base + start, end - start, PROT_READ | PROT_WRITE, flags, -1, 0);
  }
}

export { WINDOW_BYTES };
