/**
 * What a device is to the mirror and to its users: a window of the address space, queues of commands, programs.
 * The mirror knows this interface and no particular device; every device passes one conformance suite. Names
 * follow HSA and OpenCL.
 *
 * @module
 */
import type { CommandScope } from '../engine/command-scope.ts';
import type { DeviceFaultDetails, DeviceLost, NearestBuffer } from '../errors.ts';
import type { Address, Range } from '../mm/address.ts';
import type { Capabilities } from './capabilities.ts';
import type {
  Addressed,
  Freeable,
  MapOptions,
  Program,
  Queue,
  QueueOptions,
  UnmapOptions,
} from './commands.ts';

/** A range of the device's window that the device keeps for itself: code, static data, stacks, firmware. */
export interface ReservedRegion extends Range {
  readonly name: string;
}

/** Counters of one device since it was opened. */
export interface DeviceCounters {
  readonly launches: number;
  /** Page faults that the pager answered. */
  readonly faults: number;
  /** Bytes made visible to the device by answering them. */
  readonly filledBytes: number;
  /** Faults outside live buffers. */
  readonly wildFaults: number;
  /** Cores restarted after a fault or a stop. */
  readonly coreRestarts: number;
  /** Times that the device came back after it was lost, by itself or by `reopen`. */
  readonly reopens: number;
}

export interface Device {
  /** The key under which the device was given to `openMirror`. */
  readonly name: string;
  readonly kind: string;
  /** The addresses that the device reaches. */
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  readonly capabilities: Capabilities;
  /** What it can do with memory of the process that is no buffer's; nothing where there is none of it. */
  readonly systemCapabilities?: Capabilities;
  /** The first queue. */
  readonly queue: Queue;
  /** Another queue; at most 16 in all. They run side by side. */
  createQueue(options?: QueueOptions): Queue;
  load(program: URL | Uint8Array | ArrayBuffer): Promise<Program>;
  /**
   * Resolves, never rejects, when the device is lost other than by `close`; a new promise from the moment on at which
   * it is being reopened.
   */
  readonly lost: Promise<DeviceLost>;
  counters(): DeviceCounters;
  /**
   * Brings a lost device back, with its programs loaded again and their static data as new. A device that was lost to
   * a runaway kernel comes back by itself: then this waits for it. Commands that are put in meanwhile wait as well.
   */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Host memory that is no buffer, pinned for devices. */
export interface PinnedRange extends Range {
  /** Whether kernels may store there. */
  readonly write: boolean;
  /** False once that memory is not the view's any more: its ArrayBuffer was transferred. */
  held(): boolean;
}

/** How the mirror tells a device about its memory, and asks when a freed range is out of use. */
export interface MirrorPort {
  /**
   * A buffer comes to lie there, be it for this device or not: nothing else of the host's does any more. Told before
   * {@link MirrorPort.mapped} and before anybody stores there.
   */
  arriving?(range: Range): void;
  /** A buffer came to be. Must not block. */
  mapped(range: Range, access: 'read' | 'write'): void;
  /**
   * A buffer has gone; its memory was punched out already. Gives a question to ask later: may the addresses be used
   * again? Must not block.
   */
  unmapped(range: Range): () => boolean;
  /** Calls back, perhaps at once, when the commands submitted so far have ended. */
  drained(callback: () => void): void;
  /** Asks the device to make progress on ranges that wait for its answer to {@link MirrorPort.unmapped}. */
  nudge(): void;
  /**
   * A range of the host's memory that is no buffer is there for kernels; gives the way to take that back. Throws where the
   * device can't reach it, and has not pinned it then.
   */
  pinned?(pin: PinnedRange): () => void;
}

/** A part of a coarse buffer that the host has, and what for. */
export interface HostRange extends Range {
  readonly access: 'read' | 'write' | 'readwrite';
}

/** A change of a coarse buffer's owner that goes with a command: checked, and not yet made. */
export interface OwnershipChange {
  /** What the host gets, or gives back; nothing of a fine buffer. */
  readonly ranges: readonly HostRange[];
  /** The command is in its queue. Throws SystemError where the change can't be made; the command is a barrier then. */
  begin(): void;
  /** The command is about to be seen as ended; where this throws it has failed. */
  complete(): void;
  /** The command has failed. */
  fail(): void;
}

/** The free of a buffer that goes with a command: one of the two is called, once. */
export interface QueuedFree {
  /** The command's turn has come: frees it as its own `free` would. */
  commit(): void;
  /** The command has failed. */
  cancel(): void;
}

/** What a device is given when a mirror opens it. */
export interface DeviceContext {
  readonly name: string;
  /** What the devices of one mirror know of each other's commands. */
  readonly commands: CommandScope;
  /** The arena: a memory file in which the offset of a byte is its address. */
  readonly arena: { readonly fd: number; readonly size: number };
  /** The live buffers of the arena that this device may touch; asked for again at a reopen. */
  live(): readonly (Range & { readonly access: 'read' | 'write' })[];
  /**
   * What this device may do with all of `[address, address + size)`: undefined where no one live buffer holds it, or
   * where the buffer is not for this device.
   */
  accessTo(address: Address, size: number): 'read' | 'write' | undefined;
  /** Whether what lies there is the arena's, and not memory that a device's driver has allocated. */
  inArena(address: Address): boolean;
  /** Throws StateError, in the words of the argument's `name`, where the address is in a coarse buffer of which the host has mapped some. */
  checkUnmapped(name: string, address: Address): void;
  /** For {@link Queue.map}: checks it all but whether the device may touch the buffer. */
  map(buffer: Addressed, options: MapOptions | undefined): OwnershipChange;
  /** For {@link Queue.unmap}. */
  unmap(buffer: Addressed, options: UnmapOptions | undefined): OwnershipChange;
  /** The live buffer that holds the address, where this device may touch it. */
  bufferAt(address: Address): Range | undefined;
  /**
   * For {@link Queue.free}: from now on no command may name the buffer. Throws RangeError where it is no live buffer's
   * address, StateError where it is freed, or about to be, already.
   */
  beginFree(name: string, buffer: Freeable): QueuedFree;
  /** The buffer nearest to an address, in words; for faults. */
  nearest(address: Address): NearestBuffer | undefined;
  /** To be called when the device reserves other regions than when it was opened, as after a reopen. */
  reserve(regions: readonly ReservedRegion[]): void;
}

/** Memory that only a device's driver can allocate (clSVMAlloc). The mirror adopts it for buffers that the device reaches. */
export interface MemorySource {
  /** It is the device's but for what the host has mapped by the device's queues: nobody else sees what it holds. */
  readonly coarse?: boolean;
  /** `size` bytes of zeros at a multiple of `align`, wherever the driver likes. Throws where it has none. */
  allocate(size: number, align: number): Address;
  /** Nobody uses the memory any more that {@link MemorySource.allocate} gave; also called once the device is closed. */
  release(address: Address): void;
}

/** A device as the mirror holds it. */
export interface AttachedDevice<D extends Device = Device> {
  readonly device: D;
  readonly port: MirrorPort;
  /** How many live buffers it can reach, where that is limited: the mirror allocates no more for it. */
  readonly mostBuffers?: number;
  /**
   * It reaches buffers through the host's own mappings, since it works in this process: these stay what they are, also
   * for coarse buffers that the host does not own at the moment.
   */
  readonly throughHost?: boolean;
  /** It does not reach the arena: its buffers are made of this memory. */
  readonly memory?: MemorySource;
}

/** What `openMirror` takes for each device: a way to open it. */
export interface DeviceSpec<D extends Device = Device> {
  readonly kind: string;
  open(context: DeviceContext): Promise<AttachedDevice<D>>;
}

export * from './commands.ts';
export type { DeviceFaultDetails };
