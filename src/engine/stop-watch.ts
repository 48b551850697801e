/**
 * When commands are to be stopped: their signals, with one listener for all commands of a signal, and their deadlines,
 * by timers while the event loop turns and by asking while a blocking wait keeps it from turning.
 *
 * @module
 */
import { TimeoutError } from '../errors.ts';
import type { QueuedCommand } from './command.ts';
import type { CommandPump } from './command-pump.ts';

/** When a launch is to be stopped. */
export interface StopConditions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from the launch. */
  readonly timeout?: number | undefined;
}

/** The longest time that a timer takes; it fires at once for longer ones. */
const LONGEST_TIMER = 2 ** 31 - 1;

interface Deadline {
  /** On performance.now(). */
  readonly at: number;
  readonly timeout: number;
  timer: NodeJS.Timeout | undefined;
}

export class StopWatch {
  readonly #stop: (command: QueuedCommand, reason: unknown) => void;
  readonly #signals = new Map<AbortSignal, { readonly commands: Set<QueuedCommand>; abort(): void }>();
  readonly #deadlines = new Map<QueuedCommand, Deadline>();

  constructor(stop: (command: QueuedCommand, reason: unknown) => void) {
    this.#stop = stop;
  }

  /** Until the command is settled. */
  watch({ signal, timeout }: StopConditions, command: QueuedCommand): void {
    if (signal) this.#listen(signal, command);
    if (timeout !== undefined && timeout !== Number.POSITIVE_INFINITY) {
      const deadline: Deadline = { at: performance.now() + timeout, timeout, timer: undefined };
      this.#deadlines.set(command, deadline);
      this.#wind(command, deadline);
    }
    command.whenSettled(() => {
      if (signal) this.#forget(signal, command);
      clearTimeout(this.#deadlines.get(command)?.timer);
      this.#deadlines.delete(command);
    });
  }

  /**
   * Blocks until the command has ended; false where `timeout` milliseconds were not enough. Timers do not run while this
   * thread is blocked: the deadlines of all commands are looked after here.
   */
  block(pump: CommandPump, command: QueuedCommand, timeout: number): boolean {
    const until = performance.now() + timeout;
    for (;;) {
      if (pump.block(command, this.#next(until) - performance.now())) return true;
      this.#expire();
      if (command.settled) return true;
      if (performance.now() >= until) return false;
    }
  }

  /** The first deadline of any command, or `until` where that is earlier. */
  #next(until: number): number {
    for (const { at } of this.#deadlines.values()) if (at < until) until = at;
    return until;
  }

  /** Stops the commands whose time is up. */
  #expire(): void {
    const now = performance.now();
    for (const [command, deadline] of this.#deadlines)
      if (deadline.at <= now) this.#expired(command, deadline);
  }

  #listen(signal: AbortSignal, command: QueuedCommand): void {
    let entry = this.#signals.get(signal);
    if (!entry) {
      const commands = new Set<QueuedCommand>();
      const abort = (): void => {
        for (const each of [...commands]) this.#stop(each, signal.reason);
      };
      entry = { commands, abort };
      this.#signals.set(signal, entry);
      signal.addEventListener('abort', abort, { once: true });
    }
    entry.commands.add(command);
  }

  #forget(signal: AbortSignal, command: QueuedCommand): void {
    const entry = this.#signals.get(signal);
    entry?.commands.delete(command);
    if (!entry || entry.commands.size > 0) return;
    this.#signals.delete(signal);
    signal.removeEventListener('abort', entry.abort);
  }

  #wind(command: QueuedCommand, deadline: Deadline): void {
    const left = Math.max(0, Math.ceil(deadline.at - performance.now()));
    const look = (): void => {
      if (deadline.at <= performance.now()) this.#expired(command, deadline);
      else this.#wind(command, deadline);
    };
    deadline.timer = setTimeout(look, Math.min(left, LONGEST_TIMER)).unref();
  }

  #expired(command: QueuedCommand, { timeout, timer }: Deadline): void {
    clearTimeout(timer);
    this.#deadlines.delete(command);
    this.#stop(command, new TimeoutError(`kernel '${command.kernel}'`, timeout));
  }
}
