/**
 * The mirror: what a user holds. It finds a place that the process and every device have free, maps the arena there,
 * tells the devices, and takes it all back. Search first, then map without replacing anything; where another thread
 * was faster, look again.
 *
 * @module
 */
import type { AttachedDevice, Device, ReservedRegion, UserEvent } from '../device/device.ts';
import type { Arena } from '../engine/arena.ts';
import type { CommandScope } from '../engine/command-scope.ts';
import { StateError } from '../errors.ts';
import { pageSize } from '../linux/mmap.ts';
import { releaseOwnMaps } from '../linux/process-maps.ts';
import type { Address, Range } from '../mm/address.ts';
import { type Occupied, type Placement, PlacementSpace, type Plan } from '../placement/index.ts';
import { type AddressInfo, describeAddress } from './address-info.ts';
import { type AdoptedMemory, adoptMemory, checkFromArena } from './adopted-memory.ts';
import { type AllocOptions, type CheckedAlloc, checkAllocOptions } from './alloc-options.ts';
import { BufferMemory } from './buffer-memory.ts';
import { DeviceLimits } from './device-limits.ts';
import { checkOffered } from './device-types.ts';
import { type EvacuateOptions, type Evacuation, evacuate } from './evacuate.ts';
import { publishClosed, publishMapped, publishUnmapping } from './events.ts';
import { FreedRanges } from './freed-ranges.ts';
import { growBuffer, tellMapped } from './growth.ts';
import { Heap } from './heap/heap.ts';
import { checkHeapOptions, type HeapOptions } from './heap/heap-options.ts';
import { hostLimit, readHostPicture } from './host-picture.ts';
import type { LiveBuffers } from './live-buffers.ts';
import { Ownership, pagesFor, touchedAtOnce } from './ownership.ts';
import { type Pin, type PinOptions, pinView } from './pin.ts';
import { Placer } from './placer.ts';
import { checkReserveOptions, type Reservation, type ReserveOptions } from './reservation.ts';
import { Reserving } from './reserving.ts';
import type { ShareHandle } from './sharing/handle.ts';
import { type Sharer, Sharing } from './sharing/owner.ts';
import { type BufferOwner, isShared, SvmBuffer } from './svm-buffer.ts';
import { MirrorSync } from './sync/side.ts';
import type { TimeoutOptions, WaitOptions } from './sync/wait-options.ts';
import type { WaitResult } from './sync/waits.ts';

export type DeviceRecord = Record<string, Device>;

export class Mirror<Devices extends DeviceRecord = DeviceRecord> {
  readonly name: string;
  /** As events have it: no other mirror of this thread has the same. */
  readonly id: number;
  readonly devices: Devices;
  readonly pageSize = pageSize();
  /** @internal For accessors: `alloc` gives no structures. */
  readonly allocates = 'buffers';
  /** @internal For locks and channels. */
  readonly sync = new MirrorSync(
    (address) => {
      this.#open();
      return touchedAtOnce(this.#live.at(address));
    },
    () => this.#share().waits,
  );
  readonly #arena: Arena;
  readonly #attached: readonly AttachedDevice[];
  readonly #deviceNames: readonly string[];
  readonly #space: PlacementSpace;
  readonly #memory: BufferMemory;
  readonly #limits: DeviceLimits;
  readonly #live: LiveBuffers;
  readonly #freed: FreedRanges;
  readonly #commands: CommandScope;
  readonly #placer: Placer;
  readonly #reserving: Reserving;
  /** From the first `share` or lock on. */
  #sharing: Sharing | undefined;
  #closed: Promise<void> | undefined;
  #nextName = 1;

  /** @internal Use {@link openMirror}. */
  constructor(arena: Arena, live: LiveBuffers, attached: readonly AttachedDevice[], commands: CommandScope) {
    this.#commands = commands;
    ({ id: this.id, name: this.name } = commands.mirror);
    this.#arena = arena;
    this.#attached = attached;
    this.#live = live;
    this.#limits = new DeviceLimits(attached);
    this.#deviceNames = attached.map(({ device }) => device.name);
    this.devices = Object.fromEntries(attached.map(({ device }) => [device.name, device])) as Devices;
    this.#memory = new BufferMemory(arena);
    this.#space = new PlacementSpace({
      pageSize: this.pageSize,
      limit: hostLimit(arena.size),
      devices: attached.map(({ device: { name, window, reserved } }) => ({ name, window, reserved })),
      host: readHostPicture(),
    });
    this.#freed = new FreedRanges(this.#memory, this.#space, attached);
    this.#placer = new Placer(this.#space, this.#memory, this.#freed, attached, commands.mirror);
    live.reserved = this.#memory.reserved;
    this.#reserving = new Reserving({
      pageSize: this.pageSize,
      space: this.#space,
      placer: this.#placer,
      memory: this.#memory,
      live,
      check: (size, options) => this.#check(size, options, 'reservation'),
      room: (checked) => this.#room(checked),
      adopt: (checked, size, placement) => this.#adopt(checked, size, placement),
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
    this.#freed.release();
    this.#room(checked);
    const adopted = adoptMemory(this.#attached, checked, this.pageSize);
    return this.#adopt(checked, size, adopted?.placement ?? this.#placer.place(checked), adopted);
  }

  /**
   * Addresses for buffers to come, `size` bytes long: no memory is taken, nobody else gets them, and `commit` makes buffers
   * there. Throws as {@link Mirror.alloc}.
   */
  reserve(size: number, options: ReserveOptions = {}): Reservation {
    const checked = this.#check(size, checkReserveOptions(options), 'reservation');
    this.#freed.release();
    return this.#reserving.reserve(checked.name ?? `reservation-${this.#nextName++}`, checked);
  }

  /** Where `alloc` would put such a buffer, or every reason why it could not. Changes nothing. */
  plan(size: number, options?: AllocOptions): Plan {
    const checked = this.#check(size, options, 'plan');
    this.#freed.release();
    return this.#placer.plan(checked);
  }

  /**
   * Moves pages of one mapping, the caller's own, to where the devices reach; docs/address-space.md says who does. Throws
   * EvacuationError for what can't move, else as `alloc`; nothing has changed then.
   */
  evacuate(range: Range, options?: EvacuateOptions): Evacuation {
    this.#open();
    const refresh = (): void => this.#placer.look();
    return evacuate({ mirror: this, space: this.#space, arena: this.#arena, refresh }, range, options);
  }

  /** An event for commands to wait for (`after`), which the host completes or fails. Throws StateError once closed. */
  createEvent(): UserEvent {
    this.#open();
    return this.#commands.createEvent();
  }

  /** Small objects in mirrored memory. Takes no memory before its first `alloc`; bad options are refused as by `alloc`. */
  heap(options?: HeapOptions): Heap {
    const checked = checkHeapOptions(options);
    // Searching checks what the options leave to it; where there is room is found out by the first chunk.
    this.#space.find(this.#check(this.pageSize, checked.buffers).request);
    return new Heap(this, checked.name ?? `heap-${this.#nextName++}`, checked);
  }

  /** The buffer that holds an address, or undefined: what accessors ask, so that `Node.in(mirror)` reaches all buffers. */
  memoryAt(address: Address): SvmBuffer | undefined {
    this.#open();
    return Number.isSafeInteger(address) && address >= 0 ? this.#live.at(address) : undefined;
  }

  /**
   * Keeps a view's bytes where they are and alive, until disposed: for kernels of devices that reach system memory, at
   * `pin.address`. With `write` such devices may store there. Throws TypeError or RangeError for bad arguments.
   */
  pin(view: NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer, options: PinOptions = {}): Pin {
    this.#open();
    return pinView(view, options, this.#attached);
  }

  /** What is known of an address; undefined where no live buffer holds it. */
  query(address: Address): AddressInfo | undefined {
    this.#open();
    return describeAddress(address, this.#live, this.#deviceNames);
  }

  /**
   * Everything that takes up addresses in the range, by start: the process's mappings, the devices' reserved regions,
   * buffers, quarantined ranges. Read afresh.
   */
  occupants(range: Range): Occupied[] {
    this.#open();
    this.#placer.look();
    return this.#space.occupants(range);
  }

  /**
   * A handle with which {@link attachMirror} attaches other processes of this user, and other threads of this one: a
   * plain object, good for JSON and messages. The same at each call. From now on buffers keep clear of where the heaps
   * of other processes may lie, so call it before the first `alloc`.
   */
  share(): ShareHandle {
    this.#open();
    return this.#share().handle;
  }

  /** The threads that have attached. */
  sharers(): Sharer[] {
    this.#open();
    return this.#sharing?.sharers() ?? [];
  }

  /**
   * Blocks this thread while the 32-bit word at `address` holds `expected`, as `Atomics.wait` does: until somebody
   * notifies, in any process (`'ok'`, which may also be spurious), or `timeout` milliseconds have passed.
   */
  wait(address: Address, expected: number, options?: TimeoutOptions): WaitResult {
    return this.sync.wait(address, expected, options);
  }

  /** {@link Mirror.wait} without blocking the thread. */
  waitAsync(address: Address, expected: number, options?: WaitOptions): Promise<WaitResult> {
    return this.sync.waitAsync(address, expected, options);
  }

  /** Wakes up to `count` of those who wait for the word, in all processes; all by default. Gives how many there were. */
  notify(address: Address, count?: number): number {
    return this.sync.notify(address, count);
  }

  /**
   * Fails the user events that are still pending, lets commands end, closes the devices, frees every buffer. Safe to call
   * twice.
   */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal A device reserves other regions from now on. */
  setReserved(device: string, regions: readonly ReservedRegion[]): void {
    this.#space.setReserved(device, regions);
  }

  async #shutDown(): Promise<void> {
    this.#commands.close(this.name);
    const drained = this.#attached.map(({ port }) => new Promise<void>((resolve) => port.drained(resolve)));
    await Promise.all(drained);
    await Promise.all(this.#attached.map(({ device }) => device.close()));
    this.#sharing?.announceClose();
    this.#reserving.close();
    for (const buffer of this.#live.sorted()) this.#free(buffer);
    this.#freed.release();
    this.#freed.arenaClosed = true;
    this.#sharing?.close();
    this.#arena.close();
    releaseOwnMaps();
    publishClosed(this.#commands.mirror);
  }

  #share(): Sharing {
    this.#sharing ??= new Sharing(this.name, this.#arena, this.#live.sorted().filter(isShared));
    this.#freed.sharing = this.#sharing;
    return this.#sharing;
  }

  readonly #owner: BufferOwner = {
    free: (buffer) => this.#free(buffer),
    grow: (buffer, size) => {
      this.#freed.release();
      growBuffer(buffer, size, {
        pageSize: this.pageSize,
        placer: this.#placer,
        live: this.#live,
        attached: this.#attached,
        mirror: this.#commands.mirror,
        sharing: this.#sharing,
      });
    },
  };

  #open(): void {
    if (this.#closed) throw new StateError('closed', `mirror '${this.name}' is closed`);
  }

  /** `searched`: what the place is searched for, where a driver can't choose it. */
  #check(size: number, options: AllocOptions | undefined, searched?: string): CheckedAlloc {
    this.#open();
    const checked = checkAllocOptions(size, options, this.#deviceNames, this.pageSize);
    checkOffered(this.#attached, checked);
    if (searched) checkFromArena(this.#attached, checked, searched);
    return checked;
  }

  #room({ access, request }: CheckedAlloc): void {
    this.#sharing?.checkRoom();
    this.#limits.check(access, request.size);
  }

  /** Makes the buffer of a place that is mapped. */
  #adopt(checked: CheckedAlloc, size: number, placement: Placement, adopted?: AdoptedMemory): SvmBuffer {
    const { access, type, name = `buffer-${this.#nextName++}` } = checked;
    const { address: start, guard } = placement;
    const range = { start, end: start + placement.size };
    const ownership =
      type === 'coarse'
        ? new Ownership(name, range, pagesFor(this.#attached, access, this.#memory))
        : undefined;
    const parts = { owner: this.#owner, name, size, placement, access, ownership, asked: checked, adopted };
    const buffer = new SvmBuffer(parts);
    if (!adopted) {
      this.#space.insert({ start, end: range.end + guard, guard, kind: 'buffer', name, owner: 'host' });
      tellMapped(this.#attached, access, range);
    }
    this.#live.add(buffer);
    this.#limits.count(access);
    if (isShared(buffer)) this.#sharing?.add(buffer);
    publishMapped(this.#commands.mirror, buffer, this.#attached);
    return buffer;
  }

  #free(buffer: SvmBuffer): void {
    const views = buffer.retire();
    this.#live.remove(buffer);
    this.#limits.count(buffer.access, -1);
    let users = 1;
    const effect = (): void => {
      if (--users === 0) publishUnmapping(this.#commands.mirror, this.#freed, buffer, views);
    };
    for (let i = 0; i < this.#attached.length; i++) {
      if (buffer.access[i] === 'none') continue;
      users++;
      this.#attached[i]!.port.drained(effect);
    }
    effect();
  }
}
