/**
 * A queue of an OpenCL device: checks, order and dependencies are those of all devices; a launch has OpenCL's ND-range and
 * local size besides.
 *
 * @module
 */
import type { Packet } from '../../engine/command.ts';
import { chunkSize, countItems, groupSize } from '../../engine/launch-range.ts';
import { dispatch } from '../../engine/packets.ts';
import { type QueueHost, RingQueue } from '../../engine/ring-queue.ts';
import { outOfRange, UnsupportedError } from '../../errors.ts';
import type {
  ArgumentKind,
  ArgumentsOf,
  Command,
  Items,
  Kernel,
  LaunchOptions,
  MigrateOptions,
} from '../device.ts';
import type { LaunchPacket, NdRange } from './command-calls.ts';
import type { OpenClKernel } from './opencl-program.ts';

export interface OpenClLaunchOptions<Args extends readonly unknown[]> extends LaunchOptions<Args> {
  /** Work-items of a group, per dimension: each divides the items of its dimension. The driver's choice by default. */
  readonly local?: Items;
}

export interface OpenClQueueHost extends QueueHost {
  readonly maxWorkItemSizes: readonly number[];
}

export class OpenClQueue extends RingQueue {
  readonly #opencl: OpenClQueueHost;
  /** Of the launch that is being put in. */
  #range: NdRange | undefined;

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
  ): Command {
    this.#range = this.#rangeOf(kernel, options);
    return super.launch(kernel, options);
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
    const packet: LaunchPacket = { ...dispatch(id, items, chunk, args), range: this.#range };
    this.#range = undefined;
    return packet;
  }

  /** Undefined where there is nothing to do; and where the kernel or the options are none, which `launch` refuses. */
  #rangeOf(kernel: unknown, options: OpenClLaunchOptions<readonly unknown[]>): NdRange | undefined {
    const { owner, driver } = Object(kernel) as OpenClKernel;
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

function dimensions(items: Items): readonly number[] {
  return typeof items === 'number' ? [items] : [...items];
}
