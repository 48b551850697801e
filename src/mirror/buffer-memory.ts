/**
 * The host's side of a buffer's memory: mapped from the arena at its own address, and taken away so that no stale
 * access can crash the process or show another buffer's bytes. A range over which an ArrayBuffer was made becomes
 * private zero pages until that ArrayBuffer has been collected, since native work may still be using it.
 *
 * @module
 */
import type { Arena } from '../engine/arena.ts';
import { allocatePages, punchHole } from '../linux/memfd.ts';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mmap,
  mmapNoReplace,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../linux/mmap.ts';
import type { Address } from '../mm/address.ts';

/** `ArrayBuffer.prototype.transfer`, Node 22 on. */
type Transferable = ArrayBuffer & { transfer?: () => ArrayBuffer };

export class BufferMemory {
  readonly #arena: Arena;
  readonly #collected: FinalizationRegistry<() => void>;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#collected = new FinalizationRegistry((callback) => callback());
  }

  /**
   * Maps `[address, address + length)` of the arena there; false where something is in the way (nothing changed).
   * With `commit` the pages are allocated now; where that fails the mapping is undone and the error thrown.
   */
  map(address: Address, length: number, options: { commit: boolean; hugePages: boolean }): boolean {
    if (!mmapNoReplace(address, length, PROT_READ | PROT_WRITE, MAP_SHARED, this.#arena.fd, address))
      return false;
    if (options.hugePages) madvise(address, length, MADV_HUGEPAGE);
    if (options.commit) {
      try {
        allocatePages(this.#arena.fd, address, length);
      } catch (error) {
        munmap(address, length);
        punchHole(this.#arena.fd, address, length);
        throw error;
      }
    }
    return true;
  }

  /** Ends access of the host: `view` is detached where the runtime can, and never faults afterwards. */
  retire(address: Address, length: number, view: ArrayBuffer | undefined): void {
    if (!view) {
      // Safe: no ArrayBuffer was ever made over the range.
      munmap(address, length);
      return;
    }
    // MAP_FIXED over this buffer's own mapping, which nobody else can have replaced.
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    mmap(address, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  }

  /** Calls back when no ArrayBuffer over the range is left. */
  whenCollected(view: ArrayBuffer, callback: () => void): void {
    this.#collected.register(view, callback);
  }

  /** Gives the bytes back, everywhere at once. */
  discard(address: Address, length: number): void {
    punchHole(this.#arena.fd, address, length);
  }

  /** Unmaps the zero pages of a range whose ArrayBuffer has been collected. */
  release(address: Address, length: number): void {
    munmap(address, length);
  }
}

/** Detaches a view where the runtime can: its length becomes 0 for everyone who holds it. */
export function detach(view: ArrayBuffer): void {
  (view as Transferable).transfer?.();
}
