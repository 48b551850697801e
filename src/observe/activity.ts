/**
 * What is going on, from events: the commands put in lately, with their ends where they have come, and the last faults.
 * Pure.
 *
 * @module
 */
import type { CompleteEvent, FaultEvent, LaunchEvent } from './events.ts';

/** A command as far as it has come. */
export interface SeenCommand {
  readonly launch: LaunchEvent;
  readonly end?: CompleteEvent;
}

export class Activity {
  readonly #most: number;
  /** By number, oldest first. */
  readonly #commands = new Map<number, SeenCommand>();
  #faults: FaultEvent[] = [];

  /** Keeps so many commands that have ended, and so many faults. Those that have not ended are kept all. */
  constructor(most: number) {
    this.#most = most;
  }

  launched(launch: LaunchEvent): void {
    this.#commands.set(launch.command, { launch });
    this.#trim();
  }

  ended(end: CompleteEvent): void {
    const known = this.#commands.get(end.command);
    if (known) this.#commands.set(end.command, { launch: known.launch, end });
  }

  faulted(fault: FaultEvent): void {
    this.#faults.push(fault);
    if (this.#faults.length >= 2 * this.#most) this.#faults = this.#faults.slice(-this.#most);
  }

  /** Those of a mirror, in the order in which they were put in. */
  commands(mirror: number): SeenCommand[] {
    return [...this.#commands.values()].filter(({ launch }) => launch.mirror.id === mirror);
  }

  faults(mirror: number): FaultEvent[] {
    return this.#faults.slice(-this.#most).filter((fault) => fault.mirror.id === mirror);
  }

  /** The mirror has been closed. */
  forget(mirror: number): void {
    for (const [number, { launch }] of this.#commands)
      if (launch.mirror.id === mirror) this.#commands.delete(number);
    this.#faults = this.#faults.filter((fault) => fault.mirror.id !== mirror);
  }

  #trim(): void {
    if (this.#commands.size < 2 * this.#most) return;
    const ended = [...this.#commands].filter(([, { end }]) => end);
    for (const [number] of ended.slice(0, -this.#most)) this.#commands.delete(number);
  }
}
