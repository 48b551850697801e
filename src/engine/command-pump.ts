/**
 * Moves the commands of one device along without blocking the event loop: after a launch it looks at the rings on a
 * few turns of the loop (a hot device answers within microseconds), then declares the loop asleep and is woken by a
 * byte in a pipe. Who blocks instead moves it along as well: blocking-wait.ts.
 * While commands are pending the process stays alive; an idle device never keeps it.
 *
 * @module
 */
import type { QueuedCommand } from './command.ts';
import { HEADER } from './control-layout.ts';
import { LinkedSet } from './linked-set.ts';
import type { CommandRing } from './ring-slots.ts';
import type { SharedMemory } from './shared-memory.ts';
import { UsefulSpin } from './useful-spin.ts';

/** How long the event loop keeps looking by itself, in milliseconds and at most, before it asks to be woken. */
const LOOK_FOR = 0.1;
/** A device to which nothing was given for so long, in milliseconds, sleeps. */
const IDLE_FOR = 0.1;
/** A blocked wait looks this often, in milliseconds, whether the device still lives. */
const LIVENESS = 50;

export interface PumpHost {
  readonly control: SharedMemory;
  /** Keeps the process alive, or no longer. */
  hold(pending: boolean): void;
  /** Looks, without blocking, whether the device process lives; marks the device lost where it does not. */
  checkAlive(): void;
  /** The event loop is about to look. */
  looking?(): void;
  /** The event loop has stopped looking: where nothing writes to the wake pipe, `woken` is to be called by and by. */
  asleep?(): void;
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
  readonly #rings: CommandRing[] = [];
  /** Who waits for all rings, and who for one of them. Each is served in order. */
  readonly #drained = [new LinkedSet<Drained>()];
  #looking = false;
  readonly #usefulLook = new UsefulSpin(LOOK_FOR);
  #lookFor = LOOK_FOR;
  #lookUntil = 0;
  #given = 0;
  #idle = false;
  #holding = false;
  #stopped = false;

  constructor(host: PumpHost) {
    this.#host = host;
  }

  add(ring: CommandRing): void {
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
    const now = performance.now();
    this.#idle = now - this.#given > IDLE_FOR && this.pending === 1;
    this.#given = now;
    if (!this.#looking) this.#lookFor = this.#usefulLook.next();
    this.#lookUntil = now + this.#lookFor;
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

  #ended(ended: readonly QueuedCommand[]): void {
    this.#host.ended(ended);
    this.passed();
  }

  /** Commands have ended, or were taken out: whoever waited for them alone need not any more. */
  passed(): void {
    if (this.#stopped) return;
    const ready: Drained[] = [];
    for (const waiting of this.#drained) {
      for (let next = waiting.first; next && this.#passed(next.last); next = waiting.first)
        ready.push(waiting.shift()!);
    }
    for (const { callback } of ready) callback();
    // A look that is due lets go by itself: the next command may come before it.
    if (this.#looking) return;
    if (this.pending === 0) this.#letGo();
    else if (this.#stuck) this.follow();
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
    this.#host.looking?.();
    this.pump();
    if (this.pending === 0) {
      this.#usefulLook.worked(this.#lookFor);
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
      return;
    }
    this.#usefulLook.failed(this.#lookFor);
    this.#host.asleep?.();
  };

  /** The wake pipe had a byte. */
  woken(): void {
    if (this.#looking || this.#stopped) return;
    this.#lookUntil = performance.now() + this.#lookFor;
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
  whenDrained(callback: () => void, ring?: CommandRing): void {
    const pending = ring ?? this;
    if (pending.pending > 0) this.pump();
    if (pending.pending === 0) {
      callback();
      return;
    }
    const last = this.#rings.map((each) => (!ring || each === ring ? each.last : 0));
    this.#drained[ring ? this.#rings.indexOf(ring) + 1 : 0]!.add({ last, callback });
  }

  // For who blocks this thread.

  get stopped(): boolean {
    return this.#stopped;
  }

  /** True where commands wait that only the host can move on. */
  get needsHost(): boolean {
    return this.#rings.some((ring) => ring.waiting > 0);
  }

  /** Changes with each packet that completes. */
  get completions(): number {
    return this.#stopped ? 0 : Atomics.load(this.#host.control.i32, HEADER.COMPLETIONS);
  }

  /** How long, in milliseconds, a blocked thread may sleep before it looks again: whether the device still lives. */
  get patience(): number {
    return LIVENESS;
  }

  /**
   * Blocks until the command has ended, if the device has a way of its own to do that; false where it has none, or has not
   * got the command. Nothing else is moved along meanwhile.
   */
  awaitAlone(_command: QueuedCommand): boolean {
    return false;
  }

  /** True where the command that was given last is alone, and its device slept until then. */
  get idle(): boolean {
    return this.#idle;
  }

  /** For a device whose completions nobody tells: finds out what has ended. */
  look(): void {}

  /** Looks until a packet completes, at most so many times; gives how many are left. */
  spin(seen: number, times: number): number {
    const { i32 } = this.#host.control;
    let left = this.#stopped ? 0 : times;
    while (left > 0 && Atomics.load(i32, HEADER.COMPLETIONS) === seen) left--;
    return left;
  }

  get completionsAddress(): number {
    return this.#host.control.address + HEADER.COMPLETIONS * 4;
  }

  /** A thread of the host sleeps on {@link completionsAddress} from now on, or no longer. */
  block(by: 1 | -1): void {
    if (!this.#stopped) Atomics.add(this.#host.control.i32, HEADER.HOST_BLOCKED, by);
  }

  checkAlive(): void {
    if (!this.#stopped) this.#host.checkAlive();
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
