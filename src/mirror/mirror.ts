/**
 * The mirror: what a user holds. It finds a place that the process and every device have free, maps the arena there,
 * tells the devices, and takes it all back. Search first, then map without replacing anything; where another thread
 * was faster, look again.
 *
 * @module
 */
import type { AttachedDevice, Device, ReservedRegion } from '../device/device.ts';
import type { Arena } from '../engine/arena.ts';
import { invalidType, outOfRange, PlacementError, StateError, SystemError } from '../errors.ts';
import { pageSize, residentPages } from '../linux/mmap.ts';
import type { Address, Range } from '../mm/address.ts';
import { alignDown } from '../mm/address.ts';
import {
  type Occupied,
  type Placement,
  PlacementSpace,
  type Plan,
  type Refusal,
  refusalMessage,
} from '../placement/index.ts';
import { type Access, type AllocOptions, type CheckedAlloc, checkAllocOptions } from './alloc-options.ts';
import { BufferMemory, detach } from './buffer-memory.ts';
import { Heap } from './heap/heap.ts';
import { checkHeapOptions, type HeapOptions } from './heap/heap-options.ts';
import { hostLimit, readHostPicture } from './host-picture.ts';
import type { LiveBuffers } from './live-buffers.ts';
import { Quarantine, type Question } from './quarantine.ts';
import { SvmBuffer } from './svm-buffer.ts';

/** How often another thread may be faster before `alloc` gives up. */
const MOST_ATTEMPTS = 64;
/** How long a refusal waits, in milliseconds, for devices to let go of freed ranges. */
const PATIENCE = 50;

/** What `query` tells about an address. */
export interface AddressInfo {
  readonly buffer: SvmBuffer;
  readonly name: string;
  readonly base: Address;
  /** Bytes from the buffer's start. */
  readonly offset: number;
  readonly type: 'fine';
  /** What each device may do with it. */
  readonly access: Readonly<Record<string, Access>>;
  /** Whether the page is in memory now. One that was committed counts from its first touch on. */
  readonly resident: boolean;
}

export type DeviceRecord = Record<string, Device>;

export class Mirror<Devices extends DeviceRecord = DeviceRecord> {
  readonly name: string;
  readonly devices: Devices;
  readonly pageSize = pageSize();
  readonly #arena: Arena;
  readonly #attached: readonly AttachedDevice[];
  readonly #deviceNames: readonly string[];
  readonly #space: PlacementSpace;
  readonly #memory: BufferMemory;
  readonly #live: LiveBuffers;
  readonly #quarantine: Quarantine;
  /** The memory file has been closed: there is nothing left to give back to it. */
  #arenaClosed = false;
  #releasing = false;
  #closed: Promise<void> | undefined;
  #nextName = 1;

  /** @internal Use {@link openMirror}. */
  constructor(name: string, arena: Arena, live: LiveBuffers, attached: readonly AttachedDevice[]) {
    this.name = name;
    this.#arena = arena;
    this.#attached = attached;
    this.#live = live;
    this.#deviceNames = attached.map(({ device }) => device.name);
    this.devices = Object.fromEntries(attached.map(({ device }) => [device.name, device])) as Devices;
    this.#memory = new BufferMemory(arena);
    this.#quarantine = new Quarantine(attached.length, (range) => this.#memory.unmap(range));
    this.#space = new PlacementSpace({
      pageSize: this.pageSize,
      limit: hostLimit(arena.size),
      devices: attached.map(({ device: { name, window, reserved } }) => ({ name, window, reserved })),
      host: readHostPicture(),
    });
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** The live buffers, by address. */
  buffers(): SvmBuffer[] {
    return this.#live.sorted();
  }

  /**
   * A buffer of `size` bytes, at one address for the host and all its devices. Throws TypeError or RangeError for bad
   * arguments, {@link PlacementError} with the full report where nothing fits, {@link SystemError} where the kernel
   * refuses; nothing has changed then.
   */
  alloc(size: number, options?: AllocOptions): SvmBuffer {
    const checked = this.#check(size, options);
    this.#release();
    const placement = this.#place(checked);
    const buffer = new SvmBuffer(
      this.#owner,
      checked.name ?? `buffer-${this.#nextName++}`,
      size,
      placement,
      checked.access,
    );
    const range = { start: placement.address, end: placement.address + placement.size };
    this.#space.insert({
      start: range.start,
      end: range.end + placement.guard,
      guard: placement.guard,
      kind: 'buffer',
      name: buffer.name,
      owner: 'host',
    });
    this.#live.add(buffer);
    this.#attached.forEach(({ port }, i) => {
      const access = checked.access[i]!;
      if (access !== 'none') port.mapped(range, access);
    });
    return buffer;
  }

  /** Where `alloc` would put such a buffer, or every reason why it could not. Changes nothing. */
  plan(size: number, options?: AllocOptions): Plan {
    const { request } = this.#check(size, options);
    this.#release();
    this.#space.setHost(readHostPicture());
    return this.#space.plan(request);
  }

  /** Small objects in mirrored memory. Takes no memory before its first `alloc`; bad options are refused as by `alloc`. */
  heap(options?: HeapOptions): Heap {
    const checked = checkHeapOptions(options);
    this.plan(this.pageSize, checked.buffers);
    return new Heap(this, checked.name ?? `heap-${this.#nextName++}`, checked);
  }

  /** What is known of an address; undefined where no live buffer holds it. */
  query(address: Address): AddressInfo | undefined {
    this.#open();
    if (typeof address !== 'number') throw invalidType('address', 'a number', address);
    if (!Number.isSafeInteger(address) || address < 0) throw outOfRange('address', 'an address', address);
    const buffer = this.#live.at(address);
    if (!buffer) return undefined;
    return {
      buffer,
      name: buffer.name,
      base: buffer.address,
      offset: address - buffer.address,
      type: buffer.type,
      access: Object.fromEntries(this.#deviceNames.map((name, i) => [name, buffer.access[i]!])),
      resident: residentPages(alignDown(address, this.pageSize), this.pageSize) === 1,
    };
  }

  /**
   * Everything that takes up addresses in the range, by start: the process's mappings, the devices' reserved regions,
   * buffers, quarantined ranges. Read afresh.
   */
  occupants(range: Range): Occupied[] {
    this.#open();
    this.#space.setHost(readHostPicture());
    return this.#space.occupants(range);
  }

  /** Lets pending commands end, closes the devices, frees every buffer. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal A device reserves other regions from now on. */
  reserve(device: string, regions: readonly ReservedRegion[]): void {
    this.#space.setReserved(device, regions);
  }

  async #shutDown(): Promise<void> {
    await Promise.all(
      this.#attached.map(({ port }) => new Promise<void>((resolve) => port.drained(resolve))),
    );
    await Promise.all(this.#attached.map(({ device }) => device.close()));
    for (const buffer of this.#live.sorted()) this.#free(buffer);
    this.#release();
    this.#arenaClosed = true;
    this.#arena.close();
  }

  readonly #owner = { free: (buffer: SvmBuffer): void => this.#free(buffer) };

  #open(): void {
    if (this.#closed) throw new StateError('closed', `mirror '${this.name}' is closed`);
  }

  #check(size: number, options: AllocOptions | undefined): CheckedAlloc {
    this.#open();
    return checkAllocOptions(size, options, this.#deviceNames, this.pageSize);
  }

  /** Finds a place and maps it. The picture of the process may be old: it is read again before anything is refused. */
  #place(checked: CheckedAlloc): Placement {
    let fresh = false;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const placement = this.#space.find(checked.request);
      if (placement && this.#map(placement, checked)) return placement;
      if (!placement && fresh && !this.#release(true) && !this.#waitForDevices()) this.#refuse(checked);
      this.#space.setHost(readHostPicture());
      fresh = true;
    }
    throw new SystemError(
      'mmap',
      [checked.request.size],
      'EEXIST',
      'Other threads took every place that was found',
    );
  }

  /** Maps; where there is no room for a mapping, once more after those have gone that nobody needs. */
  #map({ address, size }: Placement, checked: CheckedAlloc): boolean {
    try {
      return this.#memory.map(address, size, checked);
    } catch (error) {
      const full = error instanceof SystemError && error.errno === 'ENOMEM' && error.syscall === 'mmap';
      if (!full || !this.#release(true)) throw error;
      return this.#memory.map(address, size, checked);
    }
  }

  #refuse({ request }: CheckedAlloc): never {
    const plan = this.#space.plan(request);
    if (plan.ok)
      throw new SystemError(
        'mmap',
        [request.size],
        'EAGAIN',
        'The address space changed while it was searched',
      );
    throw new PlacementError<Refusal>(refusalMessage(plan.refusal), plan.refusal);
  }

  /** Gives devices a moment to acknowledge freed ranges; true where some could be released. */
  #waitForDevices(): boolean {
    const word = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; waited < PATIENCE && this.#quarantine.waitsForDevices; waited++) {
      for (const { port } of this.#attached) port.nudge();
      if (this.#release()) return true;
      Atomics.wait(word, 0, 0, 1);
    }
    return false;
  }

  #free(buffer: SvmBuffer): void {
    const view = buffer.retire();
    this.#live.remove(buffer);
    const transferred = view !== undefined && !detach(view);
    let users = 1;
    const effect = (): void => {
      if (--users === 0) this.#takeAway(buffer, view, transferred);
    };
    for (let i = 0; i < this.#attached.length; i++) {
      if (buffer.access[i] === 'none') continue;
      users++;
      this.#attached[i]!.port.drained(effect);
    }
    effect();
  }

  /** The free takes effect: no command that was submitted before it runs any more. */
  #takeAway(buffer: SvmBuffer, view: ArrayBuffer | undefined, transferred: boolean): void {
    const { address, size, guard } = buffer.placement;
    const range: Range = { start: address, end: address + size };
    const remains = this.#memory.retire(address, size, guard, view !== undefined);
    const questions: (Question | undefined)[] = [];
    let open = false;
    for (let i = 0; i < this.#attached.length; i++) {
      if (buffer.access[i] === 'none') continue;
      const acknowledged = this.#attached[i]!.port.unmapped(range);
      if (acknowledged()) continue;
      questions[i] = acknowledged;
      open = true;
    }
    this.#memory.discard(address, size);
    if (!remains.mapped && !open) {
      this.#space.remove(address);
      return;
    }
    const taken = { start: address, end: range.end + guard, guard, owner: 'host', name: buffer.name };
    if (transferred) {
      // Nobody can know when that ArrayBuffer goes: these addresses are never used again.
      const name = `${buffer.name} (freed; its view was transferred)`;
      this.#space.replace(address, { ...taken, kind: 'vma', name });
      return;
    }
    this.#space.replace(address, { ...taken, kind: 'quarantined' });
    const collected = this.#quarantine.add({ ...range, ...remains }, view !== undefined, questions);
    if (view) {
      this.#memory.whenCollected(view, () => {
        collected();
        this.#releaseSoon();
      });
    }
  }

  /** The collector reports one by one what it has taken at once: all of it is given back together. */
  #releaseSoon(): void {
    if (this.#releasing) return;
    this.#releasing = true;
    queueMicrotask(() => {
      this.#releasing = false;
      this.#release();
    });
  }

  /** Gives back the addresses that are safe again; true where there were any. */
  #release(again = false): boolean {
    const safe = this.#quarantine.release(again);
    let mappings = 0;
    for (const { start, end, mapped, shared } of safe) {
      if (mapped) mappings++;
      // Only now that nobody can store there any more, and before anybody else may.
      if (shared && !this.#arenaClosed) this.#memory.discard(start, end - start);
      this.#space.remove(start);
    }
    if (mappings > 0) this.#memory.gone(mappings);
    return safe.length > 0;
  }
}
