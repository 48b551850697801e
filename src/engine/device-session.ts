/**
 * One life of a device's process, on the host's side: the process, its log of maps, a ring for each queue, the pump that
 * moves them along, and what its failures mean in the terms of the mirror.
 *
 * @module
 */
import type { DeviceContext, DeviceCounters } from '../device/device.ts';
import { DeviceFault, type DeviceLost } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import { channels, publish, wantsDeviceEvents } from '../observe/channels.ts';
import type { QueuedCommand } from './command.ts';
import { tracedEvent } from './command-events.ts';
import { CommandPump } from './command-pump.ts';
import { monotonicNow, type PacketFailure } from './completion.ts';
import { FILLED_BYTES_F64, HEADER, MAP_ENTRY } from './control-layout.ts';
import type { DeviceProcess } from './device-process.ts';
import type { Runaway } from './loss.ts';
import type { MapLogWriter } from './map-log.ts';
import { OutOfOrderRing } from './out-of-order-ring.ts';
import { Ring } from './ring.ts';
import type { RingQueue } from './ring-queue.ts';
import { type CommandRing, type PacketAround, RingSlots } from './ring-slots.ts';
import { STOP_PATIENCE } from './stop-watch.ts';
import { drainTrace, setTracing } from './trace-ring.ts';

/** While commands run, events of the device's process are fetched at least this often, in milliseconds. */
const DRAIN_EVERY = 50;

/** How a launch goes on that could not be stopped without its device, for its fault's message. */
const RAN_AWAY = 'it ran on and could not be stopped, so the device is started anew';

const ACKNOWLEDGED = (): boolean => true;

/** The counters that the device's process keeps. */
export type SessionCounters = Omit<DeviceCounters, 'launches' | 'reopens'>;

export const NO_COUNTERS: SessionCounters = { faults: 0, filledBytes: 0, wildFaults: 0, coreRestarts: 0 };

export function addCounters(a: SessionCounters, b: SessionCounters): SessionCounters {
  return {
    faults: a.faults + b.faults,
    filledBytes: a.filledBytes + b.filledBytes,
    wildFaults: a.wildFaults + b.wildFaults,
    coreRestarts: a.coreRestarts + b.coreRestarts,
  };
}

export interface SessionOptions {
  readonly context: DeviceContext;
  readonly cores: number;
  /** What a fault at an address outside of all buffers has to do with the device's own memory, in words. */
  aboutOwn?(address: number): string | undefined;
  /** The loss as the commands that it ends are told of it, where there is more to say than that. */
  aboutLoss?(lost: DeviceLost): DeviceLost | undefined;
  /** What the host has to do around each packet. */
  readonly around?: PacketAround;
}

export class DeviceSession {
  readonly process: DeviceProcess;
  readonly log: MapLogWriter;
  readonly pump: CommandPump;
  readonly rings = new Map<RingQueue, CommandRing>();
  readonly #slots = new Map<RingQueue, RingSlots>();
  readonly #o: SessionOptions;
  #givenUp = false;
  #tracing = false;
  #ended = false;
  #draining: NodeJS.Timeout | undefined;

  constructor(
    process: DeviceProcess,
    log: MapLogWriter,
    options: SessionOptions,
    ended: (commands: readonly QueuedCommand[]) => void,
  ) {
    this.process = process;
    this.log = log;
    this.#o = options;
    this.pump = new CommandPump({
      control: process.control,
      hold: (pending) => {
        process.hold(pending);
        this.#drainRegularly(pending);
      },
      checkAlive: () => process.checkAlive(),
      ended,
    });
    process.onWake = () => this.pump.woken();
    process.kernelOf = (queue, index) => this.#kernelOf(queue, index);
  }

  /** Has the process tell what happens in it where somebody listens, before a command can make anything happen. */
  trace(): void {
    const wanted = wantsDeviceEvents();
    if (wanted !== this.#tracing) {
      this.#tracing = wanted;
      setTracing(this.process.control, wanted);
      if (this.pump.pending > 0) this.#drainRegularly(true);
    }
  }

  /** Publishes what the process has told so far. */
  drain(): void {
    if (!this.#tracing || this.#ended) return;
    const { context } = this.#o;
    const { mirror } = context.commands;
    const source = { mirror, device: context.name };
    const { records, dropped } = drainTrace(this.process.control);
    for (const record of records) {
      const traced = tracedEvent(source, record);
      if (traced) channels[traced.name].publish(traced.event);
    }
    if (dropped > 0) publish('dropped', { ...source, time: monotonicNow(), count: dropped });
  }

  #drainRegularly(on: boolean): void {
    clearInterval(this.#draining);
    this.#draining = undefined;
    if (!on) this.drain();
    else if (this.#tracing) this.#draining = setInterval(() => this.drain(), DRAIN_EVERY).unref();
  }

  /** Gives a queue its ring; the cores look at it from now on. */
  addRing(queue: RingQueue): void {
    const { control } = this.process;
    const { number, order } = queue;
    const explain = (command: QueuedCommand, failure: PacketFailure) => this.explain(command, failure);
    const slots = new RingSlots(control, number, this.#o.cores, explain, order, this.#o.around);
    const ring = order === 'out' ? new OutOfOrderRing(slots) : new Ring(slots);
    this.#slots.set(queue, slots);
    this.rings.set(queue, ring);
    this.pump.add(ring);
    Atomics.store(control.i32, HEADER.QUEUE_COUNT, this.rings.size);
  }

  /** The kernel of a packet that has not been settled. */
  #kernelOf(queue: number, index: number): string | undefined {
    for (const { number, submitted } of this.rings.values())
      if (number === queue) return submitted.find((command) => command.index === index)?.kernel;
    return undefined;
  }

  /** A range is gone; gives whether the pager knows. */
  unmapped(range: Range): () => boolean {
    const { log } = this;
    const inUse = this.pump.pending > 0;
    const head = log.append(inUse ? MAP_ENTRY.UNMAP_IN_USE : MAP_ENTRY.UNMAP, range);
    if (log.lagging) this.process.kick();
    // No kernel runs, so no fault is being answered; and the pager reads the log in order before it answers the next.
    return inUse ? () => log.applied(head) : ACKNOWLEDGED;
  }

  /**
   * Has a command stopped that is in its ring. True where no core has begun with it, and none will: its place in the ring
   * is all that is left of it.
   */
  stop(queue: RingQueue, command: QueuedCommand, reason: unknown): boolean {
    const slots = this.#slots.get(queue)!;
    // One that has failed is on its way out already.
    if (!slots.cancel(command)) return false;
    command.abort(reason);
    this.process.tell({ type: 'stop', queue: command.queue, index: command.index });
    return !slots.begun(command);
  }

  /** Ends the device, which should have stopped a command and did not: its main thread gets no time, or is stopped. */
  giveUp(command: QueuedCommand, reason: unknown): void {
    command.abort(reason);
    this.abandon(`it did not stop kernel '${command.kernel}' within ${STOP_PATIENCE} ms`);
  }

  /** Ends the device for that reason; it comes back by itself. */
  abandon(reason: string): void {
    this.#givenUp = true;
    this.process.giveUp(reason);
  }

  get givenUp(): boolean {
    return this.#givenUp;
  }

  /** The error that a failed packet is rejected with. */
  explain(command: QueuedCommand, failure: PacketFailure): DeviceFault {
    const { context, aboutOwn } = this.#o;
    const { address } = failure;
    const nearest = address === undefined ? undefined : context.nearest(address);
    const detail = failure.detail ?? (address === undefined ? undefined : aboutOwn?.(address));
    return new DeviceFault({
      ...failure,
      ...(detail === undefined ? {} : { detail }),
      device: context.name,
      kernel: command.kernel,
      ...(nearest ? { nearest } : {}),
    });
  }

  /** Nothing ends any more: settles all commands that are left, and gives them. */
  settleAll(lost: DeviceLost, runaway: Runaway | undefined): QueuedCommand[] {
    const left = this.pump.stop();
    this.#drainRegularly(false);
    // From now on the memory that is shared with it may go.
    this.#ended = true;
    const loss = (left.length > 0 ? this.#o.aboutLoss?.(lost) : undefined) ?? lost;
    for (const command of left) {
      if (command.aborted) command.fail(command.abortReason);
      else if (runaway && isOf(runaway, command)) command.fail(this.explain(command, ranAway(runaway)));
      else command.fail(loss);
    }
    return left;
  }

  counters(): SessionCounters {
    const { i32, f64 } = this.process.control;
    return {
      faults: Atomics.load(i32, HEADER.FAULTS),
      filledBytes: f64[FILLED_BYTES_F64]!,
      wildFaults: Atomics.load(i32, HEADER.WILD_FAULTS),
      coreRestarts: Atomics.load(i32, HEADER.CORE_RESTARTS),
    };
  }
}

/** True where the runaway kernel was that command's. */
function isOf({ loading, queue, index }: Runaway, command: QueuedCommand): boolean {
  return !loading && command.queue === queue && command.index === index;
}

function ranAway({ failure }: Runaway): PacketFailure {
  return { ...failure, detail: RAN_AWAY };
}
