/**
 * The window of a device that reaches system memory, as its pager changes it: pages of the process's own, filled by the
 * host's pager, but where a buffer is live: there the arena is mapped. Faults that the host has no answer to come in by
 * mail.
 *
 * @module
 */

import { restoreArena } from '../../../engine/arena-window.ts';
import { CHILD_FD } from '../../../engine/child-protocol.ts';
import { MAP_ENTRY } from '../../../engine/control-layout.ts';
import type { PagerMail, PagerSystem } from '../../../engine/pager-options.ts';
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import {
  MADV_DONTDUMP,
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_SHARED,
  madvise,
  mapZeroPages,
  mmap,
  PROT_READ,
  PROT_WRITE,
} from '../../../linux/mmap.ts';
import {
  registerRange,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  wakeRange,
  writeProtect,
  zeroRange,
} from '../../../linux/userfaultfd.ts';
import { alignUp } from '../../../mm/address.ts';
import { MOST_WILD, WILD, wildAddress, wildWord } from './area.ts';

export interface CopiesWindowOptions {
  readonly area: SharedMemory;
  /** For copies, and for buffers. */
  readonly userfaultfd: number;
  readonly buffers: number;
  readonly pageSize: number;
  readonly cores: number;
}

export class CopiesWindow implements PagerSystem {
  readonly #o: CopiesWindowOptions;

  constructor(options: CopiesWindowOptions) {
    this.#o = options;
  }

  /** An entry of the log of maps. MAP_FIXED: the range is this process's own claim. */
  apply(kind: number, start: number, end: number): void {
    const { buffers, pageSize } = this.#o;
    const to = alignUp(end, pageSize);
    if (kind === MAP_ENTRY.MAP_READ) restoreArena(0, start, to, true, CHILD_FD.ARENA, buffers);
    else if (kind === MAP_ENTRY.MAP_WRITE) this.#mapBuffer(start, to - start);
    else this.#mapCopies(start, to - start);
  }

  /**
   * Not for write protection: the host's pager always copies with it, so what it copies can't get into the arena by any
   * mistake about what lies there.
   */
  #mapBuffer(start: number, length: number): void {
    const flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
    mmap(start, length, PROT_READ | PROT_WRITE, flags, CHILD_FD.ARENA, start);
    madvise(start, length, MADV_DONTDUMP);
    registerRange(this.#o.buffers, start, length, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR);
    // What another thread touched in between: no page without the pager.
    madvise(start, length, MADV_DONTNEED);
  }

  #mapCopies(start: number, length: number): void {
    mapZeroPages(start, length);
    madvise(start, length, MADV_DONTDUMP);
    registerRange(this.#o.userfaultfd, start, length, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
    madvise(start, length, MADV_DONTNEED);
  }

  /** Faults that the host can't answer. */
  *mail(): Iterable<PagerMail> {
    const { area, cores } = this.#o;
    for (let slot = 0; slot < MOST_WILD; slot++) {
      const word = wildWord(slot);
      if (Atomics.load(area.i32, word + WILD.FULL) === 0) continue;
      const mail: PagerMail = {
        thread: area.i32[word + WILD.THREAD]!,
        address: area.f64[wildAddress(slot)]!,
        access: area.i32[word + WILD.ACCESS] === 1 ? 'write' : 'read',
        kind: 'missing',
        reason: area.i32[word + WILD.REASON]!,
        calls: new Array<number>(cores).fill(area.i32[word + WILD.CALL]!),
      };
      Atomics.store(area.i32, word + WILD.FULL, 0);
      yield mail;
    }
  }

  /** Lets the threads that wait for a copy try again. */
  wake(page: number): void {
    wakeRange(this.#o.userfaultfd, page, this.#o.pageSize);
  }

  /** A core is on its way out: its access goes on over a page that nobody gets to see. */
  letGo(page: number): void {
    const { userfaultfd, pageSize } = this.#o;
    if (zeroRange(userfaultfd, page, pageSize).bytes === 0) writeProtect(userfaultfd, page, pageSize, false);
    this.wake(page);
  }

  /** The page as it was: missing. */
  restore(page: number): void {
    madvise(page, this.#o.pageSize, MADV_DONTNEED);
  }
}
