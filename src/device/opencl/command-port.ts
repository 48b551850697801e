/**
 * What stands between the queues that a user holds and the driver's: the engine's commands and their order, over slots
 * that are a driver's. It is the mirror's port as well: buffers need no mapping in a driver of this process.
 *
 * @module
 */
import type { HostAction, Packet, QueuedCommand } from '../../engine/command.ts';
import { checkQueueOptions } from '../../engine/command-options.ts';
import { MAX_QUEUES } from '../../engine/control-layout.ts';
import { type CommandSession, DeviceCommands } from '../../engine/device-commands.ts';
import { OutOfOrderRing } from '../../engine/out-of-order-ring.ts';
import { Ring } from '../../engine/ring.ts';
import type { Ordering, RingQueue } from '../../engine/ring-queue.ts';
import type { CommandRing } from '../../engine/ring-slots.ts';
import type { Settlement } from '../../engine/settlement.ts';
import type { StopConditions } from '../../engine/stop-watch.ts';
import { DeviceLost, outOfRange, StateError, UnsupportedError } from '../../errors.ts';
import type { CommandType, DeviceContext, MirrorPort, QueueOptions } from '../device.ts';
import { CommandCalls } from './command-calls.ts';
import type { DriverContext } from './driver-context.ts';
import type { DriverMemory } from './driver-memory.ts';
import { DriverSlots } from './driver-slots.ts';
import { EventPump } from './event-pump.ts';
import type { Handle } from './icd/loader.ts';
import { OpenClQueue, type OpenClQueueHost } from './opencl-queue.ts';

export class CommandPort implements OpenClQueueHost, MirrorPort, CommandSession {
  readonly name: string;
  readonly cores: number;
  readonly pointerLimit = 2 ** 47;
  readonly maxItems = Number.MAX_SAFE_INTEGER;
  readonly maxWorkItemSizes: readonly number[];
  readonly localMemory: number;
  readonly memory: DriverMemory | undefined;
  readonly context: DeviceContext;
  readonly pump: EventPump;
  readonly rings = new Map<RingQueue, CommandRing>();
  launches = 0;
  readonly #driver: DriverContext;
  readonly #calls: CommandCalls;
  readonly #commands: DeviceCommands;
  readonly #queues: OpenClQueue[] = [];
  readonly #slots: DriverSlots[] = [];
  readonly #handles: Handle[] = [];
  #closing: Promise<void> | undefined;
  /** Compilations that are on their way. */
  readonly #busy = new Set<Promise<unknown>>();

  /** `program` is that of built-in-source.ts. */
  constructor(context: DeviceContext, driver: DriverContext, program: Handle, memory?: DriverMemory) {
    this.name = context.name;
    this.context = context;
    this.memory = memory;
    this.cores = driver.info.computeUnits;
    this.maxWorkItemSizes = driver.info.maxWorkItemSizes;
    this.localMemory = driver.info.localMemory;
    this.#driver = driver;
    this.#calls = new CommandCalls(driver, program, memory);
    this.#commands = new DeviceCommands(this.name, context.commands, this.#queues);
    this.pump = new EventPump(driver.cl, (commands) => this.#commands.ended(commands));
    this.#commands.takeUp(this);
    this.createQueue();
  }

  get queue(): OpenClQueue {
    return this.#queues[0]!;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  checkOpen(): void {
    if (this.closed) throw new StateError('closed', `device '${this.name}' is closed`);
  }

  createQueue(options?: QueueOptions): OpenClQueue {
    const number = this.#queues.length;
    const { order, name } = checkQueueOptions(options, `queue-${number}`);
    this.checkOpen();
    if (number === MAX_QUEUES)
      throw outOfRange('queues', `at most ${MAX_QUEUES} on a device`, MAX_QUEUES + 1);
    const handle = this.#driver.createQueue(order);
    const slots = new DriverSlots(this.#calls, handle, number, order);
    const ring = order === 'out' ? new OutOfOrderRing(slots) : new Ring(slots);
    const queue = new OpenClQueue(this, number, order, name);
    this.#handles.push(handle);
    this.#slots.push(slots);
    this.#queues.push(queue);
    this.rings.set(queue, ring);
    this.pump.addSlots(slots);
    this.pump.add(ring);
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
    for (const slots of this.#slots) slots.close();
    await Promise.allSettled(this.#busy);
    // OpenCL stops no kernel: what the driver has is seen to its end, the rest will not begin.
    await this.pump.drainDriver(this.#handles);
    this.pump.pump();
    const left = this.pump.stop();
    this.#commands.session = undefined;
    for (const command of left) command.fail(new DeviceLost(this.name, 'it was closed'));
    this.#commands.ended(left);
    this.pump.releaseDrained();
    for (const slots of this.#slots) slots.tellTimes();
    await this.pump.release();
    this.#driver.release();
    for (const queue of this.#queues) queue.warnOfSilentFailures();
  }

  // What queues ask.

  get scope(): object {
    return this.#commands.scope;
  }

  submit(
    queue: RingQueue,
    type: CommandType,
    kernel: string,
    packet: Packet | HostAction,
    ordering?: Ordering,
    stop?: StopConditions,
  ): QueuedCommand {
    this.checkOpen();
    if (stop) {
      throw new UnsupportedError(
        'stopping a command',
        "OpenCL has no call that stops a command: 'signal' and 'timeout' can't be kept; 'command.wait(ms)' waits for a limited time",
      );
    }
    if (type === 'launch') this.launches++;
    return this.#commands.submit(queue, type, kernel, packet, ordering);
  }

  whenEnded(queue: RingQueue, callback: () => void): void {
    this.#commands.whenEnded(queue, callback);
  }

  blocked(queue: RingQueue): () => readonly Settlement[] {
    return this.#commands.blocked(queue);
  }

  // What the engine's commands ask of a session; no command has stop conditions.

  stop(): boolean {
    return false;
  }

  giveUp(): void {}

  // What the mirror asks.

  mapped(): void {}

  unmapped(): () => boolean {
    return () => true;
  }

  drained(callback: () => void): void {
    this.#commands.drained(callback);
  }

  nudge(): void {}
}
