/**
 * A queue of an OpenCL device: checks, order and dependencies are those of all devices; a launch has OpenCL's ND-range and
 * local size besides.
 *
 * @module
 */
import type { HostAction, Packet } from '../../engine/command.ts';
import type { CopyEnd } from '../../engine/host-copies.ts';
import { type ArgumentContext, checkCount, packArgument } from '../../engine/kernel-arguments.ts';
import { chunkSize, countItems, groupSize } from '../../engine/launch-range.ts';
import { dispatch, nothing } from '../../engine/packets.ts';
import { type LoadedKernel, type QueueHost, RingQueue } from '../../engine/ring-queue.ts';
import { invalidType, outOfRange, UnsupportedError } from '../../errors.ts';
import type {
  ArgumentKind,
  ArgumentsOf,
  Command,
  HostRange,
  Items,
  Kernel,
  LaunchOptions,
  MigrateOptions,
} from '../device.ts';
import type { LayoutStruct, OpenClArgumentKind, OpenClArgumentsOf, OpenClKernel } from './argument-kinds.ts';
import type { LaunchPacket, NdRange, PassPacket } from './command-calls.ts';
import type { DriverMemory } from './driver-memory.ts';
import type { LaunchValue } from './kernel-values.ts';
import type { LaunchableKernel } from './opencl-program.ts';
import { structBytes } from './struct-values.ts';

/** PoCL counts work-groups in 32 bits, and ends the process where these are too few. */
const MOST_GROUPS = 2 ** 32 - 1;
const NONE: readonly never[] = [];
/** What errors call the arguments that most kernels have. */
const NAMES = Array.from({ length: 16 }, (_, i) => `args[${i}]`);

export interface OpenClLaunchOptions<Args extends readonly unknown[]> extends LaunchOptions<Args> {
  /** Work-items of a group, per dimension: each divides the items of its dimension. The driver's choice by default. */
  readonly local?: Items;
}

export interface OpenClQueueHost extends QueueHost {
  readonly maxWorkItemSizes: readonly number[];
  /** Bytes that a work-group has. */
  readonly localMemory: number;
  /** What buffers are made of, where that is the driver's own. */
  readonly memory: DriverMemory | undefined;
}

export class OpenClQueue extends RingQueue {
  readonly #opencl: OpenClQueueHost;
  /** Of the launch that is being put in. */
  #range: NdRange | undefined;
  #values: readonly LaunchValue[] = [];

  /** @internal */
  constructor(host: OpenClQueueHost, number: number, order: 'in' | 'out', name: string) {
    super(host, number, order, name);
    this.#opencl = host;
  }

  /**
   * Runs the kernel over `items`: a number, or up to three, of which the first is dimension 0 of OpenCL. Throws
   * UnsupportedError for `chunk`, `signal` and `timeout`, which a driver has nothing for.
   */
  override launch<const Kinds extends readonly ArgumentKind[]>(
    kernel: Kernel<Kinds>,
    options: OpenClLaunchOptions<ArgumentsOf<Kinds>>,
  ): Command;
  override launch<const Kinds extends readonly OpenClArgumentKind[]>(
    kernel: OpenClKernel<Kinds>,
    options: OpenClLaunchOptions<OpenClArgumentsOf<Kinds>>,
  ): Command;
  override launch(kernel: OpenClKernel, options: OpenClLaunchOptions<readonly unknown[]>): Command {
    const range = this.#rangeOf(kernel, options);
    // What reads the options may launch something itself.
    const outer = this.#range;
    this.#range = range;
    try {
      return super.launch(kernel as Kernel, options as LaunchOptions<never>);
    } finally {
      this.#range = outer;
    }
  }

  /** To whichever side: the driver's page tables are the host's. */
  override migrate(ranges: Parameters<RingQueue['migrate']>[0], options: MigrateOptions = {}): Command {
    const { to } = Object(options) as MigrateOptions;
    return super.migrate(ranges, to === undefined || to === 'device' ? { ...options, to: 'host' } : options);
  }

  /** @internal */
  protected override launchPacket(
    id: number,
    items: number,
    chunk: number,
    args: readonly (number | bigint)[],
  ): Packet {
    const { type, kernel, chunks } = dispatch(id, items, chunk, args);
    const [values, range] = [this.#values, this.#range];
    const packet: LaunchPacket = { type, kernel, items, chunk, chunks, args, values, range };
    return packet;
  }

  /** @internal Fine-grained memory is everybody's: the driver need not be told. */
  protected override passPacket(ranges: readonly HostRange[]): Packet {
    if (!this.#opencl.memory?.coarse || ranges.length === 0) return nothing();
    const packet: PassPacket = { ...nothing(), ranges: [...ranges] };
    return packet;
  }

  /** @internal */
  protected override hostCopy(to: CopyEnd, from: CopyEnd): HostAction {
    const copy = super.hostCopy(to, from);
    const { memory } = this.#opencl;
    if (!memory?.coarse) return copy;
    const [written, read] = [rangesOf(to, 'write'), rangesOf(from, 'read')];
    return () => memory.onHost([...written, ...read], copy);
  }

  /** @internal */
  protected override packArguments(kernel: LoadedKernel, args: unknown, context: ArgumentContext): [] {
    const { name, kinds, driver } = kernel as unknown as LaunchableKernel;
    if (!Array.isArray(args) || args.length !== kinds.length) checkCount(name, kinds.map(kindName), args);
    if (kinds.length === 0) return this.#pack([]);
    const given = args as readonly unknown[];
    let asked = 0;
    const values = kinds.map((kind, i): LaunchValue => {
      const at = NAMES[i] ?? `args[${i}]`;
      if (typeof kind !== 'string') return structBytes(at, kind as LayoutStruct, given[i], context);
      if (kind !== 'local') return packArgument(at, kind, given[i], context);
      const bytes = localBytes(at, given[i]);
      asked += bytes;
      return bytes;
    });
    const most = this.#opencl.localMemory - driver.localMemory;
    if (asked > most)
      throw outOfRange(
        'args',
        `at most ${most} bytes of local memory in all, beside what '${name}' has`,
        asked,
      );
    return this.#pack(values);
  }

  /** They are no packet's: the next launch's takes them from here. */
  #pack(values: readonly LaunchValue[]): [] {
    this.#values = values;
    return NONE as [];
  }

  /** Undefined where there is nothing to do; and where the kernel or the options are none, which `launch` refuses. */
  #rangeOf(kernel: unknown, options: OpenClLaunchOptions<readonly unknown[]>): NdRange | undefined {
    const { owner, driver } = Object(kernel) as LaunchableKernel;
    const { items, local, chunk } = Object(options) as OpenClLaunchOptions<readonly unknown[]>;
    if (owner !== this.#opencl || items === undefined) return undefined;
    const total = countItems(items, this.#opencl.maxItems);
    if (chunk !== undefined) {
      // A bad value is one on every device.
      chunkSize(chunk, total, this.#opencl.cores, 1);
      throw new UnsupportedError(
        'chunks',
        "An OpenCL driver splits a launch by itself: 'local' says how large its work-groups are, and 'chunk' does nothing",
      );
    }
    const global = dimensions(items);
    const groups = local === undefined ? undefined : this.#local(local, items, driver.maxGroup);
    if (total / (groups?.reduce((all, size) => all * size, 1) ?? 1) > MOST_GROUPS)
      throw outOfRange(
        'items',
        `at most ${MOST_GROUPS} work-groups: so many items where 'local' does not say how large these are`,
        total,
      );
    return total === 0 ? undefined : { kernel: driver, global, local: groups };
  }

  #local(local: Items, items: Items, most: number): readonly number[] {
    const group = groupSize(local, items);
    if (group > most) throw outOfRange('local', `at most ${most} in all`, group);
    const sizes = dimensions(local);
    for (const [i, size] of sizes.entries()) {
      const limit = this.#opencl.maxWorkItemSizes[i]!;
      if (size > limit) throw outOfRange(`local[${i}]`, `at most ${limit} on this device`, size);
    }
    return sizes;
  }
}

/** An end of a copy that is mirrored memory. */
function rangesOf({ address, size, view }: CopyEnd, access: HostRange['access']): HostRange[] {
  return view ? [] : [{ start: address, end: address + size, access }];
}

/** Bytes of a local argument. */
function localBytes(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number of bytes of local memory', value);
  if (!Number.isSafeInteger(value) || value < 1) throw outOfRange(name, 'an integer >= 1', value);
  return value;
}

function kindName(kind: OpenClArgumentKind): string {
  return typeof kind === 'string' ? kind : kind.name;
}

function dimensions(items: Items): readonly number[] {
  return typeof items === 'number' ? [items] : [...items];
}
