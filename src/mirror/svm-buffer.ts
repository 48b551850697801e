/**
 * A buffer: bytes at one address for the host and for every device that may touch it.
 *
 * @module
 */
import type { QueuedFree } from '../device/device.ts';
import { StateError } from '../errors.ts';
import { pageSize, residentPages } from '../linux/mmap.ts';
import { alignDown, alignUp } from '../mm/address.ts';
import type { Placement } from '../placement/index.ts';
import type { AdoptedMemory } from './adopted-memory.ts';
import type { Access, BufferType } from './alloc-options.ts';
import type { MemoryOptions } from './buffer-memory.ts';
import { describeHugePages, type HugePages } from './huge-pages.ts';
import { MappedBuffer } from './mapped-buffer.ts';
import type { Ownership } from './ownership.ts';
import { checkPart, SubBuffer } from './sub-buffer.ts';

/** Whether other processes that attach have the buffer too. */
export function isShared(buffer: SvmBuffer): boolean {
  return buffer.type === 'fine' && !buffer.adopted;
}

/** What the mirror does for a buffer. */
export interface BufferOwner {
  free(buffer: SvmBuffer): void;
  grow(buffer: SvmBuffer, size: number): void;
}

/** What a buffer is made of. */
export interface BufferParts {
  readonly owner: BufferOwner;
  readonly name: string;
  readonly size: number;
  readonly placement: Placement;
  readonly access: readonly Access[];
  readonly ownership: Ownership | undefined;
  readonly asked: MemoryOptions;
  readonly adopted: AdoptedMemory | undefined;
}

export class SvmBuffer extends MappedBuffer {
  /** @internal What each device may do, in the order of the mirror's devices. */
  readonly access: readonly Access[];
  /** @internal Of a coarse buffer. */
  readonly ownership: Ownership | undefined;
  /** @internal How its memory is to be had. */
  readonly asked: MemoryOptions;
  /** @internal Where its memory is not the arena's. */
  readonly adopted: AdoptedMemory | undefined;
  /** @internal The heap whose objects lie in it: nobody else frees it. */
  heap: string | undefined;
  readonly #owner: BufferOwner;
  #placement: Placement;
  #freeing = false;

  /** @internal */
  constructor(parts: BufferParts) {
    super(parts.name, parts.placement.address, parts.size);
    this.#owner = parts.owner;
    this.#placement = parts.placement;
    this.access = parts.access;
    this.ownership = parts.ownership;
    this.asked = parts.asked;
    this.adopted = parts.adopted;
  }

  /** What host and devices may do at the same time. */
  get type(): BufferType {
    return this.ownership ? 'coarse' : 'fine';
  }

  /** How the place was found, and how much of it the buffer has now. */
  get placement(): Placement {
    return this.#placement;
  }

  /** What came of `hugePages: true`. Reads /proc/self/smaps, which takes milliseconds. */
  get hugePages(): HugePages {
    this.check();
    return describeHugePages(this);
  }

  /**
   * How many bytes of the buffer, or of a part of it, are in memory now, on whichever side: whole pages, by mincore(2),
   * which takes some 20 milliseconds for a GiB. Throws TypeError or RangeError, StateError where it was freed.
   */
  residentBytes(offset = 0, size?: number): number {
    this.check();
    const part = checkPart(this.size, offset, size);
    const start = alignDown(this.address + part.offset, pageSize());
    const end = alignUp(this.address + part.offset + part.size, pageSize());
    return residentPages(start, end - start) * pageSize();
  }

  /**
   * A part of the buffer, which queues take in place of a buffer (a sub-buffer of OpenCL): of the same type, with the same
   * access, gone when the buffer is freed. `size` is up to the buffer's end by default. Throws TypeError or RangeError.
   */
  sub(offset: number, size?: number): SubBuffer {
    this.check();
    return new SubBuffer(this, checkPart(this.size, offset, size));
  }

  /**
   * Makes the buffer `size` bytes long where it is: its address stays, devices have the new bytes at once, and the views
   * that there are keep their length. Throws RangeError for a size below the present one, {@link PlacementError} with the
   * full report where something lies behind it, in this process or in one that has attached, SystemError where memory is
   * short, UnsupportedError for memory of a driver; the buffer is as it was then.
   */
  grow(size: number): void {
    this.check();
    this.#owner.grow(this, size);
  }

  /**
   * Gives the memory back. Pending commands that may use it run first. Throws StateError where that has been done, or a
   * command is to do it, or objects of a heap lie in it.
   */
  free(): void {
    this.#checkFree();
    this.#owner.free(this);
  }

  #checkFree(): void {
    if (this.freed) this.refuse();
    if (this.#freeing) this.#refuseTwice();
    if (this.heap !== undefined)
      throw new StateError(
        'busy',
        `buffer '${this.name}' holds objects of heap '${this.heap}': free these by 'heap.free', or close the heap`,
      );
  }

  /** Frees, unless that has been done, or a queue is to do it. */
  [Symbol.dispose](): void {
    if (!this.freed && !this.#freeing) this.free();
  }

  /** True from `queue.free` on, until that command has ended. */
  get freeing(): boolean {
    return this.#freeing;
  }

  /** @internal A command is to free it. Throws StateError where that has been done, or another is to. */
  beginFree(): QueuedFree {
    this.#checkFree();
    this.#freeing = true;
    return {
      commit: () => {
        this.#freeing = false;
        if (!this.freed) this.#owner.free(this);
      },
      cancel: () => {
        this.#freeing = false;
      },
    };
  }

  #refuseTwice(): never {
    throw new StateError(
      'freed',
      `buffer '${this.name}' is to be freed by a command that is in a queue already`,
    );
  }

  /** @internal */
  override retire(): readonly ArrayBuffer[] {
    this.ownership?.end();
    return super.retire();
  }

  /** @internal It has grown. */
  grown(size: number, placement: Placement): void {
    this.#placement = placement;
    this.resize(size);
  }

  /** @internal */
  protected override checkTouch(byteOffset: number, length: number): void {
    const start = this.address + byteOffset;
    this.ownership?.checkTouch(start, start + length);
  }

  /** @internal */
  protected override makeView(): ArrayBuffer {
    this.ownership?.view();
    return super.makeView();
  }
}
