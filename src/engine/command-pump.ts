/**
 * Moves the commands of one device along without blocking the event loop: after a launch it looks at the rings on a
 * few turns of the loop (a hot device answers within microseconds), then declares the loop asleep and is woken by a
 * byte in a pipe. A blocking wait spins, then sleeps on the completion word, and watches that the device still lives.
 * While commands are pending the process stays alive; an idle device never keeps it.
 *
 * @module
 */
import { StateError } from '../errors.ts';
import { futexWait } from '../linux/futex.ts';
import type { QueuedCommand } from './command.ts';
import { HEADER } from './control-layout.ts';
import { LinkedSet } from './linked-set.ts';
import type { Ring } from './ring.ts';
import type { SharedMemory } from './shared-memory.ts';

/** How long the event loop keeps looking by itself, in milliseconds, before it asks to be woken. */
const LOOK_FOR = 0.1;
/** Looks at the completion word before a blocking wait sleeps: some tens of microseconds. */
const SPIN = 3000;
/** A blocked wait looks this often, in milliseconds, whether the device still lives. */
const LIVENESS = 50;

export interface PumpHost {
  readonly control: SharedMemory;
  /** Keeps the process alive, or no longer. */
  hold(pending: boolean): void;
  /** Looks, without blocking, whether the device process lives; marks the device lost where it does not. */
  checkAlive(): void;
  /** Commands have ended. */
  ended(commands: readonly QueuedCommand[]): void;
}

/** Somebody who waits for what was put in before. */
interface Drained {
  /** The last command of each ring then. */
  readonly last: readonly number[];
  readonly callback: () => void;
}

export class CommandPump {
  readonly #host: PumpHost;
  readonly #rings: Ring[] = [];
  /** Who waits for all rings, and who for one of them. Each is served in order. */
  readonly #drained = [new LinkedSet<Drained>()];
  #looking = false;
  #lookUntil = 0;
  #holding = false;
  #stopped = false;

  constructor(host: PumpHost) {
    this.#host = host;
  }

  add(ring: Ring): void {
    this.#rings.push(ring);
    this.#drained.push(new LinkedSet());
  }

  get pending(): number {
    let pending = 0;
    for (const ring of this.#rings) pending += ring.pending;
    return pending;
  }

  /** A command was pushed: see it through. */
  follow(): void {
    if (!this.#holding) {
      this.#holding = true;
      this.#host.hold(true);
    }
    this.#lookUntil = performance.now() + LOOK_FOR;
    if (this.#looking) return;
    this.#looking = true;
    setImmediate(this.#look);
  }

  /** The wake pipe has spoken, or someone wants to know. */
  pump(): void {
    if (this.#stopped) return;
    const ended: QueuedCommand[] = [];
    for (const ring of this.#rings) ring.pump(ended);
    if (ended.length > 0) this.#ended(ended);
  }

  /** Takes a command back that has no place in a ring yet, and fails it; false where it has. */
  withdraw(command: QueuedCommand, reason: unknown): boolean {
    if (!this.#rings.some((ring) => ring.withdraw(command))) return false;
    command.fail(reason);
    this.#ended([command]);
    return true;
  }

  #ended(ended: readonly QueuedCommand[]): void {
    this.#host.ended(ended);
    const ready: Drained[] = [];
    for (const waiting of this.#drained) {
      for (let next = waiting.first; next && this.#passed(next.last); next = waiting.first)
        ready.push(waiting.shift()!);
    }
    for (const { callback } of ready) callback();
  }

  /** True where everything up to the given command of each ring has ended. */
  #passed(last: readonly number[]): boolean {
    return last.every((sequence, i) => this.#rings[i]!.oldest > sequence);
  }

  get #stuck(): boolean {
    return this.#rings.some((ring) => ring.stuck);
  }

  readonly #look = (): void => {
    this.#looking = false;
    if (this.#stopped) return;
    this.pump();
    if (this.pending === 0) {
      this.#letGo();
      return;
    }
    if (this.#stuck || performance.now() < this.#lookUntil) {
      this.#looking = true;
      setImmediate(this.#look);
      return;
    }
    const { i32 } = this.#host.control;
    const seen = Atomics.load(i32, HEADER.COMPLETIONS);
    Atomics.store(i32, HEADER.HOST_ASLEEP, 1);
    this.pump();
    // A completion between the look and the flag wrote no byte; and where nothing runs, nothing will: look again.
    if (this.pending === 0 || this.#stuck || Atomics.load(i32, HEADER.COMPLETIONS) !== seen) {
      Atomics.store(i32, HEADER.HOST_ASLEEP, 0);
      this.#looking = true;
      setImmediate(this.#look);
    }
  };

  /** The wake pipe had a byte. */
  woken(): void {
    if (this.#looking || this.#stopped) return;
    this.#lookUntil = performance.now() + LOOK_FOR;
    this.#look();
  }

  /** Once for each time that it held: a byte may come in after the last command was seen to end. */
  #letGo(): void {
    if (!this.#holding) return;
    this.#holding = false;
    this.#host.hold(false);
  }

  /**
   * Calls back when the commands that are pending now, in all rings or in the one given, have ended; at once where there
   * are none.
   */
  whenDrained(callback: () => void, ring?: Ring): void {
    const pending = ring ?? this;
    if (pending.pending > 0) this.pump();
    if (pending.pending === 0) {
      callback();
      return;
    }
    const last = this.#rings.map((each) => (!ring || each === ring ? each.last : 0));
    this.#drained[ring ? this.#rings.indexOf(ring) + 1 : 0]!.add({ last, callback });
  }

  /** Blocks this thread until the command has ended; false where `timeout` milliseconds were not enough. */
  block(command: QueuedCommand, timeout: number): boolean {
    if (this.#stopped) throw new StateError('closed', 'the device is closed');
    const { i32, address } = this.#host.control;
    const deadline = performance.now() + timeout;
    for (let spins = SPIN; spins > 0; spins--) {
      const seen = Atomics.load(i32, HEADER.COMPLETIONS);
      this.pump();
      if (command.settled) return true;
      while (spins > 0 && Atomics.load(i32, HEADER.COMPLETIONS) === seen) spins--;
    }
    Atomics.add(i32, HEADER.HOST_BLOCKED, 1);
    try {
      for (;;) {
        const seen = Atomics.load(i32, HEADER.COMPLETIONS);
        this.pump();
        if (command.settled) return true;
        const left = deadline - performance.now();
        if (left <= 0) return false;
        futexWait(address + HEADER.COMPLETIONS * 4, seen, Math.min(left, LIVENESS));
        this.pump();
        if (!command.settled) this.#host.checkAlive();
      }
    } finally {
      if (!this.#stopped) Atomics.sub(i32, HEADER.HOST_BLOCKED, 1);
    }
  }

  /** The device is gone: nothing will end any more. Gives what was pending. */
  stop(): QueuedCommand[] {
    this.#stopped = true;
    const left = this.#rings.flatMap((ring) => ring.abandon());
    this.#letGo();
    return left;
  }

  /** After {@link stop} and after the commands were settled: nobody waits any more. */
  releaseDrained(): void {
    const left = this.#drained.flatMap((waiting) => waiting.takeAll());
    for (const { callback } of left) callback();
  }
}
