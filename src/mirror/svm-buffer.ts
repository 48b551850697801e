/**
 * A buffer: bytes at one address for the host and for every device that may touch it.
 *
 * @module
 */
import type { Placement } from '../placement/index.ts';
import type { Access } from './alloc-options.ts';
import { MappedBuffer } from './mapped-buffer.ts';

/** What the mirror does for a buffer. */
export interface BufferOwner {
  free(buffer: SvmBuffer): void;
}

export class SvmBuffer extends MappedBuffer {
  readonly type = 'fine';
  /** How the place was found. */
  readonly placement: Placement;
  /** @internal What each device may do, in the order of the mirror's devices. */
  readonly access: readonly Access[];
  readonly #owner: BufferOwner;

  /** @internal */
  constructor(
    owner: BufferOwner,
    name: string,
    size: number,
    placement: Placement,
    access: readonly Access[],
  ) {
    super(name, placement.address, size);
    this.#owner = owner;
    this.placement = placement;
    this.access = access;
  }

  /** Gives the memory back. Pending commands that may use it run first. Freeing twice is refused. */
  free(): void {
    if (this.freed) this.refuse();
    this.#owner.free(this);
  }

  /** Frees, unless that has been done. */
  [Symbol.dispose](): void {
    if (!this.freed) this.#owner.free(this);
  }
}
