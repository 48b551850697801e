/**
 * A command as its owner sees it: status, times, a promise made on demand, a blocking wait. Settled exactly once, by
 * the queue that it was put into.
 *
 * @module
 */

import type { Command, CommandStatus, CommandTimes, CommandType, OwnershipChange } from '../device/device.ts';
import { type StateError, TimeoutError } from '../errors.ts';
import { checkTimeout } from './kernel-arguments.ts';
import { Settlement } from './settlement.ts';

/** What a packet in the ring holds. */
export interface Packet {
  readonly type: number;
  readonly kernel: number;
  readonly items: number;
  readonly chunk: number;
  readonly chunks: number;
  readonly args: readonly (number | bigint)[];
}

/** What the host does itself when the command's turn has come, instead of a packet. */
export type HostAction = () => void;

/** How a command asks its queue about itself. */
export interface CommandHost {
  /** Identifies the mirror. */
  readonly scope: object;
  /** Blocks until the command is settled or the time is up; false then. */
  block(command: QueuedCommand, timeout: number): boolean;
  /** The part of its chunks that is claimed, 0 to 1. */
  progressOf(command: QueuedCommand): number;
  /**
   * What stands before a command that is not in a ring yet, beside its prerequisites; or why it can't get there while
   * this thread is blocked.
   */
  ahead(command: QueuedCommand): QueuedCommand | StateError | undefined;
  /** It is about to be settled, with an error where it has failed: before whoever waits for it is told. */
  ending?(command: QueuedCommand, status: 'complete' | 'failed', error: unknown): void;
}

/** Who knows when commands ran, and is asked for it only once somebody wants to know. */
export interface TimesSource {
  /** Calls `ranAt` of those that were settled with {@link QueuedCommand.ranAs}. */
  tellTimes(): void;
}

export class QueuedCommand extends Settlement implements Command {
  /** The number of the command that was made last. */
  static latest = 0;
  readonly number = ++QueuedCommand.latest;
  readonly type: CommandType;
  /** The number of its queue. */
  readonly queue: number;
  /** The kernel's name, for faults. */
  readonly kernel: string;
  /** What the device does; or, as a function, the host. */
  readonly packet: Packet | HostAction;
  /** Its number among all that were put into its ring. */
  sequence = 0;
  /** Its place in the ring; -1 while it waits for one. */
  index = -1;
  /** Prerequisites that have not ended. */
  unresolved = 0;
  /** All of them, while any has not ended. */
  prerequisites: readonly Settlement[] | undefined;
  /** What its end changes before anybody sees it. */
  ownership: OwnershipChange | undefined;
  /** Its queue has taken note of its failure. */
  noted = false;
  /** The host is carrying it out: what it calls may come back here. */
  acting = false;
  #aborted = false;
  #abortReason: unknown;
  readonly #host: CommandHost;
  readonly #queued: number;
  #submitted: number | undefined;
  #started: number | undefined;
  #finished: number | undefined;
  #times: TimesSource | undefined;

  constructor(
    host: CommandHost,
    queue: number,
    type: CommandType,
    kernel: string,
    packet: Packet | HostAction,
    queued: number,
  ) {
    super();
    this.#host = host;
    this.queue = queue;
    this.type = type;
    this.kernel = kernel;
    this.packet = packet;
    this.#queued = queued;
  }

  get scope(): object {
    return this.#host.scope;
  }

  get description(): string {
    return this.type === 'launch' ? `a launch of kernel '${this.kernel}'` : `a ${this.type} command`;
  }

  get status(): CommandStatus {
    if (this.outcome !== 'pending') return this.outcome;
    return this.#submitted === undefined ? 'queued' : 'submitted';
  }

  get times(): CommandTimes {
    this.#times?.tellTimes();
    return {
      queued: this.#queued,
      ...(this.#submitted === undefined ? {} : { submitted: this.#submitted }),
      ...(this.#started === undefined ? {} : { started: this.#started }),
      ...(this.#finished === undefined ? {} : { finished: this.#finished }),
    };
  }

  get progress(): number {
    return this.settled ? 1 : this.#host.progressOf(this);
  }

  /** When it was put in. */
  get queued(): number {
    return this.#queued;
  }

  wait(timeout = Number.POSITIVE_INFINITY): void {
    checkTimeout(timeout);
    this.observed = true;
    if (!this.settled && !this.#host.block(this, timeout))
      throw new TimeoutError(`command '${this.type}'`, timeout);
    if (this.outcome === 'failed') throw this.error;
  }

  override waitsFor(): readonly Settlement[] {
    return this.prerequisites ?? [];
  }

  ahead(): QueuedCommand | StateError | undefined {
    return this.#host.ahead(this);
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

  /** The queue has handed it to the device, or the host has begun with it. */
  submitted(index: number, at: number): void {
    this.index = index;
    this.#submitted = at;
  }

  /** The device, or the host, has begun with it and ended it. */
  ran(started: number, finished: number): void {
    if (this.settled) return;
    this.#started = started;
    this.#finished = finished;
  }

  /** As {@link ran}, but when is told later. */
  ranAs(times: TimesSource): void {
    if (!this.settled) this.#times = times;
  }

  /** What was told later. */
  ranAt(started: number, finished: number): void {
    if (!this.#times) return;
    this.#times = undefined;
    this.#started = started;
    this.#finished = finished;
  }

  /** The queue has learnt how it ended. */
  complete(): void {
    if (this.settled) return;
    try {
      this.ownership?.complete();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.prerequisites = undefined;
    this.#host.ending?.(this, 'complete', undefined);
    this.settle('complete', undefined);
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.ownership?.fail();
    this.prerequisites = undefined;
    this.#host.ending?.(this, 'failed', error);
    this.settle('failed', error);
  }
}

/** Carries out what the host is to do, and settles the command with what comes of it. */
export function carryOut(command: QueuedCommand, action: HostAction, now: () => number): void {
  const started = now();
  command.submitted(-1, started);
  command.acting = true;
  let failure: { readonly error: unknown } | undefined;
  try {
    action();
  } catch (error) {
    failure = { error };
  }
  command.acting = false;
  command.ran(started, now());
  if (failure) command.fail(failure.error);
  else command.complete();
}
