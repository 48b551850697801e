/**
 * Figures over time, for the charts: of pictures as they come, at most so many, the older ones thinner. Pure.
 *
 * @module
 */
import type { MirrorSnapshot } from '../observe/snapshot.ts';

/** Seconds, live MiB, resident MiB, launches per second. */
export type Figures = readonly [number[], number[], number[], number[]];

const MOST = 600;
const MiB = 2 ** 20;

export class History {
  readonly figures: Figures = [[], [], [], []];
  #launches = 0;

  add({ totals, devices }: MirrorSnapshot, seconds: number): void {
    const [times, live, resident, rate] = this.figures;
    const launches = devices.reduce((sum, { counters }) => sum + launchesOf(counters), 0);
    const since = seconds - (times.at(-1) ?? seconds);
    rate.push(since > 0 ? Math.max(0, launches - this.#launches) / since : 0);
    times.push(seconds);
    live.push(totals.liveBytes / MiB);
    resident.push(totals.residentBytes / MiB);
    this.#launches = launches;
    if (times.length > MOST) for (const column of this.figures) thin(column);
  }
}

function launchesOf(counters: object): number {
  const { launches } = counters as { launches?: unknown };
  return typeof launches === 'number' ? launches : 0;
}

/** Every other of the older half goes. */
function thin(column: number[]): void {
  const half = column.length >>> 1;
  const kept = column.filter((_, i) => i >= half || i % 2 === 0);
  column.splice(0, column.length, ...kept);
}
