/**
 * Freed ranges that are not yet safe to use again: a device has not acknowledged that they are gone, or an ArrayBuffer
 * over them has not been collected (native work may still hold it). Asked in passing, at the next allocation; nobody
 * waits here.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';

export interface QuarantinedRange extends Range {
  /** Each says whether its device is done with the range; empty where none ever had it. */
  readonly acknowledged: (() => boolean)[];
  /** An ArrayBuffer over it is still alive. */
  viewed: boolean;
}

export class Quarantine {
  #entries: QuarantinedRange[] = [];

  get size(): number {
    return this.#entries.length;
  }

  add(entry: QuarantinedRange): void {
    this.#entries.push(entry);
  }

  /** True where only devices, not the collector, keep some range from being used. */
  get waitsForDevices(): boolean {
    return this.#entries.some((entry) => !entry.viewed);
  }

  /** Takes out what is safe now. */
  release(): QuarantinedRange[] {
    if (this.#entries.length === 0) return [];
    const safe: QuarantinedRange[] = [];
    const kept: QuarantinedRange[] = [];
    for (const entry of this.#entries) {
      while (entry.acknowledged.length > 0 && entry.acknowledged[entry.acknowledged.length - 1]!())
        entry.acknowledged.pop();
      (entry.viewed || entry.acknowledged.length > 0 ? kept : safe).push(entry);
    }
    if (safe.length > 0) this.#entries = kept;
    return safe;
  }
}
