/**
 * What a device is to the mirror and to its users: a window of the address space, queues of commands, programs.
 * The mirror knows this interface and no particular device; every device passes one conformance suite. Names
 * follow HSA and OpenCL.
 *
 * @module
 */
import type { DeviceFaultDetails, DeviceLost, NearestBuffer } from '../errors.ts';
import type { Address, Range } from '../mm/address.ts';
import type { Capabilities } from './capabilities.ts';

/** A range of the device's window that the device keeps for itself: code, static data, stacks, firmware. */
export interface ReservedRegion extends Range {
  readonly name: string;
}

/** A kernel argument kind. `pointer` takes an address or anything that has one; 64-bit kinds take numbers or bigints. */
export type ArgumentKind = 'pointer' | 'u32' | 'i32' | 'u64' | 'i64' | 'f32' | 'f64';

/** Anything that lies at an address of mirrored memory, such as an SvmBuffer. */
export interface Addressed {
  readonly address: Address;
  readonly size: number;
}

export type KernelArgument = number | bigint | Addressed;

/** The JavaScript values that a list of argument kinds takes. */
export type ArgumentsOf<Kinds extends readonly ArgumentKind[]> = {
  [Index in keyof Kinds]: Kinds[Index] extends 'pointer'
    ? Address | Addressed
    : Kinds[Index] extends 'i64' | 'u64'
      ? number | bigint
      : number;
};

/** A function of a program, with the kinds of its arguments. */
export interface Kernel<Kinds extends readonly ArgumentKind[] = readonly ArgumentKind[]> {
  readonly name: string;
  readonly kinds: Kinds;
}

/** Loaded code. */
export interface Program {
  /** The names of the kernels that the program exports. */
  readonly kernels: readonly string[];
  /**
   * The kernel of that name. Throws ProgramError where there is none, and TypeError or RangeError where `kinds`
   * does not match what the program declares.
   */
  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds>;
}

export type CommandType = 'launch' | 'copy' | 'fill' | 'barrier' | 'marker';
export type CommandStatus = 'queued' | 'submitted' | 'complete' | 'failed';

/** Milliseconds on the machine's monotonic clock (that of `process.hrtime`), so times of all processes compare. */
export interface CommandTimes {
  readonly queued: number;
  readonly started?: number;
  readonly finished?: number;
}

/** A command in a queue. Not a thenable: await {@link Command.done}. */
export interface Command {
  readonly type: CommandType;
  readonly status: CommandStatus;
  readonly times: CommandTimes;
  /** The part of the items that cores have begun, 0 to 1. */
  readonly progress: number;
  /**
   * Resolves when the command is complete; rejects with DeviceFault, DeviceLost, TimeoutError or the abort reason. Made
   * on demand.
   */
  readonly done: Promise<void>;
  /**
   * Blocks this thread until the command has ended, and throws what `done` would reject with. Throws TimeoutError
   * after `timeout` milliseconds; the command goes on.
   */
  wait(timeout?: number): void;
}

/** One, two or three dimensions; a kernel sees their product as one range, the last dimension running fastest. */
export type Items =
  | number
  | readonly [number]
  | readonly [number, number]
  | readonly [number, number, number];

export interface LaunchOptions<Args extends readonly unknown[] = readonly KernelArgument[]> {
  readonly items: Items;
  readonly args: Args;
  /** Items that a core takes at a time; by default an eighth of a core's share, at most 2^20. */
  readonly chunk?: number;
  /** Aborting it stops the kernel (a runaway one too) and rejects `done` with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds from the launch, its time in the queue included; none by default. A kernel that has not ended by then
   * is stopped as by `signal`, and `done` rejects with TimeoutError.
   */
  readonly timeout?: number;
}

/** Commands run in the order in which they were put in. */
export interface Queue {
  launch<const Kinds extends readonly ArgumentKind[]>(
    kernel: Kernel<Kinds>,
    options: LaunchOptions<ArgumentsOf<Kinds>>,
  ): Command;
  /** Copies `size` bytes on the device. Overlapping ranges are refused, as OpenCL does (CL_MEM_COPY_OVERLAP). */
  copy(target: Address | Addressed, source: Address | Addressed, size?: number): Command;
  /** Fills `size` bytes with a pattern of 1 to 128 bytes; `size` is a multiple of the pattern's. */
  fill(target: Address | Addressed, pattern: number | Uint8Array, size?: number): Command;
  /** Ends once all commands before it have ended. */
  barrier(): Command;
  marker(): Command;
  /** Resolves when all commands so far have ended; rejects with the first failure that nobody looked at. */
  finish(): Promise<void>;
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
  /** The first queue. */
  readonly queue: Queue;
  createQueue(): Queue;
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

/** How the mirror tells a device about its memory, and asks when a freed range is out of use. */
export interface MirrorPort {
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
  /** Kernels may store to a range of the host's memory that is no buffer; gives the way to take that back. */
  pinned?(range: Range): () => void;
}

/** What a device is given when a mirror opens it. */
export interface DeviceContext {
  readonly name: string;
  /** The arena: a memory file in which the offset of a byte is its address. */
  readonly arena: { readonly fd: number; readonly size: number };
  /** The live buffers that this device may touch; asked for again at a reopen. */
  live(): readonly (Range & { readonly access: 'read' | 'write' })[];
  /**
   * What this device may do with all of `[address, address + size)`: undefined where no one live buffer holds it, or
   * where the buffer is not for this device.
   */
  accessTo(address: Address, size: number): 'read' | 'write' | undefined;
  /** The buffer nearest to an address, in words; for faults. */
  nearest(address: Address): NearestBuffer | undefined;
  /** To be called when the device reserves other regions than when it was opened, as after a reopen. */
  reserve(regions: readonly ReservedRegion[]): void;
}

/** A device as the mirror holds it. */
export interface AttachedDevice<D extends Device = Device> {
  readonly device: D;
  readonly port: MirrorPort;
  /** How many live buffers it can reach, where that is limited: the mirror allocates no more for it. */
  readonly mostBuffers?: number;
}

/** What `openMirror` takes for each device: a way to open it. */
export interface DeviceSpec<D extends Device = Device> {
  readonly kind: string;
  open(context: DeviceContext): Promise<AttachedDevice<D>>;
}

export type { DeviceFaultDetails };
