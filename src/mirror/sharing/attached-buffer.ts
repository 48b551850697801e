/**
 * A buffer of a mirror that was attached: the same bytes at the same address. The owner frees it; then its views are
 * what the owner's are.
 *
 * @module
 */
import type { Address } from '../../mm/address.ts';
import { MappedBuffer } from '../mapped-buffer.ts';

/** Around the making of an ArrayBuffer: what must be so first. */
export interface ViewGuard {
  /** Throws where there may be no view now. */
  before(buffer: AttachedBuffer): void;
  after(buffer: AttachedBuffer, view: ArrayBuffer): void;
}

export class AttachedBuffer extends MappedBuffer {
  readonly #guard: ViewGuard | undefined;
  /** @internal Its place in the table of buffers, and which of the buffers that lived there it is. */
  readonly slot: number;
  /** @internal */
  readonly generation: number;

  /** @internal */
  constructor(
    entry: { name: string; start: Address; size: number; slot: number; generation: number },
    guard?: ViewGuard,
  ) {
    super(entry.name, entry.start, entry.size);
    this.slot = entry.slot;
    this.generation = entry.generation;
    this.#guard = guard;
  }

  /** @internal It is longer now. The views that there are keep their length; new ones have it all. */
  grown(size: number): void {
    this.resize(size);
  }

  /** @internal */
  protected override makeView(): ArrayBuffer {
    this.#guard?.before(this);
    const view = super.makeView();
    this.#guard?.after(this, view);
    return view;
  }
}
