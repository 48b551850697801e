/**
 * A command as its owner sees it: status, times, a promise made on demand, a blocking wait. Settled exactly once, by
 * the queue that it was put into.
 *
 * @module
 */

import type { Command, CommandStatus, CommandTimes, CommandType, OwnershipChange } from '../device/device.ts';
import { TimeoutError } from '../errors.ts';
import { checkTimeout } from './kernel-arguments.ts';

/** What a packet in the ring holds. */
export interface Packet {
  readonly type: number;
  readonly kernel: number;
  readonly items: number;
  readonly chunk: number;
  readonly chunks: number;
  readonly args: readonly (number | bigint)[];
}

/** How a command asks its queue about itself. */
export interface CommandHost {
  /** Blocks until the command is settled or the time is up; false then. */
  block(command: QueuedCommand, timeout: number): boolean;
  /** The part of its chunks that is claimed, 0 to 1. */
  progressOf(command: QueuedCommand): number;
}

export class QueuedCommand implements Command {
  readonly type: CommandType;
  /** The number of its queue. */
  readonly queue: number;
  /** The kernel's name, for faults. */
  readonly kernel: string;
  readonly packet: Packet;
  /** Its number among all that were put into its ring. */
  sequence = 0;
  /** Its place in the ring; -1 while it waits for one. */
  index = -1;
  /** Somebody asked for `done`, or waited: a failure is not silent. */
  observed = false;
  /** What its end changes before anybody sees it. */
  ownership: OwnershipChange | undefined;
  /** Its queue has taken note of its failure. */
  noted = false;
  #aborted = false;
  #abortReason: unknown;
  #host: CommandHost;
  #status: CommandStatus = 'queued';
  #times: CommandTimes;
  #error: unknown;
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #whenSettled: (() => void) | undefined;

  constructor(
    host: CommandHost,
    queue: number,
    type: CommandType,
    kernel: string,
    packet: Packet,
    queued: number,
  ) {
    this.#host = host;
    this.queue = queue;
    this.type = type;
    this.kernel = kernel;
    this.packet = packet;
    this.#times = { queued };
  }

  get status(): CommandStatus {
    return this.#status;
  }

  get times(): CommandTimes {
    return this.#times;
  }

  get settled(): boolean {
    return this.#status === 'complete' || this.#status === 'failed';
  }

  get error(): unknown {
    return this.#error;
  }

  get progress(): number {
    return this.settled ? 1 : this.#host.progressOf(this);
  }

  get done(): Promise<void> {
    this.observed = true;
    if (!this.#promise) {
      if (this.#status === 'complete') this.#promise = Promise.resolve();
      else if (this.#status === 'failed') this.#promise = Promise.reject(this.#error);
      else {
        this.#promise = new Promise((resolve, reject) => {
          this.#resolve = resolve;
          this.#reject = reject;
        });
      }
    }
    return this.#promise;
  }

  wait(timeout = Number.POSITIVE_INFINITY): void {
    checkTimeout(timeout);
    this.observed = true;
    if (!this.settled && !this.#host.block(this, timeout))
      throw new TimeoutError(`command '${this.type}'`, timeout);
    if (this.#status === 'failed') throw this.#error;
  }

  /** It is being stopped. */
  get aborted(): boolean {
    return this.#aborted;
  }

  get abortReason(): unknown {
    return this.#abortReason;
  }

  /** It is being stopped, for this reason: that is what it will be settled with. */
  abort(reason: unknown): void {
    this.#aborted = true;
    this.#abortReason = reason;
  }

  /** The queue has written it into the ring. */
  submitted(index: number): void {
    this.index = index;
    this.#status = 'submitted';
  }

  /** The queue has learnt how it ended. */
  complete(times: CommandTimes): void {
    if (this.settled) return;
    try {
      this.ownership?.complete();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#times = times;
    this.#status = 'complete';
    this.#resolve?.();
    this.#whenSettled?.();
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.ownership?.fail();
    this.#error = error;
    this.#status = 'failed';
    this.#reject?.(error);
    this.#whenSettled?.();
  }

  /** Calls back once, when the command has ended. */
  whenSettled(callback: () => void): void {
    this.#whenSettled = callback;
  }
}
