/**
 * A queue of an OpenCL device: checks of arguments are those of all devices; a launch has OpenCL's ND-range and local
 * size besides.
 *
 * @module
 */
import { chunkSize, countItems, packArguments } from '../../engine/kernel-arguments.ts';
import { type QueueHost, RingQueue } from '../../engine/ring-queue.ts';
import { invalidType, outOfRange, UnsupportedError } from '../../errors.ts';
import type { ArgumentKind, ArgumentsOf, Command, Items, Kernel, LaunchOptions } from '../device.ts';
import type { DriverKernel, OpenClKernel } from './opencl-program.ts';

export interface OpenClLaunchOptions<Args extends readonly unknown[]> extends LaunchOptions<Args> {
  /** Work-items of a group, per dimension: each divides the items of its dimension. The driver's choice by default. */
  readonly local?: Items;
}

/** A launch that has been checked. */
export interface NdRange {
  readonly kernel: DriverKernel;
  /** Work-items per dimension; none of them is 0. */
  readonly global: readonly number[];
  readonly local: readonly number[] | undefined;
  readonly args: readonly (number | bigint)[];
}

export interface OpenClQueueHost extends QueueHost {
  readonly maxWorkItemSizes: readonly number[];
  /** Puts it in; `range` is undefined where there is nothing to do. */
  launch(queue: OpenClQueue, kernel: string, range: NdRange | undefined): Command;
}

export class OpenClQueue extends RingQueue {
  readonly #opencl: OpenClQueueHost;

  /** @internal */
  constructor(host: OpenClQueueHost, number: number) {
    super(host, number);
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
    const host = this.#opencl;
    const { name, kinds, driver } = this.#own(kernel);
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
    const total = countItems(options.items, host.maxItems);
    refuse(options, total, host.cores);
    const global = dimensions(options.items);
    const local =
      options.local === undefined ? undefined : this.#local(options.local, global, driver.maxGroup);
    const args = packArguments(name, kinds, options.args, host);
    return host.launch(this, name, total === 0 ? undefined : { kernel: driver, global, local, args });
  }

  #own(kernel: unknown): OpenClKernel {
    const given = kernel as OpenClKernel;
    if (typeof kernel !== 'object' || kernel === null || typeof given.id !== 'number')
      throw invalidType('kernel', "a kernel, as a program's kernel(name, kinds) gives it", kernel);
    if (given.owner !== this.#opencl)
      throw outOfRange('kernel', `a kernel of a program loaded on device '${this.#opencl.name}'`, given.name);
    return given;
  }

  #local(local: Items, global: readonly number[], most: number): readonly number[] {
    const group = countItems(local, most, 'local');
    const sizes = dimensions(local);
    if (group === 0) throw outOfRange('local', 'at least 1 in each dimension', 0);
    if (sizes.length !== global.length)
      throw outOfRange('local', `${global.length} numbers, as items has dimensions`, sizes.length);
    for (const [i, size] of sizes.entries()) {
      const limit = this.#opencl.maxWorkItemSizes[i]!;
      if (size > limit) throw outOfRange(`local[${i}]`, `at most ${limit} on this device`, size);
      if (global[i]! % size !== 0)
        throw outOfRange(`local[${i}]`, `a divisor of the ${global[i]} items of its dimension`, size);
    }
    return sizes;
  }
}

function dimensions(items: Items): readonly number[] {
  return typeof items === 'number' ? [items] : [...items];
}

function refuse({ chunk, signal, timeout }: LaunchOptions, items: number, cores: number): void {
  if (chunk !== undefined) {
    // A bad value is one on every device.
    chunkSize(chunk, items, cores);
    throw new UnsupportedError(
      'chunks',
      "An OpenCL driver splits a launch by itself: 'local' says how large its work-groups are, and 'chunk' does nothing",
    );
  }
  if (signal !== undefined || timeout !== undefined)
    throw new UnsupportedError(
      'stopping a kernel',
      "OpenCL has no call that stops a kernel: 'signal' and 'timeout' of a launch can't be kept; 'command.wait(ms)' waits for a limited time",
    );
}
