/**
 * The bookkeeping of spans: one record of 32-bit words for each, all in one typed array, so that allocating touches few
 * cache lines. It lies in JavaScript's own memory and not in the memory that it describes, so that a kernel which
 * stores where it should not can't break the allocator. Pure.
 *
 * @module
 */
import type { Address } from '../../mm/address.ts';
import { GRAIN, SIZES } from './size-classes.ts';

// Words of a record.
/** Live objects. */
export const USED = 0;
/** How many objects fit. */
export const COUNT = 1;
/** Bytes of an object. */
export const SIZE = 2;
/** What to multiply with to divide by the size; see {@link inverseOf}. */
export const INVERSE = 3;
/** No word of the bitmap before this one has a set bit. */
export const HINT = 4;
export const NEXT = 5;
export const PREVIOUS = 6;
/** Where the span begins in the memory of its piece, in words of 8 bytes. */
export const WORD = 7;
/** A size class, or one of the constants below. */
export const KIND = 8;
/** The piece of memory that the span is of. */
export const PIECE = 9;
/** Here begins a bit for each object, of which a span holds up to 4096; set where it is free. */
export const BITMAP = 16;
export const BITMAP_WORDS = 128;
/** Words of a record in all. */
export const RECORD = 144;

// What a span is, where it holds no size class.
export const FREE = 251;
export const ARENA = 252;
/** An object above the largest class, with a buffer of its own. */
export const LARGE = 253;
/** No span: a record that is not in use. */
export const NONE = 254;
/** An object above the largest class that belongs to an arena. */
export const ARENA_LARGE = 255;

/** The lists are by class, and one of free spans. */
export const FREE_LIST: number = SIZES.length;

const FIRST_CAPACITY = 32;
const SHIFT = 20;

/**
 * A factor `f` such that `offset / size` is `(offset / 16 * f) >>> 20` for every offset that is a multiple of the size,
 * in 32-bit arithmetic: a division without one.
 */
export function inverseOf(size: number): number {
  return Math.ceil(2 ** SHIFT / (size / GRAIN));
}

/** Span ids count from 1: lists end at 0, and record 0 is that of no span. */
export class SpanRecords {
  words: Int32Array = new Int32Array(FIRST_CAPACITY * RECORD);
  base: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** The memory of the span's piece, in words of 8 bytes. */
  memory: (Float64Array | undefined)[] = [undefined];
  /** Spans with a free object, by class, then free spans: the first of each list. */
  readonly first: Int32Array = new Int32Array(SIZES.length + 1);
  #last = 0;
  readonly #unused: number[] = [];

  constructor() {
    this.words[KIND] = NONE;
  }

  /** An id for a new span. */
  add(kind: number, base: number, piece: number, memory: Float64Array | undefined, word: number): number {
    const id = this.#unused.pop() ?? ++this.#last;
    if (id === this.base.length) this.#widen();
    const record = id * RECORD;
    this.words.fill(0, record, record + RECORD);
    this.words[record + KIND] = kind;
    this.words[record + PIECE] = piece;
    this.words[record + WORD] = word;
    this.base[id] = base;
    this.memory[id] = memory;
    return id;
  }

  remove(id: number): void {
    this.words[id * RECORD + KIND] = NONE;
    this.memory[id] = undefined;
    this.#unused.push(id);
  }

  /** Ids from 1 up to this one have been given out. */
  get last(): number {
    return this.#last;
  }

  /** Puts a span first in a list: that of a class, or {@link FREE_LIST}. */
  link(span: number, list: number): void {
    const { words } = this;
    const first = this.first[list]!;
    words[span * RECORD + NEXT] = first;
    words[span * RECORD + PREVIOUS] = 0;
    if (first !== 0) words[first * RECORD + PREVIOUS] = span;
    this.first[list] = span;
  }

  unlink(span: number, list: number): void {
    const { words } = this;
    const before = words[span * RECORD + PREVIOUS]!;
    const after = words[span * RECORD + NEXT]!;
    if (after !== 0) words[after * RECORD + PREVIOUS] = before;
    if (before !== 0) words[before * RECORD + NEXT] = after;
    else this.first[list] = after;
    words[span * RECORD + NEXT] = 0;
    words[span * RECORD + PREVIOUS] = 0;
  }

  /** The object, by its number in a span of a class, that an address lies in; -1 where there is none alive. */
  liveSlot(span: number, address: Address): number {
    const { words, base } = this;
    const record = span * RECORD;
    if (words[record + KIND]! >= SIZES.length) return -1;
    const slot = Math.floor((address - base[span]!) / words[record + SIZE]!);
    if (slot >= words[record + COUNT]!) return -1;
    return (words[record + BITMAP + (slot >>> 5)]! & (1 << slot)) === 0 ? slot : -1;
  }

  #widen(): void {
    const capacity = this.base.length * 2;
    const words = new Int32Array(capacity * RECORD);
    words.set(this.words);
    this.words = words;
    const base = new Float64Array(capacity);
    base.set(this.base);
    this.base = base;
  }
}

/** Zeroes words of 8 bytes, an even number of them. */
export function clear(memory: Float64Array, from: number, count: number): void {
  // Of fewer words a loop is faster than `fill`.
  if (count > 32) memory.fill(0, from, from + count);
  else {
    let i = from + count;
    do {
      i -= 2;
      memory[i + 1] = 0;
      memory[i] = 0;
    } while (i > from);
  }
}
