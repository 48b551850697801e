/**
 * When commands are to be stopped: their signals, with one listener for all commands of a signal, and their deadlines,
 * by timers while the event loop turns and by asking while a blocking wait keeps it from turning. A command that is
 * being stopped has a deadline too, for the device.
 *
 * @module
 */
import { TimeoutError } from '../errors.ts';
import type { QueuedCommand } from './command.ts';
import { type Deadline, Deadlines } from './deadlines.ts';

/** When a command is to be stopped. */
export interface StopConditions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from the call. */
  readonly timeout?: number | undefined;
}

/**
 * Milliseconds that a device has to end a command that it was told to stop. It gives itself up after two seconds; one
 * that does not even do that is frozen.
 */
export const STOP_PATIENCE = 5000;

/** The longest time that a timer takes; it fires at once for longer ones. */
const LONGEST_TIMER = 2 ** 31 - 1;

interface Due {
  readonly command: QueuedCommand;
  readonly act: () => void;
}

interface Watched {
  readonly deadline: Deadline<Due>;
  timer: NodeJS.Timeout | undefined;
}

export class StopWatch {
  readonly #stop: (command: QueuedCommand, reason: unknown) => void;
  readonly #giveUp: (command: QueuedCommand, reason: unknown) => void;
  readonly #signals = new Map<AbortSignal, { readonly commands: Set<QueuedCommand>; abort(): void }>();
  readonly #deadlines = new Deadlines<Due>();
  /** One for a command: its timeout, then that of its end. */
  readonly #watched = new Map<QueuedCommand, Watched>();

  /** `giveUp`: the device has not ended a command in time that it was to stop. */
  constructor(
    stop: (command: QueuedCommand, reason: unknown) => void,
    giveUp: (command: QueuedCommand, reason: unknown) => void,
  ) {
    this.#stop = stop;
    this.#giveUp = giveUp;
  }

  /** Until the command is settled. */
  watch({ signal, timeout }: StopConditions, command: QueuedCommand): void {
    if (signal) this.#listen(signal, command);
    if (timeout !== undefined && timeout !== Number.POSITIVE_INFINITY) {
      this.#set(command, timeout, () => this.#stop(command, new TimeoutError(whatOf(command), timeout)));
    }
    command.whenSettled(() => {
      if (signal) this.#forget(signal, command);
      this.#clear(command);
    });
  }

  /** The device has been told to stop a command that is being watched: it must end soon. */
  expectEnd(command: QueuedCommand, reason: unknown): void {
    this.#set(command, STOP_PATIENCE, () => this.#giveUp(command, reason));
  }

  /** When the next deadline is, on the clock of `performance.now()`; infinity where there is none. */
  get next(): number {
    return this.#deadlines.first()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Does what is due: by timers, and by who blocks the thread. */
  expire(): void {
    const now = performance.now();
    for (let due = this.#deadlines.takeDue(now); due; due = this.#deadlines.takeDue(now)) {
      this.#clear(due.command);
      due.act();
    }
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

  #set(command: QueuedCommand, milliseconds: number, act: () => void): void {
    this.#clear(command);
    const deadline = this.#deadlines.add(performance.now() + milliseconds, { command, act });
    const watched: Watched = { deadline, timer: undefined };
    this.#watched.set(command, watched);
    this.#wind(watched);
  }

  #clear(command: QueuedCommand): void {
    const watched = this.#watched.get(command);
    if (!watched) return;
    clearTimeout(watched.timer);
    this.#deadlines.remove(watched.deadline);
    this.#watched.delete(command);
  }

  #wind(watched: Watched): void {
    const left = Math.max(0, Math.ceil(watched.deadline.at - performance.now()));
    const look = (): void => {
      if (watched.deadline.at <= performance.now()) this.expire();
      else this.#wind(watched);
    };
    watched.timer = setTimeout(look, Math.min(left, LONGEST_TIMER)).unref();
  }
}

const whatOf = ({ type, kernel }: QueuedCommand): string =>
  type === 'launch' ? `kernel '${kernel}'` : `command '${type}'`;
