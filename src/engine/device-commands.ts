/**
 * The commands of one device, on the host's side: put into the rings of the session that there is, or held while the
 * device is being reopened; kept back until their prerequisites have ended; stopped by signals and deadlines; waited for.
 *
 * @module
 */
import type { CommandType } from '../device/device.ts';
import { DependencyError, type DeviceLost, StateError } from '../errors.ts';
import { channels, publish } from '../observe/channels.ts';
import { site } from '../observe/sites.ts';
import { type CommandHost, type HostAction, type Packet, QueuedCommand } from './command.ts';
import { completeEvent, type EventSource, launchEvent } from './command-events.ts';
import type { CommandPump } from './command-pump.ts';
import type { CommandScope, ScopeMember } from './command-scope.ts';
import { monotonicNow } from './completion.ts';
import { HeldCommands } from './held-commands.ts';
import type { Ordering, RingQueue } from './ring-queue.ts';
import type { CommandRing } from './ring-slots.ts';
import type { Settlement } from './settlement.ts';
import { type StopConditions, StopWatch } from './stop-watch.ts';

/** Where commands go while the device is open. */
export interface CommandSession {
  readonly pump: CommandPump;
  readonly rings: ReadonlyMap<RingQueue, CommandRing>;
  /** Has a command stopped that is the device's; true where the device has not begun with it, and won't. */
  stop(queue: RingQueue, command: QueuedCommand, reason: unknown): boolean;
  /** The device did not stop it. */
  giveUp(command: QueuedCommand, reason: unknown): void;
  /** Finds out whether the device is to tell of what happens in it; before a command is pushed. */
  trace?(): void;
  /** Publishes what it has told so far. */
  drain?(): void;
}

export class DeviceCommands implements CommandHost, ScopeMember {
  readonly scope: CommandScope;
  readonly stops = new StopWatch(
    (command, reason) => this.#stop(command, reason),
    (command, reason) => this.#giveUp(command, reason),
  );
  /** Undefined while there is none: what is put in is held. */
  session: CommandSession | undefined;
  readonly #device: string;
  readonly #source: EventSource;
  readonly #queues: readonly RingQueue[];
  readonly #held = new HeldCommands();

  constructor(device: string, scope: CommandScope, queues: readonly RingQueue[]) {
    this.#device = device;
    this.#source = { mirror: scope.mirror, device };
    this.scope = scope;
    this.#queues = queues;
    scope.add(this);
  }

  get pump(): CommandPump | undefined {
    return this.session?.pump;
  }

  submit(
    queue: RingQueue,
    type: CommandType,
    kernel: string,
    packet: Packet | HostAction,
    ordering?: Ordering,
    stop?: StopConditions,
  ): QueuedCommand {
    const command = new QueuedCommand(this, queue.number, type, kernel, packet, monotonicNow());
    if (channels.launch.hasSubscribers) {
      const event = launchEvent(this.#source, queue.name, command, ordering?.after ?? []);
      publish('launch', { ...event, ...site() });
    }
    const failed = ordering && this.#order(command, ordering);
    const { session } = this;
    if (failed) {
      this.#failDependent(command, failed);
      return command;
    }
    if (session) {
      session.trace?.();
      session.rings.get(queue)!.push(command);
      session.pump.follow();
    } else {
      this.#held.add(command);
    }
    if (stop) this.stops.watch(stop, command);
    return command;
  }

  /** Calls back when what the queue has so far has ended. */
  whenEnded(queue: RingQueue, callback: () => void): void {
    if (this.session) this.session.pump.whenDrained(callback, this.session.rings.get(queue)!);
    else this.#held.whenDrained(callback, queue.number);
  }

  /** Gives, when called, those that were put into the queue so far and wait for others. */
  blocked(queue: RingQueue): () => readonly Settlement[] {
    const until = QueuedCommand.latest;
    return () => {
      const blocked = this.session?.rings.get(queue)?.blocked() ?? [];
      return blocked.filter(({ number }) => number <= until);
    };
  }

  /** Calls back when what all queues have so far has ended. */
  drained(callback: () => void): void {
    if (this.session) this.session.pump.whenDrained(callback);
    else this.#held.whenDrained(callback);
  }

  /** What was put in while there was no session goes into this one, before anything else can. */
  takeUp(session: CommandSession): void {
    this.session = session;
    session.trace?.();
    const ringOf = (queue: number): CommandRing => session.rings.get(this.#queues[queue]!)!;
    this.#held.release(
      (command) => ringOf(command.queue).push(command),
      (callback, queue) =>
        session.pump.whenDrained(callback, queue === undefined ? undefined : ringOf(queue)),
    );
    if (session.pump.pending > 0) session.pump.follow();
  }

  /** Nothing that is held will ever go into a session. */
  failHeld(lost: DeviceLost): void {
    const callbacks: (() => void)[] = [];
    this.#held.release(
      (command) => this.#failNow(command, lost),
      (callback) => callbacks.push(callback),
    );
    for (const callback of callbacks) callback();
  }

  /** Commands have ended: their queues remember failures. */
  ended(commands: readonly QueuedCommand[]): void {
    for (const command of commands) {
      if (command.status === 'failed') this.#queues[command.queue]!.noteFailure(command);
    }
  }

  // What commands ask; those that are not settled are of this session, or held.

  ending(command: QueuedCommand, status: 'complete' | 'failed', error: unknown): void {
    // What happened while it ran comes before its end.
    this.session?.drain?.();
    if (!channels.complete.hasSubscribers) return;
    const { name } = this.#queues[command.queue]!;
    publish('complete', completeEvent(this.#source, name, command, status, error, monotonicNow()));
  }

  block(command: QueuedCommand, timeout: number): boolean {
    if (!this.session) throw this.#reopening();
    return this.scope.block(this.session.pump, command, timeout);
  }

  progressOf(command: QueuedCommand): number {
    return this.#ringOf(command)?.slots.progressOf(command) ?? 0;
  }

  ahead(command: QueuedCommand): QueuedCommand | StateError | undefined {
    if (!this.session) return this.#reopening();
    if (command.acting) {
      return new StateError(
        'busy',
        `${command.description} is being carried out by this thread: what it calls can't wait for it, or for what comes behind it`,
      );
    }
    return this.#ringOf(command)?.ahead(command);
  }

  #reopening(): StateError {
    return new StateError(
      'lost',
      `device '${this.#device}' is being reopened, which takes turns of the event loop that a blocking wait does not leave it: await the command's 'done', or 'reopen()' before`,
    );
  }

  #ringOf(command: QueuedCommand): CommandRing | undefined {
    return this.session?.rings.get(this.#queues[command.queue]!);
  }

  /** Keeps a command back until what it waits for has ended; gives a prerequisite that has failed already. */
  #order(command: QueuedCommand, { after, gates }: Ordering): Settlement | undefined {
    for (const each of after) each.observed = true;
    const failed = after.find(({ outcome }) => outcome === 'failed');
    if (failed) return failed;
    const open = [...new Set([...after, ...gates])].filter(({ settled }) => !settled);
    if (open.length === 0) return undefined;
    command.unresolved = open.length;
    command.prerequisites = open;
    const strict = new Set(after);
    for (const each of open) each.whenSettled(() => this.#prerequisiteEnded(command, each, strict.has(each)));
    return undefined;
  }

  #prerequisiteEnded(command: QueuedCommand, prerequisite: Settlement, strict: boolean): void {
    if (command.settled) return;
    if (strict && prerequisite.outcome === 'failed') {
      // Where the session has ended, it fails the command itself.
      if (this.#withdraw(command)) this.#failDependent(command, prerequisite);
      return;
    }
    if (--command.unresolved > 0) return;
    command.prerequisites = undefined;
    this.#ringOf(command)?.release(command);
    this.session?.pump.follow();
  }

  #failDependent(command: QueuedCommand, prerequisite: Settlement): void {
    this.#failNow(
      command,
      new DependencyError(command.description, prerequisite.description, prerequisite.error),
    );
  }

  #withdraw(command: QueuedCommand): boolean {
    if (this.session) return this.#ringOf(command)?.withdraw(command) === true;
    return this.#held.withdraw(command);
  }

  /** Takes a command back, or stops its kernel; the first reason counts. */
  #stop(command: QueuedCommand, reason: unknown): void {
    if (command.settled || command.aborted || command.acting) return;
    const { session } = this;
    if (this.#withdraw(command)) this.#failNow(command, reason);
    else if (!session) return;
    else if (session.stop(this.#queues[command.queue]!, command, reason)) this.#failNow(command, reason);
    else if (!command.settled) this.stops.expectEnd(command, reason);
  }

  /** The device does not stop a command, nor does it say that it can't. */
  #giveUp(command: QueuedCommand, reason: unknown): void {
    const { session } = this;
    if (!session || command.settled) return;
    session.pump.pump();
    if (!command.settled) session.giveUp(command, reason);
  }

  #failNow(command: QueuedCommand, reason: unknown): void {
    command.fail(reason);
    this.ended([command]);
    // Who waits for what was put in before this one may have waited for it alone; and the next may be the host's to do.
    this.session?.pump.passed();
  }
}
