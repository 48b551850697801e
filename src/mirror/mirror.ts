/**
 * The mirror: what a user holds. It finds a place that the process and every device have free, maps the arena there,
 * tells the devices, and takes it all back. Search first, then map without replacing anything; where another thread
 * was faster, look again.
 *
 * @module
 */
import type { AttachedDevice, Device, ReservedRegion } from '../device/device.ts';
import type { Arena } from '../engine/arena.ts';
import { PlacementError, StateError, SystemError } from '../errors.ts';
import { pageSize } from '../linux/mmap.ts';
import type { Address, Range } from '../mm/address.ts';
import {
  type Occupied,
  type Placement,
  PlacementSpace,
  type Plan,
  type Refusal,
  refusalMessage,
} from '../placement/index.ts';
import { type AddressInfo, describeAddress } from './address-info.ts';
import { type AllocOptions, type CheckedAlloc, checkAllocOptions } from './alloc-options.ts';
import { BufferMemory } from './buffer-memory.ts';
import { DeviceLimits } from './device-limits.ts';
import { FreedRanges } from './freed-ranges.ts';
import { Heap } from './heap/heap.ts';
import { checkHeapOptions, type HeapOptions } from './heap/heap-options.ts';
import { hostLimit, readHostPicture } from './host-picture.ts';
import type { LiveBuffers } from './live-buffers.ts';
import { type Pin, type PinOptions, pinView } from './pin.ts';
import type { ShareHandle } from './sharing/handle.ts';
import { type Sharer, Sharing } from './sharing/owner.ts';
import { SvmBuffer } from './svm-buffer.ts';
import { MirrorSync } from './sync/side.ts';
import type { TimeoutOptions, WaitOptions } from './sync/wait-options.ts';
import type { WaitResult } from './sync/waits.ts';

/** How often another thread may be faster before `alloc` gives up. */
const MOST_ATTEMPTS = 64;
/** How long a refusal waits, in milliseconds, for devices to let go of freed ranges. */
const PATIENCE = 50;

export type DeviceRecord = Record<string, Device>;

export class Mirror<Devices extends DeviceRecord = DeviceRecord> {
  readonly name: string;
  readonly devices: Devices;
  readonly pageSize = pageSize();
  /** @internal For accessors: `alloc` gives no structures. */
  readonly allocates = 'buffers';
  /** @internal For locks and channels. */
  readonly sync = new MirrorSync(
    (address) => {
      this.#open();
      return this.#live.at(address);
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
  /** From the first `share` or lock on. */
  #sharing: Sharing | undefined;
  #closed: Promise<void> | undefined;
  #nextName = 1;

  /** @internal Use {@link openMirror}. */
  constructor(name: string, arena: Arena, live: LiveBuffers, attached: readonly AttachedDevice[]) {
    this.name = name;
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
    this.#sharing?.checkRoom();
    this.#limits.check(checked.access, size);
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
    this.#limits.count(buffer.access);
    this.#attached.forEach(({ port }, i) => {
      const access = checked.access[i]!;
      if (access !== 'none') port.mapped(range, access);
    });
    this.#sharing?.add(buffer);
    return buffer;
  }

  /** Where `alloc` would put such a buffer, or every reason why it could not. Changes nothing. */
  plan(size: number, options?: AllocOptions): Plan {
    const { request } = this.#check(size, options);
    this.#freed.release();
    this.#space.setHost(this.#picture());
    return this.#space.plan(request);
  }

  /** Small objects in mirrored memory. Takes no memory before its first `alloc`; bad options are refused as by `alloc`. */
  heap(options?: HeapOptions): Heap {
    const checked = checkHeapOptions(options);
    this.plan(this.pageSize, checked.buffers);
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
    this.#space.setHost(this.#picture());
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
    this.#sharing?.announceClose();
    for (const buffer of this.#live.sorted()) this.#free(buffer);
    this.#freed.release();
    this.#freed.arenaClosed = true;
    this.#sharing?.close();
    this.#arena.close();
  }

  #share(): Sharing {
    this.#sharing ??= new Sharing(this.name, this.#arena, this.#live.sorted());
    this.#freed.sharing = this.#sharing;
    return this.#sharing;
  }

  /** What is mapped in this process, and in those that have attached. */
  #picture(): Occupied[] {
    return this.#sharing ? [...readHostPicture(), ...this.#sharing.occupied()] : readHostPicture();
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
    if (this.#sharing?.stale) this.#space.setHost(this.#picture());
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const placement =
        this.#sharing?.find(this.#space, checked.request) ?? this.#space.find(checked.request);
      if (placement && this.#map(placement, checked)) return placement;
      if (!placement && fresh && !this.#freed.release(true) && !this.#waitForDevices()) this.#refuse(checked);
      this.#space.setHost(this.#picture());
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
      if (!full || !this.#freed.release(true)) throw error;
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
    for (let waited = 0; waited < PATIENCE && this.#freed.waitsForDevices; waited++) {
      for (const { port } of this.#attached) port.nudge();
      this.#sharing?.nudge();
      if (this.#freed.release()) return true;
      Atomics.wait(word, 0, 0, 1);
    }
    return false;
  }

  #free(buffer: SvmBuffer): void {
    const view = buffer.retire();
    this.#live.remove(buffer);
    this.#limits.count(buffer.access, -1);
    let users = 1;
    const effect = (): void => {
      if (--users === 0) this.#freed.takeAway(buffer, view);
    };
    for (let i = 0; i < this.#attached.length; i++) {
      if (buffer.access[i] === 'none') continue;
      users++;
      this.#attached[i]!.port.drained(effect);
    }
    effect();
  }
}
