/**
 * Finds out when commands of a driver's in-order queues have ended, without blocking the event loop: after a command was
 * put in it looks at the events on the next turns of the loop, which costs a fraction of a microsecond each; then a thread
 * of libuv's pool waits for the oldest one (clWaitForEvents), and a timer looks at the other queues.
 *
 * A callback of the driver (clSetEventCallback) would be no faster, and can hang the process: the driver's thread waits
 * until this thread has run it, so a blocking wait here for a later command never ends. docs/opencl.md has the figures.
 *
 * @module
 */

import type { QueuedCommand } from '../../engine/command.ts';
import { monotonicNow } from '../../engine/completion.ts';
import { LinkedSet } from '../../engine/linked-set.ts';
import type { CommandTimes } from '../device.ts';
import * as CL from './icd/constants.ts';
import type { Handle, OpenCl } from './icd/loader.ts';
import { openClError } from './icd/status.ts';

/** How long, in milliseconds, the event loop looks by itself after something has happened. */
const LOOK_FOR = 0.2;
/** A blocking wait with a timeout looks that long, in milliseconds, before it sleeps between its looks. */
const SPIN = 0.1;
const LONGEST_SLEEP = 1;

interface Pending {
  readonly command: QueuedCommand;
  readonly event: Handle;
  /** The call that put it in, for errors. */
  readonly call: string;
}

/** Somebody who waits for what was put in before. */
interface Waiting {
  /** How many commands of each queue have to end. */
  readonly ends: readonly (readonly [WatchedQueue, number])[];
  readonly callback: () => void;
}

/** A driver's queue and what is pending in it. */
export class WatchedQueue {
  readonly pending = new LinkedSet<Pending>();
  readonly waiting = new LinkedSet<Waiting>();
  submitted = 0;
  ended = 0;
  /** When the last command ended: the next one began after it. */
  lastFinished = 0;
}

export class EventWatch {
  readonly #cl: OpenCl;
  readonly #settled: (command: QueuedCommand) => void;
  readonly #queues: WatchedQueue[] = [];
  readonly #entries = new Map<QueuedCommand, Pending>();
  readonly #waiting = new LinkedSet<Waiting>();
  readonly #status = new Int32Array(1);
  readonly #time = new BigUint64Array(1);
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #looking = false;
  #lookUntil = 0;
  /** What the pool's thread waits for: not released before it is back. */
  #awaited: Handle = 0;
  #releaseAwaited = false;
  #back: Promise<void> | undefined;

  constructor(cl: OpenCl, settled: (command: QueuedCommand) => void) {
    this.#cl = cl;
    this.#settled = settled;
  }

  createQueue(): WatchedQueue {
    const queue = new WatchedQueue();
    this.#queues.push(queue);
    return queue;
  }

  get pending(): boolean {
    return this.#queues.some((queue) => queue.pending.size > 0);
  }

  /** A command has been put into the driver's queue. */
  add(queue: WatchedQueue, command: QueuedCommand, event: Handle, call: string): void {
    command.submitted(0);
    queue.submitted++;
    const entry = { command, event, call };
    this.#entries.set(command, entry);
    queue.pending.add(entry);
    this.#follow();
  }

  /** Settles what has ended. */
  pump(): void {
    let any = false;
    for (const queue of this.#queues)
      for (let first = queue.pending.first; first; first = queue.pending.first) {
        const status = this.#statusOf(first.event);
        if (status > CL.CL_COMPLETE) break;
        queue.pending.shift();
        queue.ended++;
        this.#settle(queue, first, status);
        any = true;
      }
    if (!any) return;
    this.#lookUntil = performance.now() + LOOK_FOR;
    for (const set of [this.#waiting, ...this.#queues.map(({ waiting }) => waiting)])
      for (let first = set.first; first && isOver(first); first = set.first) {
        set.shift();
        first.callback();
      }
  }

  /** Calls back when what is pending now, in all queues or in one, has ended; at once where nothing is. */
  whenEnded(callback: () => void, queue?: WatchedQueue): void {
    this.pump();
    const queues = queue ? [queue] : this.#queues;
    const ends = queues
      .filter(({ pending }) => pending.size > 0)
      .map((each) => [each, each.submitted] as const);
    if (ends.length === 0) callback();
    else (queue?.waiting ?? this.#waiting).add({ ends, callback });
  }

  /** Resolves when no thread of the pool waits any more. */
  async idle(): Promise<void> {
    while (this.#awaited !== 0) await this.#back;
  }

  /** Blocks this thread until the command has ended or the time is up; false then. */
  block(command: QueuedCommand, timeout: number): boolean {
    const begin = performance.now();
    for (;;) {
      this.pump();
      if (command.settled) return true;
      const waited = performance.now() - begin;
      if (waited >= timeout) return false;
      if (waited < SPIN) continue;
      if (timeout === Number.POSITIVE_INFINITY) {
        const entry = this.#entries.get(command)!;
        // An error is the command's own: the next look finds it.
        this.#cl.clWaitForEvents(1, new BigUint64Array([BigInt(entry.event)]));
      } else {
        Atomics.wait(this.#sleeper, 0, 0, Math.min(LONGEST_SLEEP, waited / 4, timeout - waited));
      }
    }
  }

  #follow(): void {
    this.#lookUntil = performance.now() + LOOK_FOR;
    if (this.#looking) return;
    this.#looking = true;
    setImmediate(this.#look);
  }

  readonly #look = (): void => {
    this.#looking = false;
    this.pump();
    if (!this.pending) return;
    if (performance.now() < this.#lookUntil) {
      this.#looking = true;
      setImmediate(this.#look);
      return;
    }
    const busy = this.#queues.filter(({ pending }) => pending.size > 0);
    if (this.#awaited === 0) this.#await(busy[0]!.pending.first!.event);
    if (busy.length > 1) {
      this.#looking = true;
      setTimeout(this.#look, LONGEST_SLEEP);
    }
  };

  /** One thread of the pool at most, whatever the number of queues: the pool is everybody's. */
  #await(event: Handle): void {
    this.#awaited = event;
    const back = (): void => {
      if (this.#releaseAwaited) this.#cl.clReleaseEvent(event);
      this.#awaited = 0;
      this.#releaseAwaited = false;
      this.pump();
      if (this.pending) this.#follow();
    };
    this.#back = this.#cl.clWaitForEventsAsync(1, new BigUint64Array([BigInt(event)])).then(back, back);
  }

  #statusOf(event: Handle): number {
    const failed = this.#cl.clGetEventInfo(
      event,
      CL.CL_EVENT_COMMAND_EXECUTION_STATUS,
      4,
      this.#status,
      null,
    );
    return failed === 0 ? this.#status[0]! : failed;
  }

  #settle(queue: WatchedQueue, { command, event, call }: Pending, status: number): void {
    this.#entries.delete(command);
    if (status === CL.CL_COMPLETE) command.complete(this.#timesOf(queue, command, event));
    else command.fail(openClError(call, status));
    if (event === this.#awaited) this.#releaseAwaited = true;
    else this.#cl.clReleaseEvent(event);
    this.#settled(command);
  }

  /** The device's clock is its own: differences are its, the begin is ours. */
  #timesOf(queue: WatchedQueue, command: QueuedCommand, event: Handle): CommandTimes {
    const { queued } = command.times;
    const put = this.#profiled(event, CL.CL_PROFILING_COMMAND_QUEUED);
    const start = this.#profiled(event, CL.CL_PROFILING_COMMAND_START);
    const end = this.#profiled(event, CL.CL_PROFILING_COMMAND_END);
    const known = put !== undefined && start !== undefined && end !== undefined;
    const at = (time: bigint) => queued + Number(time - put!) / 1e6;
    const started = Math.max(queued, queue.lastFinished, known ? at(start) : 0);
    const finished = Math.max(started, known ? at(end) : monotonicNow());
    queue.lastFinished = finished;
    return { queued, started, finished };
  }

  #profiled(event: Handle, what: number): bigint | undefined {
    return this.#cl.clGetEventProfilingInfo(event, what, 8, this.#time, null) === 0
      ? this.#time[0]!
      : undefined;
  }
}

function isOver({ ends }: Waiting): boolean {
  return ends.every(([queue, submitted]) => queue.ended >= submitted);
}
