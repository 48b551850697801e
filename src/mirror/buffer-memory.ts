/**
 * The host's side of a buffer's memory: mapped from the arena at its own address, and taken away so that no stale
 * access can crash the process or show another buffer's bytes. A range over which an ArrayBuffer was made becomes
 * private zero pages until that ArrayBuffer has been collected, since native work may still be using it.
 *
 * @module
 */
import type { Arena } from '../engine/arena.ts';
import { formatBytes, SystemError } from '../errors.ts';
import { allocatePages, punchHole } from '../linux/memfd.ts';
import { memoryLeft } from '../linux/memory-left.ts';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mapNothing,
  mapZeroPages,
  mmap,
  mmapNoReplace,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
  tryMunmap,
} from '../linux/mmap.ts';
import type { Address, Range } from '../mm/address.ts';
import { MappingRoom } from './mapping-room.ts';
import type { HostPages, PageRange } from './ownership.ts';
import { ReservedRanges } from './reserved-ranges.ts';

/** Memory that `commit` leaves to everybody else: page tables, the collector, a turn of luck. */
const LEFT_FREE = 8 * 2 ** 20;

const NOTHING = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/** How long, in milliseconds, one look at the memory that is left serves for small commits. */
const LOOK_SERVES = 50;

/** How memory is to be had. */
export interface MemoryOptions {
  readonly commit: boolean;
  readonly hugePages: boolean;
}

/** What is left of a buffer's mapping in this process after its free. */
export interface Remains {
  /** `undefined` where nothing is. */
  readonly mapped: Range | undefined;
  /** It is still the arena that is mapped there. */
  readonly shared: boolean;
}

/** Of the module, so that it reports also when the mirror has been closed and forgotten: it holds what it reports to. */
export const collected = new FinalizationRegistry<() => void>((callback) => callback());

export class BufferMemory implements HostPages {
  readonly #arena: Pick<Arena, 'fd' | 'size'>;
  readonly #room = new MappingRoom();
  /** Where addresses stay mapped, inaccessible, when a buffer has gone. */
  readonly reserved = new ReservedRanges();
  /** Bytes that may be committed without another look at the memory that is left, and until when. */
  #committable = 0;
  #lookAgain = 0;

  constructor(arena: Pick<Arena, 'fd' | 'size'>) {
    this.#arena = arena;
  }

  /**
   * Maps `[address, address + length)` of the arena there; false where something is in the way (nothing changed).
   * With `commit` the pages are allocated now; where that fails the mapping is undone and the error thrown.
   */
  map(address: Address, length: number, options: MemoryOptions): boolean {
    const { fd } = this.#arena;
    if (options.commit) this.#checkMemoryLeft(address, length);
    this.#room.take(length);
    let mapped = false;
    try {
      mapped = mmapNoReplace(address, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, address);
    } finally {
      if (!mapped) this.#room.give();
    }
    if (!mapped) return false;
    if (options.hugePages) madvise(address, length, MADV_HUGEPAGE);
    if (options.commit) {
      try {
        allocatePages(fd, address, length);
      } catch (error) {
        munmap(address, length);
        this.#room.give();
        punchHole(fd, address, length);
        throw error;
      }
    }
    return true;
  }

  /** Of a buffer that is mapped: its own pages, copies of them on write, or zero pages. */
  show({ start, end, kind }: PageRange): void {
    // MAP_FIXED, and zero pages: over this buffer's own mapping, which nobody else can have replaced.
    if (kind === 'zero') mapZeroPages(start, end - start);
    else {
      const flags = kind === 'shared' ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;
      mmap(start, end - start, PROT_READ | PROT_WRITE, MAP_FIXED | flags, this.#arena.fd, start);
    }
  }

  room(change: number): void {
    for (let i = 0; i < change; i++) this.#room.take(1);
    for (let i = change; i < 0; i++) this.#room.give();
  }

  get pageSize(): number {
    return pageSize();
  }

  /**
   * Ends access of the host to `[address, address + length)`. Where an ArrayBuffer was made over it private zero pages
   * take its place, over the `guard` behind it too if that is free: neighbours then are one mapping, however many there
   * are. Where the kernel has no room for any of that, the range stays mapped and is dealt with later.
   */
  retire(address: Address, length: number, guard: number, viewed: boolean): Remains {
    const range = { start: address, end: address + length };
    if (!viewed) {
      // Safe: no ArrayBuffer was ever made over the range.
      if (!this.unmap(range)) return { mapped: range, shared: true };
      this.#room.give();
      return { mapped: undefined, shared: false };
    }
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    try {
      // MAP_FIXED over this buffer's own mapping, which nobody else can have replaced.
      mmap(address, length, PROT_READ | PROT_WRITE, MAP_FIXED | flags, -1, 0);
    } catch (error) {
      if (error instanceof SystemError) return { mapped: range, shared: true };
      throw error;
    }
    if (guard > 0 && this.#cover(range.end, guard, flags)) range.end += guard;
    return { mapped: range, shared: false };
  }

  #cover(address: Address, length: number, flags: number): boolean {
    try {
      return mmapNoReplace(address, length, PROT_READ | PROT_WRITE, flags, -1, 0);
    } catch (error) {
      if (error instanceof SystemError) return false;
      throw error;
    }
  }

  /** The kernel does not refuse memory that it does not have: it kills. */
  #checkMemoryLeft(address: Address, length: number): void {
    const now = performance.now();
    if (length > this.#committable || now > this.#lookAgain) {
      const { bytes, of } = memoryLeft();
      if (length + LEFT_FREE > bytes) {
        throw new SystemError(
          'fallocate',
          [this.#arena.fd, address, length],
          'ENOMEM',
          `${of} has ${formatBytes(bytes)} of memory left, of which ${formatBytes(LEFT_FREE)} stay free; to commit takes ${formatBytes(length)}`,
        );
      }
      this.#committable = (bytes - LEFT_FREE) / 16;
      this.#lookAgain = now + LOOK_SERVES;
    }
    this.#committable -= length;
  }

  /** Calls back when no ArrayBuffer over the range is left. */
  whenCollected(view: ArrayBuffer, callback: () => void): void {
    collected.register(view, callback);
  }

  /** Gives the bytes back, everywhere at once. */
  discard(address: Address, length: number): void {
    punchHole(this.#arena.fd, address, length);
  }

  /** Unmaps what {@link BufferMemory.retire} left; false where the kernel has no room to. */
  unmap(range: Range): boolean {
    const { reserved, rest } = this.reserved.split(range);
    for (const { start, end } of reserved) {
      try {
        mapNothing(start, end - start);
      } catch (error) {
        if (error instanceof SystemError) return false;
        throw error;
      }
    }
    return rest.every(({ start, end }) => tryMunmap(start, end - start));
  }

  /** Maps nothing at a free place, so that nobody else takes it; false where something is in the way. */
  reserve(address: Address, length: number): boolean {
    this.#room.take(length);
    let mapped = false;
    try {
      mapped = mmapNoReplace(address, length, PROT_NONE, NOTHING, -1, 0);
    } finally {
      if (!mapped) this.#room.give();
    }
    return mapped;
  }

  /** {@link BufferMemory.map} where the addresses are reserved. Throws SystemError; nothing has changed then. */
  mapReserved(address: Address, length: number, options: MemoryOptions): void {
    const { fd } = this.#arena;
    if (options.commit) this.#checkMemoryLeft(address, length);
    this.#room.take(length);
    try {
      if (options.commit) allocatePages(fd, address, length);
      this.show({ start: address, end: address + length, kind: 'shared' });
    } catch (error) {
      this.#room.give();
      if (options.commit) punchHole(fd, address, length);
      throw error;
    }
    if (options.hugePages) madvise(address, length, MADV_HUGEPAGE);
  }

  /** So many of the mappings that {@link BufferMemory.retire} left have gone. */
  gone(count: number): void {
    for (let i = 0; i < count; i++) this.#room.give();
  }
}

/**
 * True where somebody has transferred a view of a buffer: its memory belongs to an ArrayBuffer that nobody here knows.
 * Nothing here transfers one, not even at a free: native work that has begun with it reads its length again (Node's
 * zlib does, for each chunk of output, and ends the process where it has become 0).
 */
export function wasTransferred(view: ArrayBuffer): boolean {
  return view.byteLength === 0;
}
