/**
 * A reservation: addresses now, memory later. Buffers are made in it by `commit`, at offsets of the caller's choice, and
 * grow there in place; their addresses stay the reservation's when they are freed. Where nothing is committed no side has
 * memory: a device's access is a fault.
 *
 * @module
 */
import { invalidType, outOfRange, StateError } from '../errors.ts';
import type { Address } from '../mm/address.ts';
import { alignUp } from '../mm/address.ts';
import type { Placement } from '../placement/index.ts';
import type { AllocOptions } from './alloc-options.ts';
import { checkPart } from './sub-buffer.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** Where addresses are to be reserved, and for which devices; as for `alloc`. */
export type ReserveOptions = Pick<AllocOptions, 'name' | 'align' | 'place' | 'topdown' | 'devices' | 'guard'>;

/** How memory is committed; as for `alloc`. The devices are the reservation's. */
export type CommitOptions = Pick<AllocOptions, 'name' | 'type' | 'access' | 'commit' | 'hugePages'>;

/** Options of `reserve` that are `alloc`'s too, and no others. Throws TypeError or RangeError. */
export function checkReserveOptions(options: ReserveOptions): ReserveOptions {
  checkKnown(options, ['name', 'align', 'place', 'topdown', 'devices', 'guard']);
  return options;
}

function checkKnown(options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const unknown = Object.keys(options).find((option) => !known.includes(option));
  if (unknown !== undefined) throw outOfRange('options', `of ${known.join(', ')}`, unknown);
}

/** What a mirror does for a reservation. */
export interface ReservationOwner {
  readonly pageSize: number;
  commit(reservation: Reservation, address: Address, size: number, options: CommitOptions): SvmBuffer;
  /** The live buffers in it, by address. */
  buffers(reservation: Reservation): SvmBuffer[];
  release(reservation: Reservation): void;
}

export class Reservation {
  readonly name: string;
  readonly address: Address;
  /** Bytes, as asked for. */
  readonly size: number;
  /** How the place was found. */
  readonly placement: Placement;
  readonly #owner: ReservationOwner;
  #released = false;

  /** @internal Use `mirror.reserve`. */
  constructor(owner: ReservationOwner, name: string, size: number, placement: Placement) {
    this.#owner = owner;
    this.name = name;
    this.address = placement.address;
    this.size = size;
    this.placement = placement;
  }

  get end(): Address {
    return this.address + this.size;
  }

  get released(): boolean {
    return this.#released;
  }

  /** The buffers that are committed in it, by address. */
  buffers(): SvmBuffer[] {
    return this.#released ? [] : this.#owner.buffers(this);
  }

  /**
   * A buffer of `size` bytes at `offset`, a multiple of the page size. It may grow in place up to the next one. Throws
   * TypeError and RangeError for bad arguments and for bytes that are committed, StateError (`busy`) for those that were
   * freed and are not out of use yet, SystemError where memory or mappings are short; nothing has changed then.
   */
  commit(offset: number, size?: number, options: CommitOptions = {}): SvmBuffer {
    this.#check();
    const part = this.#part(offset, size);
    checkKnown(options, ['name', 'type', 'access', 'commit', 'hugePages']);
    return this.#owner.commit(this, this.address + part.offset, part.size, options);
  }

  /**
   * Frees the buffers that lie in the bytes from `offset` on, as their `free` does; the addresses stay reserved. Throws
   * RangeError where one lies only partly in there; nothing has changed then.
   */
  decommit(offset: number, size?: number): void {
    this.#check();
    const part = this.#part(offset, size);
    const start = this.address + part.offset;
    const end = start + part.size;
    const over = this.buffers().filter((buffer) => buffer.address < end && start < buffer.end);
    const cut = over.find((buffer) => buffer.address < start || buffer.end > end);
    if (cut) {
      const from = cut.address - this.address;
      throw outOfRange(
        'offset',
        `such that buffer '${cut.name}' (bytes ${from} to ${from + cut.size}) lies in or out as a whole`,
        offset,
      );
    }
    for (const buffer of over) buffer.free();
  }

  /** Frees what is committed and gives the addresses back. Throws StateError where that has been done. */
  release(): void {
    this.#check();
    this[Symbol.dispose]();
  }

  /** Releases, unless that has been done. */
  [Symbol.dispose](): void {
    if (this.#released) return;
    for (const buffer of this.buffers()) buffer.free();
    this.#released = true;
    this.#owner.release(this);
  }

  #part(offset: number, size: number | undefined): { offset: number; size: number } {
    const part = checkPart(this.size, offset, size);
    const { pageSize } = this.#owner;
    if (offset % pageSize !== 0) throw outOfRange('offset', `a multiple of ${pageSize}`, offset);
    return { offset, size: Math.min(part.size, alignUp(this.size, pageSize) - offset) };
  }

  #check(): void {
    if (this.#released)
      throw new StateError(
        'freed',
        `reservation '${this.name}' was released (it was at 0x${this.address.toString(16)})`,
      );
  }
}
