/**
 * A queue in order on the host's side: commands go into slots one behind the other, or wait here while the ring is full,
 * the device is clearing up after a fault, a prerequisite has not ended, or the host has something to do in between.
 * Completed ones are settled in order. Who pumps it, and when, is {@link CommandPump}'s business.
 *
 * @module
 */
import { carryOut, type QueuedCommand } from './command.ts';
import { monotonicNow } from './completion.ts';
import { LinkedSet } from './linked-set.ts';
import type { CommandRing, Slots } from './ring-slots.ts';

export class Ring implements CommandRing {
  readonly slots: Slots;
  /** In the ring, oldest first: as many as there are slots at most. */
  readonly #inFlight: QueuedCommand[] = [];
  /** Not yet in the ring. */
  readonly #waiting = new LinkedSet<QueuedCommand>();
  /** What the host is doing at the moment: what it calls may pump. */
  #acting: QueuedCommand | undefined;
  #pushed = 0;

  constructor(slots: Slots) {
    this.slots = slots;
  }

  get number(): number {
    return this.slots.number;
  }

  get pending(): number {
    return this.#inFlight.length + this.#waiting.size + (this.#acting ? 1 : 0);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get stuck(): boolean {
    return this.#inFlight.length === 0 && this.#waiting.first?.unresolved === 0 && this.#acting === undefined;
  }

  get submitted(): readonly QueuedCommand[] {
    return this.#inFlight;
  }

  get last(): number {
    return this.#pushed;
  }

  get oldest(): number {
    return (this.#inFlight[0] ?? this.#acting ?? this.#waiting.first)?.sequence ?? this.#pushed + 1;
  }

  push(command: QueuedCommand): void {
    command.sequence = ++this.#pushed;
    const first = this.#waiting.size === 0 && !this.#acting;
    if (!first || !this.#submit(command, command.queued)) this.#waiting.add(command);
  }

  release(command: QueuedCommand): void {
    if (this.#waiting.first === command) this.#advance();
  }

  pump(ended: QueuedCommand[]): void {
    const { head } = this.slots;
    while (this.slots.retired !== head) {
      const command = this.#inFlight.shift()!;
      this.slots.settle(command);
      this.slots.retire((this.slots.retired + 1) | 0);
      ended.push(command);
    }
    this.#advance();
    for (let next = this.#turnOfHost(); next; next = this.#turnOfHost()) {
      this.#waiting.shift();
      this.#acting = next;
      carryOut(next, next.packet as () => void, monotonicNow);
      this.#acting = undefined;
      ended.push(next);
      this.#advance();
    }
  }

  withdraw(command: QueuedCommand): boolean {
    if (!this.#waiting.delete(command)) return false;
    // It may have been all that held up those behind it.
    this.#advance();
    return true;
  }

  ahead(command: QueuedCommand): QueuedCommand | undefined {
    const first = this.#acting ?? this.#waiting.first;
    return first === command ? undefined : first;
  }

  blocked(): readonly QueuedCommand[] {
    const first = this.#acting ?? this.#waiting.first;
    return first ? [first] : [];
  }

  abandon(): QueuedCommand[] {
    return [...this.#inFlight.splice(0), ...(this.#acting ? [this.#acting] : []), ...this.#waiting.takeAll()];
  }

  /** The command that the host is to carry out now, since everything before it has ended. */
  #turnOfHost(): QueuedCommand | undefined {
    if (this.#inFlight.length > 0 || this.#acting) return undefined;
    const first = this.#waiting.first;
    return first?.unresolved === 0 && typeof first.packet === 'function' ? first : undefined;
  }

  #advance(): void {
    if (this.#acting || this.#waiting.size === 0) return;
    const now = monotonicNow();
    for (let next = this.#waiting.first; next && this.#submit(next, now); next = this.#waiting.first)
      this.#waiting.shift();
  }

  #submit(command: QueuedCommand, at: number): boolean {
    const { packet } = command;
    if (command.unresolved > 0 || typeof packet === 'function') return false;
    if (!this.slots.submit(command, packet, at)) return false;
    this.#inFlight.push(command);
    return true;
  }
}
