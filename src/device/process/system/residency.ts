/**
 * Which pages of a process's memory a device has copies of: a bitmap of 512 pages per block, blocks by number. Pure.
 *
 * @module
 */
import { alignDown, alignUp, type Range } from '../../../mm/address.ts';

/** Pages of a block: with pages of 4 KiB a block is 2 MiB, the largest chunk that is fetched at once. */
export const BLOCK_PAGES = 512;
const WORDS = BLOCK_PAGES / 32;

export class Residency {
  readonly pageSize: number;
  readonly blockSize: number;
  readonly #blocks = new Map<number, Uint32Array>();
  #pages = 0;

  /** What {@link ranges} gave, while nothing has changed: it is asked before every packet. */
  #listed: readonly Range[] | undefined;

  constructor(pageSize: number) {
    this.pageSize = pageSize;
    this.blockSize = pageSize * BLOCK_PAGES;
  }

  /** Pages that are resident. */
  get pages(): number {
    return this.#pages;
  }

  has(address: number): boolean {
    const words = this.#blocks.get(Math.floor(address / this.blockSize));
    if (!words) return false;
    const page = Math.floor((address % this.blockSize) / this.pageSize);
    return (words[page >>> 5]! & (1 << (page & 31))) !== 0;
  }

  add(range: Range): void {
    this.#listed = undefined;
    this.#each(range, true, (words, word, mask) => {
      this.#pages += popcount(mask & ~words[word]!);
      words[word]! |= mask;
    });
  }

  remove(range: Range): void {
    this.#listed = undefined;
    this.#each(range, false, (words, word, mask) => {
      this.#pages -= popcount(mask & words[word]!);
      words[word]! &= ~mask;
    });
  }

  /** Resident pages within a range. */
  count({ start, end }: Range): number {
    const to = alignUp(end, this.pageSize);
    let count = 0;
    for (let at: number = alignDown(start, this.pageSize); at < to; ) {
      const number = Math.floor(at / this.blockSize);
      const base = number * this.blockSize;
      const next = Math.min(to, base + this.blockSize);
      const words = this.#blocks.get(number);
      if (words) count += countBits(words, (at - base) / this.pageSize, (next - base) / this.pageSize);
      at = next;
    }
    return count;
  }

  /** What of a range is resident, by start, neighbours as one. */
  within(range: Range): Range[] {
    return this.#runs(range, true);
  }

  /** What of a range is not resident, by start, neighbours as one. */
  gaps(range: Range): Range[] {
    return this.#runs(range, false);
  }

  /** All of it, by start, neighbours as one. */
  ranges(): readonly Range[] {
    this.#listed ??= this.#list();
    return this.#listed;
  }

  #list(): Range[] {
    const found: { start: number; end: number }[] = [];
    const numbers = [...this.#blocks.keys()].sort((a, b) => a - b);
    for (const number of numbers) {
      const start = number * this.blockSize;
      for (const run of this.within({ start, end: start + this.blockSize })) {
        const last = found.at(-1);
        if (last?.end === run.start) last.end = run.end;
        else found.push({ ...run });
      }
    }
    return found;
  }

  #runs({ start, end }: Range, resident: boolean): Range[] {
    const found: { start: number; end: number }[] = [];
    const from = alignDown(start, this.pageSize);
    const to = alignUp(end, this.pageSize);
    for (let at = from; at < to; ) {
      const next = Math.min(to, alignDown(at, this.blockSize) + this.blockSize);
      const words = this.#blocks.get(Math.floor(at / this.blockSize));
      if (!words) {
        if (!resident) append(found, at, next);
      } else {
        const base = alignDown(at, this.blockSize);
        for (let page = (at - base) / this.pageSize; page < (next - base) / this.pageSize; ) {
          // A word at a time where all of its pages are alike.
          const bits = words[page >>> 5]!;
          const alike = (page & 31) === 0 && (bits === 0 || bits === 0xffffffff);
          const step = alike ? Math.min(32, (next - base) / this.pageSize - page) : 1;
          const start = base + page * this.pageSize;
          if (((bits >>> (page & 31)) & 1) === (resident ? 1 : 0))
            append(found, start, start + step * this.pageSize);
          page += step;
        }
      }
      at = next;
    }
    return found;
  }

  /** Calls back for each word of bits that the range touches; blocks are made where `make`, and dropped when empty. */
  #each(
    { start, end }: Range,
    make: boolean,
    visit: (words: Uint32Array, word: number, mask: number) => void,
  ): void {
    const to = alignUp(end, this.pageSize);
    for (let at: number = alignDown(start, this.pageSize); at < to; ) {
      const number = Math.floor(at / this.blockSize);
      const base = number * this.blockSize;
      const next = Math.min(to, base + this.blockSize);
      let words = this.#blocks.get(number);
      if (!words && make) {
        words = new Uint32Array(WORDS);
        this.#blocks.set(number, words);
      }
      if (words) {
        const first = (at - base) / this.pageSize;
        const last = (next - base) / this.pageSize;
        for (let word = first >>> 5; word * 32 < last; word++)
          visit(words, word, maskOf(first - word * 32, last - word * 32));
        if (!make && words.every((bits) => bits === 0)) this.#blocks.delete(number);
      }
      at = next;
    }
  }
}

/** Bits `from` to before `to`, cut to a word. */
function maskOf(from: number, to: number): number {
  const low = Math.max(0, from);
  const high = Math.min(32, to);
  const upper = high === 32 ? -1 : (1 << high) - 1;
  return upper & ~((1 << low) - 1);
}

function countBits(words: Uint32Array, first: number, last: number): number {
  let count = 0;
  for (let word = first >>> 5; word * 32 < last; word++) {
    const bits = words[word]!;
    if (bits !== 0) count += popcount(bits & maskOf(first - word * 32, last - word * 32));
  }
  return count;
}

function popcount(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

function append(runs: { start: number; end: number }[], start: number, end: number): void {
  const last = runs.at(-1);
  if (last?.end === start) last.end = end;
  else runs.push({ start, end });
}
