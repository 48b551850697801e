/**
 * The bookkeeping of spans: one record of 32-bit words for each, all in one typed array, so that allocating touches few
 * cache lines. It lies in JavaScript's own memory and not in the memory that it describes, so that a kernel which
 * stores where it should not can't break the allocator. Pure.
 *
 * @module
 */
import { GRAIN } from './size-classes.ts';

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
