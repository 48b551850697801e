/**
 * Freed ranges that are not yet safe to use again: a device has not acknowledged that they are gone, an ArrayBuffer
 * over them has not been collected (native work may still hold it), or the kernel had no room to unmap them. Nobody
 * waits here, and nobody walks the list: collected ArrayBuffers announce themselves, and of each device only the oldest
 * open question is asked, since devices acknowledge in order.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';

/** Whether a device is done with a range. */
export type Question = () => boolean;

/** The addresses of a freed buffer, its guard left out. */
export interface QuarantinedRange extends Range {
  /** What this process still has mapped there; more than the range where its guard was covered too. */
  readonly mapped: Range | undefined;
  /** A mapping was still the arena's for a while: what was stored there must go before the range is used again. */
  readonly shared: boolean;
}

interface Entry {
  readonly range: QuarantinedRange;
  /** Devices that have not answered yet. */
  open: number;
  /** An ArrayBuffer over it is still alive. */
  viewed: boolean;
}

/** A list that is taken from at its front, in constant time. */
class Line<T> {
  #items: T[] = [];
  #front = 0;

  first(): T | undefined {
    return this.#items[this.#front];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#front++;
    if (this.#front < 1024 || this.#front * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#front);
    this.#front = 0;
  }
}

export class Quarantine {
  readonly #unmap: (range: Range) => boolean;
  /** For each device what waits for it, oldest first. */
  readonly #lines: Line<{ readonly entry: Entry; readonly question: Question }>[];
  /** Out of use, and still mapped. */
  #idle: QuarantinedRange[] = [];
  /** The kernel refused to unmap all that is idle, and nothing has joined since. */
  #refused = false;
  #safe: QuarantinedRange[] = [];
  #waiting = 0;
  #size = 0;

  /** `unmap` takes a mapping away; false where the kernel has no room to (splitting a mapping takes another). */
  constructor(devices: number, unmap: (range: Range) => boolean) {
    this.#unmap = unmap;
    this.#lines = Array.from({ length: devices }, () => new Line());
  }

  get size(): number {
    return this.#size;
  }

  /** True where only devices, not the collector, keep some range from being used. */
  get waitsForDevices(): boolean {
    return this.#waiting > 0;
  }

  /**
   * Takes a range in, with the questions of the devices that have not let go of it, by device. Gives what to call once
   * its ArrayBuffer has been collected, where one was made.
   */
  add(range: QuarantinedRange, viewed: boolean, questions: readonly (Question | undefined)[]): () => void {
    const entry: Entry = { range, open: 0, viewed };
    questions.forEach((question, device) => {
      if (!question) return;
      entry.open++;
      this.#lines[device]!.push({ entry, question });
    });
    this.#size++;
    if (entry.open > 0 && !viewed) this.#waiting++;
    if (entry.open === 0 && !viewed) this.#retire(entry);
    return () => {
      if (!entry.viewed) return;
      entry.viewed = false;
      if (entry.open > 0) this.#waiting++;
      else this.#retire(entry);
    };
  }

  /**
   * Takes out what is safe now. `again` tries once more to unmap what the kernel refused, for callers that need room.
   */
  release(again = false): readonly QuarantinedRange[] {
    if (this.#size === 0) return [];
    for (const line of this.#lines) {
      for (let next = line.first(); next?.question(); next = line.first()) {
        line.shift();
        const { entry } = next;
        entry.open--;
        if (entry.open > 0 || entry.viewed) continue;
        this.#waiting--;
        this.#retire(entry);
      }
    }
    if (this.#idle.length > 0 && (again || !this.#refused)) this.#unmapIdle();
    const safe = this.#safe;
    if (safe.length === 0) return safe;
    this.#safe = [];
    this.#size -= safe.length;
    return safe;
  }

  #retire({ range }: Entry): void {
    if (!range.mapped) {
      this.#safe.push(range);
      return;
    }
    this.#idle.push(range);
    this.#refused = false;
  }

  /** Neighbours go in one call: that is one mapping fewer, where one by one could need thousands more in between. */
  #unmapIdle(): void {
    const idle = this.#idle.sort((a, b) => a.start - b.start);
    this.#idle = [];
    for (let from = 0; from < idle.length; ) {
      const { start } = idle[from]!.mapped!;
      let { end } = idle[from]!.mapped!;
      let to = from + 1;
      for (; to < idle.length && idle[to]!.mapped!.start === end; to++) end = idle[to]!.mapped!.end;
      const into = this.#unmap({ start, end }) ? this.#safe : this.#idle;
      for (; from < to; from++) into.push(idle[from]!);
    }
    this.#refused = this.#idle.length > 0;
  }
}
