/**
 * What stands between the queues that a user holds and the driver's: each checked command becomes one call of OpenCL's,
 * and its event is watched. It is the mirror's port as well: buffers need no mapping in a driver of this process.
 *
 * @module
 */

import { checkBuffer, checkRange } from '../../engine/buffer-checks.ts';
import { type CommandHost, type Packet, QueuedCommand } from '../../engine/command.ts';
import { monotonicNow } from '../../engine/completion.ts';
import { BUILTIN_KERNEL, MAX_QUEUES, PACKET_TYPE } from '../../engine/control-layout.ts';
import type { RingQueue } from '../../engine/ring-queue.ts';
import { outOfRange, StateError } from '../../errors.ts';
import type { Addressed, Command, CommandType, DeviceContext, MirrorPort } from '../device.ts';
import type { DriverContext } from './driver-context.ts';
import { EventWatch, type WatchedQueue } from './event-watch.ts';
import type { Handle } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';
import { setArguments, setFillArguments } from './kernel-values.ts';
import { type NdRange, OpenClQueue, type OpenClQueueHost } from './opencl-queue.ts';

const NOTHING: Packet = { type: PACKET_TYPE.BARRIER, kernel: 0, items: 0, chunk: 1, chunks: 1, args: [] };

interface DriverQueue {
  readonly queue: OpenClQueue;
  readonly handle: Handle;
  readonly watched: WatchedQueue;
}

export class CommandPort implements OpenClQueueHost, CommandHost, MirrorPort {
  readonly name: string;
  readonly cores: number;
  readonly pointerLimit = 2 ** 47;
  readonly maxItems = Number.MAX_SAFE_INTEGER;
  readonly maxWorkItemSizes: readonly number[];
  launches = 0;
  readonly #context: DeviceContext;
  readonly #driver: DriverContext;
  readonly #watch: EventWatch;
  readonly #queues: DriverQueue[] = [];
  readonly #fill: Handle;
  readonly #event = new BigUint64Array(1);
  readonly #sizes = new BigUint64Array(6);
  #closing: Promise<void> | undefined;
  /** Compilations that are on their way. */
  readonly #busy = new Set<Promise<unknown>>();

  /** `program` is that of built-in-source.ts. */
  constructor(context: DeviceContext, driver: DriverContext, program: Handle) {
    this.name = context.name;
    this.cores = driver.info.computeUnits;
    this.maxWorkItemSizes = driver.info.maxWorkItemSizes;
    this.#context = context;
    this.#driver = driver;
    this.#fill = driver.kernel(program, 'mirrorspace_fill');
    this.#watch = new EventWatch(driver.cl, (command) => {
      if (command.status === 'failed') this.#queues[command.queue]!.queue.noteFailure(command);
    });
    this.createQueue();
  }

  get queue(): OpenClQueue {
    return this.#queues[0]!.queue;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  checkOpen(): void {
    if (this.closed) throw new StateError('closed', `device '${this.name}' is closed`);
  }

  createQueue(): OpenClQueue {
    this.checkOpen();
    const number = this.#queues.length;
    if (number === MAX_QUEUES)
      throw outOfRange('queues', `at most ${MAX_QUEUES} on a device`, MAX_QUEUES + 1);
    const handle = this.#driver.createQueue();
    const queue = new OpenClQueue(this, number);
    this.#queues.push({ queue, handle, watched: this.#watch.createQueue() });
    return queue;
  }

  /** Nothing is released before it has ended. */
  async keepOpen<T>(work: () => Promise<T>): Promise<T> {
    const working = work();
    this.#busy.add(working);
    try {
      return await working;
    } finally {
      this.#busy.delete(working);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    await Promise.allSettled(this.#busy);
    await new Promise<void>((resolve) => this.#watch.whenEnded(resolve));
    await this.#watch.idle();
    this.#driver.release();
    for (const { queue } of this.#queues) queue.warnOfSilentFailures();
  }

  // What queues ask.

  checkBuffer(name: string, buffer: Addressed): void {
    checkBuffer(this.#context, name, buffer);
  }

  checkRange(name: string, address: number, size: number, access: 'read' | 'write'): void {
    checkRange(this.#context, name, address, size, access);
  }

  launch({ number }: OpenClQueue, kernel: string, range: NdRange | undefined): Command {
    this.checkOpen();
    const command = this.#put(number, 'launch', kernel, (queue, event) =>
      range ? this.#launch(queue, range, event) : this.#marker(queue, event),
    );
    this.launches++;
    return command;
  }

  /** Copies, fills, barriers and markers, as a RingQueue has checked them. */
  submit({ number }: RingQueue, type: CommandType, kernel: string, packet: Packet): QueuedCommand {
    this.checkOpen();
    return this.#put(number, type, kernel, (queue, event) => {
      if (type === 'barrier') return this.#barrier(queue, event);
      if (packet.type !== PACKET_TYPE.DISPATCH) return this.#marker(queue, event);
      const [target, ...rest] = packet.args as [number, number, ...bigint[]];
      return packet.kernel === BUILTIN_KERNEL.COPY
        ? this.#copy(queue, target, rest[0] as number, packet.items, event)
        : this.#fillWith(queue, target, rest[0] as number, rest.slice(1) as bigint[], packet.items, event);
    });
  }

  whenEnded({ number }: RingQueue, callback: () => void): void {
    this.#watch.whenEnded(callback, this.#queues[number]!.watched);
  }

  // What commands ask.

  block(command: QueuedCommand, timeout: number): boolean {
    return this.#watch.block(command, timeout);
  }

  /** A driver does not tell how far it is. */
  progressOf(): number {
    return 0;
  }

  // What the mirror asks.

  mapped(): void {}

  unmapped(): () => boolean {
    return () => true;
  }

  drained(callback: () => void): void {
    this.#watch.whenEnded(callback);
  }

  nudge(): void {}

  /** Puts a command in and has it begun: others may wait for what it stores. Throws OpenClError; nothing is put in then. */
  #put(
    number: number,
    type: CommandType,
    kernel: string,
    enqueue: (queue: Handle, event: BigUint64Array) => string,
  ): QueuedCommand {
    const { handle, watched } = this.#queues[number]!;
    const command = new QueuedCommand(this, number, type, kernel, NOTHING, monotonicNow());
    const call = enqueue(handle, this.#event);
    this.#watch.add(watched, command, Number(this.#event[0]), call);
    checkStatus('clFlush', this.#driver.cl.clFlush(handle));
    return command;
  }

  #launch(queue: Handle, { kernel, global, local, args }: NdRange, event: BigUint64Array): string {
    const { cl } = this.#driver;
    setArguments(cl, kernel, args);
    const sizes = this.#sizes;
    for (const [i, size] of global.entries()) sizes[i] = BigInt(size);
    for (const [i, size] of (local ?? []).entries()) sizes[3 + i] = BigInt(size);
    const groups = local ? sizes.subarray(3) : null;
    const { handle } = kernel;
    const call = 'clEnqueueNDRangeKernel';
    checkStatus(
      call,
      cl.clEnqueueNDRangeKernel(queue, handle, global.length, null, sizes, groups, 0, null, event),
    );
    return call;
  }

  #copy(queue: Handle, target: number, source: number, size: number, event: BigUint64Array): string {
    const call = 'clEnqueueSVMMemcpy';
    checkStatus(call, this.#driver.cl.clEnqueueSVMMemcpy(queue, 0, target, source, size, 0, null, event));
    return call;
  }

  #fillWith(
    queue: Handle,
    target: number,
    length: number,
    words: readonly bigint[],
    size: number,
    event: BigUint64Array,
  ): string {
    const { cl } = this.#driver;
    // OpenCL fills with patterns of 1, 2, 4, ... 128 bytes, at multiples of their length.
    if ((length & (length - 1)) === 0 && target % length === 0) {
      const call = 'clEnqueueSVMMemFill';
      const pattern = new BigInt64Array(words);
      checkStatus(call, cl.clEnqueueSVMMemFill(queue, target, pattern, length, size, 0, null, event));
      return call;
    }
    setFillArguments(cl, this.#fill, target, length, words);
    const call = 'clEnqueueNDRangeKernel';
    this.#sizes[0] = BigInt(size / length);
    checkStatus(
      call,
      cl.clEnqueueNDRangeKernel(queue, this.#fill, 1, null, this.#sizes, null, 0, null, event),
    );
    return call;
  }

  #barrier(queue: Handle, event: BigUint64Array): string {
    const call = 'clEnqueueBarrierWithWaitList';
    checkStatus(call, this.#driver.cl.clEnqueueBarrierWithWaitList(queue, 0, null, event));
    return call;
  }

  #marker(queue: Handle, event: BigUint64Array): string {
    const call = 'clEnqueueMarkerWithWaitList';
    checkStatus(call, this.#driver.cl.clEnqueueMarkerWithWaitList(queue, 0, null, event));
    return call;
  }
}
