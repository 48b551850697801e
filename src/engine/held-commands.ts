/**
 * Commands that were put in while their device was being reopened: they wait here, in order, and go into the rings of
 * its new process. Between them stand those who want to know when what was put in before them has ended. Pure.
 *
 * @module
 */
import type { QueuedCommand } from './command.ts';
import { LinkedSet } from './linked-set.ts';

interface Waiter {
  readonly callback: () => void;
  /** The number of the queue for which it waits; undefined for all. */
  readonly queue: number | undefined;
}

export class HeldCommands {
  readonly #entries = new LinkedSet<QueuedCommand | Waiter>();
  /** How many commands there are of each queue. */
  readonly #held: number[] = [];

  add(command: QueuedCommand): void {
    this.#entries.add(command);
    this.#count(command.queue, 1);
  }

  /** Takes a command out; false where it is not here. */
  withdraw(command: QueuedCommand): boolean {
    if (!this.#entries.delete(command)) return false;
    this.#count(command.queue, -1);
    return true;
  }

  /** Calls back when the commands that are here now, of all queues or of one, have ended; at once where there are none. */
  whenDrained(callback: () => void, queue?: number): void {
    const held = queue === undefined ? this.#held.some((count) => count > 0) : (this.#held[queue] ?? 0) > 0;
    if (held) this.#entries.add({ callback, queue });
    else callback();
  }

  /** Gives everything away, in order. */
  release(
    push: (command: QueuedCommand) => void,
    drained: (callback: () => void, queue: number | undefined) => void,
  ): void {
    this.#held.length = 0;
    for (const entry of this.#entries.takeAll()) {
      if ('callback' in entry) drained(entry.callback, entry.queue);
      else push(entry);
    }
  }

  #count(queue: number, by: number): void {
    this.#held[queue] = (this.#held[queue] ?? 0) + by;
  }
}
