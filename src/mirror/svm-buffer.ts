/**
 * A buffer: bytes at one address for the host and for every device that may touch it.
 *
 * @module
 */
import type { Placement } from '../placement/index.ts';
import type { Access, BufferType } from './alloc-options.ts';
import { MappedBuffer } from './mapped-buffer.ts';
import type { Ownership } from './ownership.ts';

/** Whether other processes that attach have the buffer too. */
export function isShared(buffer: SvmBuffer): boolean {
  return buffer.type === 'fine';
}

/** What the mirror does for a buffer. */
export interface BufferOwner {
  free(buffer: SvmBuffer): void;
}

export class SvmBuffer extends MappedBuffer {
  /** How the place was found. */
  readonly placement: Placement;
  /** @internal What each device may do, in the order of the mirror's devices. */
  readonly access: readonly Access[];
  /** @internal Of a coarse buffer. */
  readonly ownership: Ownership | undefined;
  readonly #owner: BufferOwner;

  /** @internal */
  constructor(
    owner: BufferOwner,
    name: string,
    size: number,
    placement: Placement,
    access: readonly Access[],
    ownership?: Ownership,
  ) {
    super(name, placement.address, size);
    this.#owner = owner;
    this.placement = placement;
    this.access = access;
    this.ownership = ownership;
  }

  /** What host and devices may do at the same time. */
  get type(): BufferType {
    return this.ownership ? 'coarse' : 'fine';
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

  /** @internal */
  override retire(): ArrayBuffer | undefined {
    this.ownership?.end();
    return super.retire();
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
