/**
 * A queue out of order on the host's side: a command goes into the ring, or is carried out by the host, as soon as its
 * prerequisites have ended, and is settled as soon as it has ended itself. What its queue's barriers order, their gates
 * do, which are prerequisites like others.
 *
 * @module
 */
import { carryOut, type QueuedCommand } from './command.ts';
import { monotonicNow } from './completion.ts';
import { LinkedSet } from './linked-set.ts';
import type { CommandRing, Slots } from './ring-slots.ts';

export class OutOfOrderRing implements CommandRing {
  readonly slots: Slots;
  /** All that have not ended, oldest first. */
  readonly #all = new LinkedSet<QueuedCommand>();
  /** Those that wait for a prerequisite. */
  readonly #blocked = new Set<QueuedCommand>();
  /** Those that wait for a slot, and those that wait for the host. */
  readonly #ready = new LinkedSet<QueuedCommand>();
  readonly #actions = new LinkedSet<QueuedCommand>();
  /** In the ring, in the order of their slots. */
  #inFlight: QueuedCommand[] = [];
  #pushed = 0;

  constructor(slots: Slots) {
    this.slots = slots;
  }

  get number(): number {
    return this.slots.number;
  }

  get pending(): number {
    return this.#all.size;
  }

  get waiting(): number {
    return this.#blocked.size + this.#ready.size + this.#actions.size;
  }

  get stuck(): boolean {
    return this.#actions.size > 0 || (this.#ready.size > 0 && this.#inFlight.length === 0);
  }

  get submitted(): readonly QueuedCommand[] {
    return this.#inFlight;
  }

  get last(): number {
    return this.#pushed;
  }

  get oldest(): number {
    return this.#all.first?.sequence ?? this.#pushed + 1;
  }

  push(command: QueuedCommand): void {
    command.sequence = ++this.#pushed;
    this.#all.add(command);
    if (command.unresolved > 0) this.#blocked.add(command);
    else this.#take(command, command.queued);
  }

  release(command: QueuedCommand): void {
    if (this.#blocked.delete(command)) this.#take(command, monotonicNow());
  }

  pump(ended: QueuedCommand[]): void {
    const { head } = this.slots;
    const inFlight = this.#inFlight;
    const done: QueuedCommand[] = [];
    this.#inFlight = [];
    for (const command of inFlight) (this.slots.done(command) ? done : this.#inFlight).push(command);
    for (const command of done) {
      this.#all.delete(command);
      this.slots.settle(command);
      ended.push(command);
    }
    // What is before the head was done when it was looked at: it has been settled.
    this.slots.retire(head);
    if (this.#ready.size > 0) this.#advance();
    for (let next = this.#actions.shift(); next; next = this.#actions.shift()) {
      carryOut(next, next.packet as () => void, monotonicNow);
      this.#all.delete(next);
      ended.push(next);
    }
  }

  withdraw(command: QueuedCommand): boolean {
    if (!this.#blocked.delete(command) && !this.#ready.delete(command) && !this.#actions.delete(command))
      return false;
    this.#all.delete(command);
    return true;
  }

  ahead(): undefined {
    return undefined;
  }

  blocked(): readonly QueuedCommand[] {
    return [...this.#blocked];
  }

  abandon(): QueuedCommand[] {
    this.#inFlight = [];
    this.#blocked.clear();
    this.#ready.takeAll();
    this.#actions.takeAll();
    return this.#all.takeAll();
  }

  #take(command: QueuedCommand, at: number): void {
    if (typeof command.packet === 'function') this.#actions.add(command);
    else if (this.#ready.size > 0 || !this.#submit(command, at)) this.#ready.add(command);
  }

  #advance(): void {
    const now = monotonicNow();
    for (let next = this.#ready.first; next && this.#submit(next, now); next = this.#ready.first)
      this.#ready.shift();
  }

  #submit(command: QueuedCommand, at: number): boolean {
    const { packet } = command;
    if (typeof packet === 'function' || !this.slots.submit(command, packet, at)) return false;
    this.#inFlight.push(command);
    return true;
  }
}
