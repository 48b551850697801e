/**
 * The ranges of host memory that kernels may store to although the device only reads the rest: to the byte, counted, since
 * the same memory may be pinned more than once. Pure.
 *
 * @module
 */
import type { Range } from '../../../mm/address.ts';

export class Pins {
  /** By start. */
  readonly #ranges: Range[] = [];

  add(range: Range): void {
    let at = this.#ranges.length;
    while (at > 0 && this.#ranges[at - 1]!.start > range.start) at--;
    this.#ranges.splice(at, 0, { start: range.start, end: range.end });
  }

  /** Takes back one {@link add} of exactly that range. */
  remove({ start, end }: Range): void {
    const at = this.#ranges.findIndex((range) => range.start === start && range.end === end);
    if (at !== -1) this.#ranges.splice(at, 1);
  }

  /** What of a range is pinned: by start, disjoint, neighbours as one. */
  within({ start, end }: Range): Range[] {
    const found: { start: number; end: number }[] = [];
    for (const range of this.#ranges) {
      if (range.start >= end) break;
      const from = Math.max(start, range.start);
      const to = Math.min(end, range.end);
      if (from >= to) continue;
      const last = found.at(-1);
      if (last && last.end >= from) last.end = Math.max(last.end, to);
      else found.push({ start: from, end: to });
    }
    return found;
  }
}
