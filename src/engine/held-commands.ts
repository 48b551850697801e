/**
 * Commands that were put in while their device was being reopened: they wait here, in order, and go into the rings of
 * its new process. Between them stand those who want to know when all that was put in before them has ended. Pure.
 *
 * @module
 */
import type { QueuedCommand } from './command.ts';

type Entry = { readonly command: QueuedCommand } | { readonly callback: () => void };

export class HeldCommands {
  #entries: Entry[] = [];

  add(command: QueuedCommand): void {
    this.#entries.push({ command });
  }

  /** Takes a command out; false where it is not here. */
  withdraw(command: QueuedCommand): boolean {
    const at = this.#entries.findIndex((entry) => 'command' in entry && entry.command === command);
    if (at !== -1) this.#entries.splice(at, 1);
    return at !== -1;
  }

  /** Those of one queue, oldest first. */
  of(queue: number): QueuedCommand[] {
    return this.#entries.flatMap((entry) =>
      'command' in entry && entry.command.queue === queue ? [entry.command] : [],
    );
  }

  /** Calls back when the commands that are here now have ended; at once where there are none. */
  whenDrained(callback: () => void): void {
    if (this.#entries.some((entry) => 'command' in entry)) this.#entries.push({ callback });
    else callback();
  }

  /** Gives everything away, in order. */
  release(push: (command: QueuedCommand) => void, drained: (callback: () => void) => void): void {
    for (const entry of this.#entries.splice(0)) {
      if ('command' in entry) push(entry.command);
      else drained(entry.callback);
    }
  }
}
