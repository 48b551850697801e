/**
 * What a mirror does for its reservations: finds their places, makes buffers in them, and takes them apart.
 *
 * @module
 */
import { outOfRange, StateError } from '../errors.ts';
import { type Address, alignUp, type Range } from '../mm/address.ts';
import type { Placement, PlacementSpace } from '../placement/index.ts';
import type { AllocOptions, CheckedAlloc } from './alloc-options.ts';
import type { BufferMemory } from './buffer-memory.ts';
import type { LiveBuffers } from './live-buffers.ts';
import type { Placer } from './placer.ts';
import { type CommitOptions, Reservation, type ReservationOwner } from './reservation.ts';
import { ReservedRange } from './reserved-ranges.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** What of its mirror it needs. */
export interface ReservingParts {
  readonly pageSize: number;
  readonly space: PlacementSpace;
  readonly placer: Placer;
  readonly memory: BufferMemory;
  readonly live: LiveBuffers;
  /** Checks the options of a buffer. */
  check(size: number, options: AllocOptions): CheckedAlloc;
  /** Before anything is mapped for a buffer. */
  room(checked: CheckedAlloc): void;
  /** Makes the buffer of a place that is mapped. */
  adopt(checked: CheckedAlloc, size: number, placement: Placement): SvmBuffer;
}

export class Reserving implements ReservationOwner {
  readonly #parts: ReservingParts;
  readonly #open = new Map<
    Reservation,
    { readonly range: ReservedRange; readonly devices: readonly string[] | undefined }
  >();

  constructor(parts: ReservingParts) {
    this.#parts = parts;
  }

  get pageSize(): number {
    return this.#parts.pageSize;
  }

  reserve(name: string, checked: CheckedAlloc): Reservation {
    const { placer, space, memory } = this.#parts;
    const { size, devices } = checked.request;
    const placement = placer.reserve(checked);
    const { address, guard } = placement;
    const range = new ReservedRange(name, { start: address, end: address + placement.size }, guard, space);
    memory.reserved.add(range);
    const reservation = new Reservation(this, name, size, placement);
    this.#open.set(reservation, { range, devices });
    return reservation;
  }

  commit(reservation: Reservation, address: Address, size: number, options: CommitOptions): SvmBuffer {
    const { pageSize, placer, memory } = this.#parts;
    const { range, devices } = this.#open.get(reservation)!;
    const checked = this.#parts.check(size, devices === undefined ? options : { ...options, devices });
    this.#parts.room(checked);
    const part = { start: address, end: address + alignUp(size, pageSize) };
    if (!placer.patiently(() => range.take(part))) this.#refuse(reservation, part);
    try {
      memory.mapReserved(address, part.end - part.start, checked);
    } catch (error) {
      range.give(part);
      throw error;
    }
    const { align, window } = reservation.placement;
    const placement: Placement = {
      address,
      size: part.end - part.start,
      guard: 0,
      align,
      window,
      strategy: 'at',
    };
    return this.#parts.adopt(checked, size, placement);
  }

  buffers({ address, end }: Reservation): SvmBuffer[] {
    return this.#parts.live.sorted().filter((buffer) => buffer.address >= address && buffer.address < end);
  }

  release(reservation: Reservation): void {
    const { memory } = this.#parts;
    const known = this.#open.get(reservation);
    if (!known) return;
    this.#open.delete(reservation);
    // From now on what is freed there, and is not out of use yet, is given back as any other range.
    memory.reserved.remove(known.range);
    for (const hole of known.range.dissolve()) memory.unmap(hole);
    memory.room(-1);
  }

  /** The mirror closes. */
  close(): void {
    for (const reservation of [...this.#open.keys()]) reservation[Symbol.dispose]();
  }

  #refuse(reservation: Reservation, { start, end }: Range): never {
    const taken = this.buffers(reservation).find((buffer) => buffer.address < end && start < buffer.end);
    if (taken) {
      const from = taken.address - reservation.address;
      throw outOfRange(
        'offset',
        `clear of what is committed: '${taken.name}' has bytes ${from} to ${from + taken.size}`,
        start - reservation.address,
      );
    }
    throw new StateError(
      'busy',
      `bytes of reservation '${reservation.name}' from ${start - reservation.address} on were freed, and a device or an ArrayBuffer may still use them: commit others, or try again later`,
    );
  }
}
