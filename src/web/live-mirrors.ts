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
  residenceOf,
  type SeenCommand,
  subscribe,
  takeSnapshot,
} from '../observe/index.ts';
import { describeRemedy, type Placement, type Refusal, refusalMessage } from '../placement/index.ts';
import type { PlanQuery, ResidenceQuery } from './requests.ts';

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

/** An answer to "could a buffer go there?" */
export type LivePlan =
  | { readonly ok: true; readonly placement: Placement }
  | {
      readonly ok: false;
      readonly refusal?: Refusal;
      readonly message: string;
      /** The refusal's remedies in words, each with where the buffer would be then. */
      readonly remedies?: readonly { readonly text: string; readonly address: number }[];
    };

/** What of buffers is in memory: a part for each buffer, of equal stretches of whole pages. */
export interface LiveResidence {
  readonly parts: readonly {
    readonly start: number;
    readonly end: number;
    /** 0 to 1 for each stretch. */
    readonly residence: readonly number[];
  }[];
}

/** Of a range that was asked for: buffers, and stretches of each. */
const MOST_PARTS = 8;
const MOST_STRETCHES = 512;

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

  /** Where a buffer would go, or why nowhere, in words too; undefined where that mirror is not open. */
  plan({ mirror: id, size, at }: PlanQuery): LivePlan | undefined {
    const mirror = [...this.#mirrors].find((each) => each.id === id && !each.closed);
    if (!mirror) return undefined;
    try {
      const plan = mirror.plan(size, at === undefined ? {} : { place: { at } });
      if (plan.ok) return plan;
      const remedies = plan.refusal.remedies.map((remedy) => ({
        text: describeRemedy(remedy),
        address: remedy.address,
      }));
      return { ...plan, message: refusalMessage(plan.refusal), remedies };
    } catch (error) {
      // A size of nothing, or of more than there are addresses: the words say what is wrong with it.
      return { ok: false, message: error instanceof Error ? error.message : String(error) };
    }
  }

  /**
   * What of the buffers in a range is in memory, page by page where the range is small enough; undefined where that mirror is
   * not open.
   */
  residence({ mirror: id, start, end }: ResidenceQuery): LiveResidence | undefined {
    const mirror = [...this.#mirrors].find((each) => each.id === id && !each.closed);
    if (!mirror) return undefined;
    const { pageSize } = mirror;
    const touched = mirror.buffers().filter((buffer) => buffer.address < end && buffer.end > start);
    const parts = touched.slice(0, MOST_PARTS).map((buffer) => {
      const from = Math.floor((Math.max(start, buffer.address) - buffer.address) / pageSize) * pageSize;
      const to = Math.min(Math.ceil((end - buffer.address) / pageSize) * pageSize, buffer.size);
      return {
        start: buffer.address + from,
        end: buffer.address + Math.ceil(to / pageSize) * pageSize,
        residence: residenceOf(buffer, from, to - from, pageSize, MOST_STRETCHES),
      };
    });
    return { parts };
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  #closed(id: number): void {
    this.#activity.forget(id);
    for (const mirror of this.#mirrors) if (mirror.id === id) this.#mirrors.delete(mirror);
  }
}
