/**
 * The engine's pump over a driver's events. After a command was put in, the event loop looks at the events on a few turns,
 * which costs a fraction of a microsecond each; then a thread of libuv's pool waits for the oldest one (clWaitForEvents),
 * and a timer looks at other queues.
 *
 * A callback of the driver (clSetEventCallback) would be no faster, and can hang the process: the driver's thread waits
 * until this thread has run it, so a blocking wait here for a later command never ends. docs/opencl.md has the figures.
 *
 * @module
 */

import { isMainThread } from 'node:worker_threads';
import type { QueuedCommand } from '../../engine/command.ts';
import { CommandPump } from '../../engine/command-pump.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import { close } from '../../linux/memfd.ts';
import { yieldProcessor } from '../../linux/scheduler.ts';
import type { DriverSlots } from './driver-slots.ts';
import type { Handle, OpenCl } from './icd/loader.ts';

/** How often, in milliseconds, a timer or a blocked thread looks where nothing wakes it. */
const LOOK_EVERY = 1;
/** Far away: what keeps the process alive while a command waits for the host. */
const LONG = 2 ** 30;

export class EventPump extends CommandPump {
  readonly #cl: OpenCl;
  readonly #control: SharedMemory;
  readonly #slots: DriverSlots[];
  readonly #waiter: Waiter;

  /** `ended`: commands have ended. */
  constructor(cl: OpenCl, ended: (commands: readonly QueuedCommand[]) => void) {
    // The engine's words, which nobody else writes here.
    const control = SharedMemory.create('mirrorspace-opencl', 4096);
    const slots: DriverSlots[] = [];
    let alive: NodeJS.Timeout | undefined;
    const waiter = new Waiter(cl, slots, () => this.woken());
    super({
      control,
      hold: (pending) => {
        clearInterval(alive);
        alive = pending ? setInterval(() => {}, LONG) : undefined;
      },
      checkAlive: () => {},
      // The driver's threads that this one has woken are first, where they wait for its processor.
      looking: () => {
        if (slots.every(({ head, retired }) => head === retired)) yieldProcessor();
      },
      asleep: () => waiter.arm(),
      ended,
    });
    this.#cl = cl;
    this.#control = control;
    this.#slots = slots;
    this.#waiter = waiter;
  }

  addSlots(slots: DriverSlots): void {
    this.#slots.push(slots);
  }

  /** Changes when a command has ended that was with the driver. */
  override get completions(): number {
    return this.stopped ? 0 : this.#slots.reduce((sum, { head }) => sum + head, 0) | 0;
  }

  /**
   * In the driver: its threads then have the processor that looking would take, and wake this one. Not in a worker thread,
   * which could not be terminated there while a kernel never ends.
   */
  override awaitAlone(command: QueuedCommand): boolean {
    if (this.stopped || !isMainThread) return false;
    return this.#slots.some((slots) => slots.await(command));
  }

  /** Nobody knows whether a driver's threads sleep, and none of them wakes this one. */
  override get idle(): boolean {
    return false;
  }

  override look(): void {
    this.pump();
  }

  /** The driver's events say what has ended. To ask for them without pause would keep the driver's threads from them. */
  override spin(seen: number): number {
    yieldProcessor();
    this.look();
    return this.completions === seen ? 0 : 1;
  }

  override get patience(): number {
    return LOOK_EVERY;
  }

  /** Gives back what it held; to be called once nobody uses it any more. */
  async release(): Promise<void> {
    await this.#waiter.back;
    this.#control.unmap();
    close(this.#control.fd);
  }

  /** Resolves once the driver has ended what it was given. */
  async drainDriver(queues: readonly Handle[]): Promise<void> {
    for (const queue of queues) await this.#cl.clFinishAsync(queue);
  }
}

/** Waits for events without blocking the event loop, and wakes the pump. */
class Waiter {
  readonly #cl: OpenCl;
  readonly #slots: readonly DriverSlots[];
  readonly #wake: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** While a thread of the pool waits. One at most, whatever the number of queues: the pool is everybody's. */
  back: Promise<void> | undefined;

  constructor(cl: OpenCl, slots: readonly DriverSlots[], wake: () => void) {
    this.#cl = cl;
    this.#slots = slots;
    this.#wake = wake;
  }

  arm(): void {
    const busy = this.#slots.filter(({ inFlight }) => inFlight > 0);
    const event = busy.map(({ oldest }) => oldest).find((oldest) => oldest !== 0);
    if (event === undefined) return;
    if (!this.back) this.#await(event);
    if (busy.reduce((sum, { inFlight }) => sum + inFlight, 0) > 1) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.#wake, LOOK_EVERY);
    }
  }

  #await(event: Handle): void {
    this.#cl.clRetainEvent(event);
    const returned = (): void => {
      this.#cl.clReleaseEvent(event);
      this.back = undefined;
      this.#wake();
    };
    this.back = this.#cl
      .clWaitForEventsAsync(1, new BigUint64Array([BigInt(event)]))
      .then(returned, returned);
  }
}
