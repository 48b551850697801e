/**
 * What a device does for its users, command by command: kernels and their arguments, queues, commands and what they
 * wait for. Names follow OpenCL and HSA.
 *
 * @module
 */
import type { Address } from '../mm/address.ts';

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

export type CommandType =
  | 'launch'
  | 'copy'
  | 'fill'
  | 'map'
  | 'unmap'
  | 'migrate'
  | 'invalidate'
  | 'free'
  | 'barrier'
  | 'marker';
export type CommandStatus = 'queued' | 'submitted' | 'complete' | 'failed';

/**
 * What OpenCL's profiling tells of a command, in milliseconds on the machine's monotonic clock (that of
 * `process.hrtime`), so that times of all processes compare. What a command never came to is absent.
 */
export interface CommandTimes {
  /** It was put into its queue. */
  readonly queued: number;
  /** It was handed to the device; later than `queued` where it had to wait, for others or for room in the ring. */
  readonly submitted?: number;
  /** A core, or the host where the host carries it out, began with it. */
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

/**
 * An event that the host brings about, OpenCL's user event: commands that wait for it in `after` run once it is complete,
 * and fail once it has failed. Made by `mirror.createEvent()`. Closing the mirror fails those that are still pending.
 */
export interface UserEvent {
  readonly status: 'pending' | 'complete' | 'failed';
  /** Resolves once it is complete, rejects with what `fail` was given. Made on demand. */
  readonly done: Promise<void>;
  /** Throws StateError where it has ended already. */
  complete(): void;
  /** Throws StateError where it has ended already. */
  fail(error: unknown): void;
}

/** What a command may wait for. */
export type Prerequisite = Command | UserEvent;

/** What every command can be given. */
export interface CommandOptions {
  /**
   * The command runs once these are complete: commands of any queue and device of the mirror, and user events. Where one
   * of them fails the command does not run, and fails with DependencyError.
   */
  readonly after?: Prerequisite | readonly Prerequisite[];
  /** Aborting it stops the command (a runaway kernel too) and rejects `done` with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds from the call, the time in the queue included; none by default. A command that has not ended by then is
   * stopped as by `signal`, and `done` rejects with TimeoutError.
   */
  readonly timeout?: number;
}

/** One, two or three dimensions; a kernel sees their product as one range, the last dimension running fastest. */
export type Items =
  | number
  | readonly [number]
  | readonly [number, number]
  | readonly [number, number, number];

export interface LaunchOptions<Args extends readonly unknown[] = readonly KernelArgument[]>
  extends CommandOptions {
  readonly items: Items;
  readonly args: Args;
  /**
   * Items of a work-group, in the dimensions of `items`, of which it is a divisor (clEnqueueNDRangeKernel's local size).
   * Items are numbered group by group then, and one core runs all items of a group, one after the other. `WorkItems` of
   * `mirrorspace/kernel`, and `mirrorspace/assembly/work-items` in AssemblyScript, tell where an item lies.
   */
  readonly local?: Items;
  /** Items that a core takes at a time; by default an eighth of a core's share, at most 2^20. With `local`, whole groups. */
  readonly chunk?: number;
  /**
   * Buffers, or addresses in them, that the kernel reaches only through pointers it finds in memory
   * (clSetKernelExecInfo with CL_KERNEL_EXEC_INFO_SVM_PTRS): checked as arguments are. Devices that reach all live
   * buffers anyway (INDIRECT_ACCESS) need no telling, and then only the check is gained.
   */
  readonly uses?: readonly (Address | Addressed)[];
}

/** The bytes of a buffer that a command passes on. */
export interface UnmapOptions extends CommandOptions {
  /** Bytes from the start of the buffer; 0 by default. */
  readonly offset?: number;
  /** Bytes; up to the end of the buffer by default. */
  readonly size?: number;
}

export interface MapOptions extends UnmapOptions {
  /** `'readwrite'` by default. With `'read'` the host's stores reach nobody; such mappings may overlap. */
  readonly access?: 'read' | 'write' | 'readwrite';
}

export interface TransferOptions extends CommandOptions {
  /** Bytes; by default all of the buffer that is named first. */
  readonly size?: number;
}

/** Some bytes of a buffer; without a size, or with size 0, all of the buffer that holds the address. */
export interface MemoryRange {
  readonly address: Address;
  readonly size?: number;
}

export interface MigrateOptions extends CommandOptions {
  /** Who is about to use the memory: this device (default), or the host (CL_MIGRATE_MEM_OBJECT_HOST). */
  readonly to?: 'device' | 'host';
  /**
   * What the memory holds need not be kept (CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED). It is kept all the same: there is one
   * copy of it.
   */
  readonly contentUndefined?: boolean;
}

/** A buffer, or its address; for a callback any pointer. */
export type Freeable = Address | Addressed;

export interface FreeOptions extends CommandOptions {
  /**
   * Called in the queue's turn, on this thread, with exactly what was given; it does the freeing, which may be of anything
   * (`(objects) => objects.forEach((object) => heap.free(object))`). What it throws is what the command fails with; it must
   * be done when it returns, so that of an async function is a TypeError.
   */
  readonly callback?: (buffers: readonly Freeable[]) => void;
}

export interface QueueOptions {
  /**
   * `'in'` (default): each command begins once the one before has ended. `'out'`: commands run as soon as cores are free,
   * several at once; `after`, barriers and `finish` are what orders them.
   */
  readonly order?: QueueOrder;
  /** For people; by default `queue-1` and so on. */
  readonly name?: string;
}

export type QueueOrder = 'in' | 'out';

/** Commands run in the order in which they were put in, or as {@link QueueOptions.order} says. */
export interface Queue {
  readonly name: string;
  readonly order: QueueOrder;
  launch<const Kinds extends readonly ArgumentKind[]>(
    kernel: Kernel<Kinds>,
    options: LaunchOptions<ArgumentsOf<Kinds>>,
  ): Command;
  /**
   * Copies `size` bytes. Overlapping ranges are refused, as OpenCL does (CL_MEM_COPY_OVERLAP). An end that is a view of
   * ordinary memory no device reaches: then the host copies, on this thread, when the command's turn has come. Until then
   * the view's bytes must stay as they are, and be there: where its ArrayBuffer has been transferred the command fails.
   */
  copy(
    target: Address | Addressed | ArrayBufferView,
    source: Address | Addressed | ArrayBufferView,
    size?: number | TransferOptions,
  ): Command;
  /** Fills `size` bytes with a pattern of 1 to 128 bytes; `size` is a multiple of the pattern's. */
  fill(target: Address | Addressed, pattern: number | Uint8Array, size?: number | TransferOptions): Command;
  /**
   * Passes a coarse buffer, or a part of it, to the host (clEnqueueSVMMap): once the command has ended the host may touch
   * those bytes, until {@link Queue.unmap}. From this call on until then no command may name the buffer. Does nothing to
   * a fine buffer. Throws StateError where the part is mapped already, RangeError for a part that is not in the buffer.
   */
  map(buffer: Addressed, options?: MapOptions): Command;
  /**
   * Gives back to the devices what {@link Queue.map} passed to the host (clEnqueueSVMUnmap): all mappings of the buffer,
   * or the one of exactly that part. The host may not touch it from this call on. Throws StateError where it is not
   * mapped.
   */
  unmap(buffer: Addressed, options?: UnmapOptions): Command;
  /**
   * Prefetches memory to where it is about to be used (clEnqueueSVMMigrateMem), so that the first accesses there cause no
   * faults. Ranges may be unaligned, overlap and repeat; whole pages are what is prefetched, and allocated where nobody has
   * touched them. To the host it is best effort.
   */
  migrate(
    ranges: Address | Addressed | MemoryRange | readonly (Address | Addressed | MemoryRange)[],
    options?: MigrateOptions,
  ): Command;
  /**
   * Has the device forget what it has copied of the host's memory, when the command's turn has come: launches that begin
   * later see that memory as it is then. For changes that nobody can see, such as those of input and output that was under
   * way when the memory was copied (io_uring with fixed buffers, O_DIRECT). Whole pages. A device that has no copies, which
   * buffers never need, has nothing to do. Throws TypeError or RangeError for what is no range.
   */
  invalidate(range: Addressed, options?: CommandOptions): Command;
  /**
   * Frees buffers when the command's turn has come (clEnqueueSVMFree), as `buffer.free()` does at that moment. From the
   * call on no command can be put in that names them, and `buffer.free()` is refused; where the command fails they are as
   * before. With a callback, that does the freeing, and nothing is refused.
   */
  free(buffers: Freeable | readonly Freeable[], options?: FreeOptions | FreeOptions['callback']): Command;
  /**
   * Ends once all commands before it have ended, or, where `after` names any, once these are complete. Commands that are
   * put in later run after it.
   */
  barrier(options?: CommandOptions): Command;
  /** A barrier that holds up nothing: in a queue out of order later commands may run before it ends. */
  marker(options?: CommandOptions): Command;
  /** Resolves when all commands so far have ended; rejects with the first failure that nobody looked at. */
  finish(): Promise<void>;
}
