/**
 * The mirrors that a live server shows: those that it was given, and those that are opened while it runs, with what they
 * did lately.
 *
 * @module
 */
import {
  Activity,
  type FaultEvent,
  type MirrorSnapshot,
  type MirrorToSee,
  type SeenCommand,
  subscribe,
  takeSnapshot,
} from '../observe/index.ts';

/** Commands that have ended, and faults, that are remembered. */
const REMEMBERED = 1000;

/** What a server answers with. */
export interface LiveSnapshot {
  readonly mirrors: readonly (MirrorSnapshot & {
    /** Put in since the server runs, in that order. */
    readonly commands: readonly SeenCommand[];
    readonly faults: readonly FaultEvent[];
  })[];
}

export class LiveMirrors {
  readonly #mirrors: Set<MirrorToSee>;
  readonly #activity = new Activity(REMEMBERED);
  readonly #ends: readonly (() => void)[];

  constructor(mirrors: readonly MirrorToSee[]) {
    this.#mirrors = new Set(mirrors);
    this.#ends = [
      subscribe('open', ({ object }) => this.#mirrors.add(object as MirrorToSee)),
      subscribe('launch', (event) => this.#activity.launched(event)),
      subscribe('complete', (event) => this.#activity.ended(event)),
      subscribe('fault', (event) => this.#activity.faulted(event)),
      subscribe('close', ({ mirror }) => this.#closed(mirror.id)),
    ];
  }

  snapshots(): LiveSnapshot {
    const open = [...this.#mirrors].filter(({ closed }) => !closed);
    const mirrors = open.map((mirror) => ({
      ...takeSnapshot(mirror),
      commands: this.#activity.commands(mirror.id),
      faults: this.#activity.faults(mirror.id),
    }));
    return { mirrors };
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  #closed(id: number): void {
    this.#activity.forget(id);
    for (const mirror of this.#mirrors) if (mirror.id === id) this.#mirrors.delete(mirror);
  }
}
