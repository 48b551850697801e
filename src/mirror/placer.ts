/**
 * Finding a place and mapping it. The picture that is searched may be older than the process: mapping replaces nothing,
 * and where another thread was faster the picture is read again. Before anything is refused, devices get a moment to let
 * go of freed ranges.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import { outOfRange, PlacementError, SystemError } from '../errors.ts';
import { type Address, alignUp, MiB } from '../mm/address.ts';
import type { MirrorIdentity } from '../observe/events.ts';
import {
  type Placement,
  type PlacementRequest,
  type PlacementSpace,
  type Plan,
  refusalMessage,
} from '../placement/index.ts';
import type { CheckedAlloc } from './alloc-options.ts';
import type { BufferMemory, MemoryOptions } from './buffer-memory.ts';
import { requestOf } from './driver-place.ts';
import { publishPlacing, type Sought } from './events.ts';
import type { FreedRanges } from './freed-ranges.ts';
import { readHostPicture } from './host-picture.ts';
import type { ReservedRange } from './reserved-ranges.ts';

/** How often another thread may be faster before `alloc` gives up. */
const MOST_ATTEMPTS = 64;
/** How long a refusal waits, in milliseconds, for devices to let go of freed ranges. */
const PATIENCE = 50;
/** What is aligned so can be a huge page of x86-64 and, with pages of 4 KiB, of arm64. */
const HUGE = 2 * MiB;

/** A buffer that is to be longer. */
export interface Growing {
  readonly placement: Placement;
  /** The names of the devices that reach it. */
  readonly devices: readonly string[];
  readonly asked: MemoryOptions;
}

interface Search {
  find(): Placement | undefined;
  /** False where another thread was faster. */
  map(placement: Placement): boolean;
  plan(): Plan;
}

export class Placer {
  readonly #space: PlacementSpace;
  readonly #memory: BufferMemory;
  readonly #freed: FreedRanges;
  readonly #attached: readonly AttachedDevice[];
  readonly #identity: MirrorIdentity;

  constructor(
    space: PlacementSpace,
    memory: BufferMemory,
    freed: FreedRanges,
    attached: readonly AttachedDevice[],
    identity: MirrorIdentity,
  ) {
    this.#identity = identity;
    this.#space = space;
    this.#memory = memory;
    this.#freed = freed;
    this.#attached = attached;
  }

  /** Reads afresh what is mapped in this process, and in those that have attached. */
  look(): void {
    const { sharing } = this.#freed;
    this.#space.setHost(sharing ? [...readHostPicture(), ...sharing.occupied()] : readHostPicture());
  }

  /** Finds a place for a new buffer and maps it. */
  place(checked: CheckedAlloc): Placement {
    if (checked.driver) this.look();
    let request = checked.request;
    return this.#search(
      { purpose: 'alloc', size: request.size },
      {
        find: () => {
          request = requestOf(this.#space, checked);
          return this.#find(request, checked.hugePages);
        },
        map: ({ address, size }) => this.#map(address, size, checked),
        plan: () => this.#space.plan(request),
      },
    );
  }

  /** Where that would be, or why nowhere. Changes nothing. */
  plan(checked: CheckedAlloc): Plan {
    this.look();
    const request = requestOf(this.#space, checked, true);
    const placement = this.#find(request, checked.hugePages);
    return placement ? { ok: true, placement } : this.#space.plan(request);
  }

  /** Huge pages need a place that is aligned to them; where there is none they are done without. */
  #find(request: PlacementRequest, hugePages: boolean): Placement | undefined {
    const { align, place, size } = request;
    const huge = hugePages && align === undefined && place === undefined && size >= HUGE;
    return (huge && this.#findAny({ ...request, align: HUGE })) || this.#findAny(request);
  }

  #findAny(request: PlacementRequest): Placement | undefined {
    return this.#freed.sharing?.find(this.#space, request) ?? this.#space.find(request);
  }

  /**
   * Finds and maps what is missing for a buffer to be `size` bytes long where it is. Throws as {@link Placer.place}; the
   * buffer is as it was then.
   */
  extend({ placement, devices, asked }: Growing, size: number): Placement {
    const { address, guard } = placement;
    const request: PlacementRequest = { size, guard, devices, place: { at: address } };
    const end = address + placement.size;
    const reserved = this.#memory.reserved.at(address);
    if (reserved) return this.#extendReserved(reserved, placement, size, asked);
    const found = this.#search(
      { purpose: 'grow', size },
      {
        find: () => this.#without(address, () => this.#space.find(request)),
        map: (longer) => this.#map(end, address + longer.size - end, asked),
        plan: () => this.#without(address, () => this.#space.plan(request)),
      },
    );
    // The kernel makes one mapping of neighbours in memory and file.
    this.#memory.room(-1);
    const taken = this.#space.remove(address);
    this.#space.insert({ ...taken, end: address + found.size + found.guard, guard: found.guard });
    return { ...placement, size: found.size, guard: found.guard };
  }

  /** In a reservation nobody is in the way but its other buffers; their refusal is that of any place. */
  #extendReserved(
    reserved: ReservedRange,
    placement: Placement,
    size: number,
    asked: MemoryOptions,
  ): Placement {
    const { address } = placement;
    const part = {
      start: address + placement.size,
      end: address + alignUp(size, this.#space.pageSize),
    };
    if (part.end > reserved.end)
      throw outOfRange(
        'size',
        `at most ${reserved.end - address}, up to the end of reservation '${reserved.name}'`,
        size,
      );
    if (!this.patiently(() => reserved.take(part)))
      refuse(size, this.#space.plan({ size: part.end - part.start, place: { at: part.start } }));
    try {
      this.#memory.mapReserved(part.start, part.end - part.start, asked);
    } catch (error) {
      reserved.give(part);
      throw error;
    }
    this.#memory.room(-1);
    this.#space.insert({ ...this.#space.remove(address), end: part.end });
    return { ...placement, size: part.end - address };
  }

  /** Finds a place for a reservation and maps nothing there. */
  reserve(checked: CheckedAlloc): Placement {
    return this.#search(
      { purpose: 'reserve', size: checked.request.size },
      {
        find: () => this.#findAny(checked.request),
        map: ({ address, size }) => this.#memory.reserve(address, size),
        plan: () => this.#space.plan(checked.request),
      },
    );
  }

  /** Tries again while freed ranges may still come free; false where it was in vain. */
  patiently(take: () => boolean): boolean {
    this.#freed.release();
    while (!take()) if (!this.#freed.release(true) && !this.#waitForDevices()) return false;
    return true;
  }

  /** As if nothing were inserted at the address. */
  #without<T>(address: Address, ask: () => T): T {
    const taken = this.#space.remove(address);
    try {
      return ask();
    } finally {
      this.#space.insert(taken);
    }
  }

  /** The picture of the process may be old: it is read again before anything is refused. */
  #search(sought: Sought, search: Search): Placement {
    return publishPlacing(this.#identity, sought, () => this.#searchFor(sought.size, search));
  }

  #searchFor(size: number, { find, map, plan }: Search): { placement: Placement; searches: number } {
    let fresh = false;
    if (this.#freed.sharing?.stale) this.look();
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const placement = find();
      if (placement && map(placement)) return { placement, searches: attempt + 1 };
      if (!placement && fresh && !this.#freed.release(true) && !this.#waitForDevices()) refuse(size, plan());
      this.look();
      fresh = true;
    }
    throw new SystemError('mmap', [size], 'EEXIST', 'Other threads took every place that was found');
  }

  /** Maps; where there is no room for a mapping, once more after those have gone that nobody needs. */
  #map(address: Address, size: number, asked: MemoryOptions): boolean {
    try {
      return this.#memory.map(address, size, asked);
    } catch (error) {
      const full = error instanceof SystemError && error.errno === 'ENOMEM' && error.syscall === 'mmap';
      if (!full || !this.#freed.release(true)) throw error;
      return this.#memory.map(address, size, asked);
    }
  }

  /** Gives devices a moment to acknowledge freed ranges; true where some could be released. */
  #waitForDevices(): boolean {
    const word = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; waited < PATIENCE && this.#freed.waitsForDevices; waited++) {
      for (const { port } of this.#attached) port.nudge();
      this.#freed.sharing?.nudge();
      if (this.#freed.release()) return true;
      Atomics.wait(word, 0, 0, 1);
    }
    return false;
  }
}

function refuse(size: number, plan: Plan): never {
  if (plan.ok)
    throw new SystemError('mmap', [size], 'EAGAIN', 'The address space changed while it was searched');
  throw new PlacementError(refusalMessage(plan.refusal), plan.refusal);
}
