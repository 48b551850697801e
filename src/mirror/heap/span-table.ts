/**
 * The core of a heap: objects of one size class side by side in a span, a bit for each that is free, and a list of the
 * spans of a class that have one. Allocating takes the lowest free object of the first such span, which keeps what is
 * in use together; freeing sets a bit. It works on words in abstract memory and asks nobody: where it comes from is
 * the heap's business. Pure.
 *
 * @module
 */
import { hex, invalidType, outOfRange, StateError } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import { AddressMap } from './address-map.ts';
import { COUNTS, SIZES, SPAN } from './size-classes.ts';
import {
  ARENA,
  ARENA_LARGE,
  BITMAP,
  BITMAP_WORDS,
  COUNT,
  clear,
  FREE,
  FREE_LIST,
  HINT,
  INVERSE,
  inverseOf,
  KIND,
  LARGE,
  NEXT,
  PIECE,
  type PREVIOUS,
  RECORD,
  SIZE,
  SpanRecords,
  USED,
  WORD,
} from './span-records.ts';

const NO_MEMORY = new Float64Array(0);

/** What is at an address that is an object's. */
export interface Found {
  readonly span: number;
  /** Bytes that the object takes. */
  readonly size: number;
}

export class SpanTable extends SpanRecords {
  readonly #name: string;
  readonly #map = new AddressMap();
  /**
   * The object that was allocated last, while nothing else has been freed; NaN for none, which is equal to no address that
   * anybody may give. When it is freed it is only put aside, for the next object of its class: that would be given the
   * same one anyway. Whatever else is done gives it back first.
   */
  #recent = Number.NaN;
  #recentSpan = 0;
  #recentSlot = 0;
  #recentClass = 0;
  #recentMemory: Float64Array = NO_MEMORY;
  #recentWord = 0;
  /** The class of {@link #recent} where it was freed and put aside; otherwise -1. */
  #aside = -1;
  readonly #largeSizes = new Map<number, number>();

  /** `name` is the heap's, for messages. */
  constructor(name: string) {
    super();
    this.#name = name;
  }

  // The constants of the next two functions are spelt out, with types that keep them true: a bundler makes variables of
  // a module's constants, which V8 loads anew each time. That was a fifth of the time.

  /** A zeroed object of a class; 0 where no span has one and none is free. */
  alloc(cls: number): Address {
    if (cls === this.#aside) {
      this.#aside = -1;
      clear(this.#recentMemory, this.#recentWord, SIZES[cls]! >>> 3);
      return this.#recent;
    }
    const used = 0 satisfies typeof USED;
    const hint = 4 satisfies typeof HINT;
    const bitmap = 16 satisfies typeof BITMAP;
    if (this.#aside >= 0) this.#giveAside();
    const span = this.first[cls]! || this.#format(cls);
    if (span === 0) return 0;
    const { words, base } = this;
    const record = span * (144 satisfies typeof RECORD);
    let at = words[record + hint]!;
    let bits = words[record + bitmap + at]!;
    while (bits === 0) bits = words[record + bitmap + ++at]!;
    words[record + bitmap + at] = bits & (bits - 1);
    words[record + hint] = at;
    const count = words[record + used]! + 1;
    words[record + used] = count;
    if (count === words[record + (1 satisfies typeof COUNT)]) this.unlink(span, cls);
    const size = words[record + (2 satisfies typeof SIZE)]!;
    const slot = (at << 5) + 31 - Math.clz32(bits & -bits);
    const offset = Math.imul(slot, size);
    const memory = this.memory[span]!;
    const word = words[record + (7 satisfies typeof WORD)]! + (offset >>> 3);
    clear(memory, word, size >>> 3);
    const address = base[span]! + offset;
    this.#recent = address;
    this.#recentSpan = span;
    this.#recentSlot = slot;
    this.#recentClass = cls;
    this.#recentMemory = memory;
    this.#recentWord = word;
    return address;
  }

  /**
   * Takes an object back. Throws for what is none, before anything changes. For a large object gives its span, which
   * the caller then removes together with its memory; otherwise 0.
   */
  free(address: Address): number {
    if (address === this.#recent && this.#aside < 0) {
      this.#aside = this.#recentClass;
      return 0;
    }
    if (typeof address !== 'number' || address === this.#recent) return this.find(address).span;
    const { words } = this;
    const span = this.#map.get(address);
    const record = span * (144 satisfies typeof RECORD);
    // Spans are aligned to their size.
    const offset = address & 0xffff;
    const slot = Math.imul(offset >>> 4, words[record + (3 satisfies typeof INVERSE)]!) >>> 20;
    const exact = Math.imul(slot, words[record + (2 satisfies typeof SIZE)]!) === offset;
    // Where the span is of no class it has a count of 0.
    if (!exact || slot >= words[record + (1 satisfies typeof COUNT)]!) return this.find(address).span;
    const bits = words[record + (16 satisfies typeof BITMAP) + (slot >>> 5)]!;
    if (((bits >>> slot) & 1) !== 0) return this.find(address).span;
    // Now a lower object than the one that was allocated last may be free, and be the one to give out.
    if (this.#aside >= 0) this.#giveAside();
    this.#recent = Number.NaN;
    this.#giveBack(span, slot);
    return 0;
  }

  /** A live object of a span of a class is free. */
  #giveBack(span: number, slot: number): void {
    const used = 0 satisfies typeof USED;
    const hint = 4 satisfies typeof HINT;
    const { words } = this;
    const record = span * (144 satisfies typeof RECORD);
    const word = slot >>> 5;
    words[record + (16 satisfies typeof BITMAP) + word]! |= 1 << slot;
    if (word < words[record + hint]!) words[record + hint] = word;
    const count = words[record + used]! - 1;
    words[record + used] = count;
    if (count + 1 === words[record + (1 satisfies typeof COUNT)]!) {
      this.link(span, words[record + (8 satisfies typeof KIND)]!);
    }
    // The only span of its class stays: one object that comes and goes costs nothing.
    const next = words[record + (5 satisfies typeof NEXT)]!;
    if (count === 0 && (next | words[record + (6 satisfies typeof PREVIOUS)]!) !== 0) this.#release(span);
  }

  /** What was put aside is free for all. */
  #giveAside(): void {
    this.#aside = -1;
    this.#recent = Number.NaN;
    this.#giveBack(this.#recentSpan, this.#recentSlot);
  }

  /** The object at an address. Throws as {@link SpanTable.free} does. */
  find(address: Address): Found {
    if (typeof address !== 'number') throw invalidType('address', 'a number: what alloc returned', address);
    if (this.#aside >= 0) this.#giveAside();
    const span = this.#map.get(address);
    const start = this.base[span]!;
    if (this.kindOf(span) === LARGE && start === address) return { span, size: this.largeSize(span) };
    const size = this.words[span * RECORD + SIZE]!;
    const slot = this.liveSlot(span, address);
    if (slot < 0 || start + slot * size !== address) this.#refuse(address, span);
    return { span, size };
  }

  /** The span that an address lies in, or 0. */
  spanAt(address: Address): number {
    return typeof address === 'number' ? this.#map.get(address) : 0;
  }

  /** A size class, `FREE`, `ARENA`, `LARGE`, `ARENA_LARGE` or `NONE`. */
  kindOf(span: number): number {
    return this.words[span * RECORD + KIND]!;
  }

  pieceOf(span: number): number {
    return this.words[span * RECORD + PIECE]!;
  }

  /** Live objects of a span of a size class. */
  usedOf(span: number): number {
    return this.words[span * RECORD + USED]!;
  }

  /** Ids from 1 to this one are spans, or were. */
  get lastSpan(): number {
    return this.last;
  }

  /** Bytes of a large object, by its span. */
  largeSize(span: number): number {
    return this.#largeSizes.get(span)!;
  }

  /** Where a span lies: its address, and its first word in its memory. */
  placeOf(span: number): { base: Address; memory: Float64Array; word: number } {
    const { base, memory, words } = this;
    return { base: base[span]!, memory: memory[span]!, word: words[span * RECORD + WORD]! };
  }

  /** Adds free spans: all of `[base, base + size)`, whose bytes are `memory`. Gives their ids. */
  addChunk(base: Address, size: number, piece: number, memory: Float64Array): Int32Array {
    const ids = new Int32Array(size / SPAN);
    // From the end, so that the first span comes first in the list.
    for (let i = ids.length - 1; i >= 0; i--) {
      const start = base + i * SPAN;
      const id = this.add(FREE, start, piece, memory, (i * SPAN) / 8);
      this.#map.set(start, start + SPAN, id);
      this.link(id, FREE_LIST);
      ids[i] = id;
    }
    return ids;
  }

  /** Takes a chunk away, if all its spans are free. */
  removeChunk(ids: Int32Array): boolean {
    if (!ids.every((id) => this.kindOf(id) === FREE)) return false;
    for (const id of ids) {
      this.unlink(id, FREE_LIST);
      this.#forget(id, SPAN);
    }
    return true;
  }

  /** What was put aside is given back. */
  settle(): void {
    if (this.#aside >= 0) this.#giveAside();
  }

  /** Empty spans that are kept for their class become free. */
  releaseEmpty(): void {
    this.settle();
    for (let cls = 0; cls < SIZES.length; cls++) {
      for (let span = this.first[cls]!, next = 0; span !== 0; span = next) {
        next = this.words[span * RECORD + NEXT]!;
        if (this.usedOf(span) === 0) this.#release(span);
      }
    }
  }

  /** An object with memory of its own, for the heap or for an arena. */
  addLarge(base: Address, size: number, piece: number, kind: typeof LARGE | typeof ARENA_LARGE): number {
    const id = this.add(kind, base, piece, undefined, 0);
    this.#map.set(base, base + size, id);
    this.#largeSizes.set(id, size);
    return id;
  }

  removeLarge(id: number): void {
    this.#forget(id, this.largeSize(id));
    this.#largeSizes.delete(id);
  }

  /** A span for an arena; 0 where none is free. Its bytes are what they were. */
  takeSpan(): number {
    const span = this.first[FREE_LIST]!;
    if (span === 0) return 0;
    this.unlink(span, FREE_LIST);
    this.words[span * RECORD + KIND] = ARENA;
    return span;
  }

  /** Takes a span of an arena back. */
  giveSpan(span: number): void {
    this.words[span * RECORD + KIND] = FREE;
    this.link(span, FREE_LIST);
  }

  /** A free span for a class; 0 where none is free. */
  #format(cls: number): number {
    const span = this.first[FREE_LIST]!;
    if (span === 0) return 0;
    const { words } = this;
    this.unlink(span, FREE_LIST);
    const record = span * RECORD;
    const count = COUNTS[cls]!;
    words[record + USED] = 0;
    words[record + COUNT] = count;
    words[record + SIZE] = SIZES[cls]!;
    words[record + INVERSE] = inverseOf(SIZES[cls]!);
    words[record + HINT] = 0;
    words[record + KIND] = cls;
    const bitmap = record + BITMAP;
    words.fill(0, bitmap, bitmap + BITMAP_WORDS);
    words.fill(-1, bitmap, bitmap + (count >>> 5));
    if (count % 32 !== 0) words[bitmap + (count >>> 5)] = (1 << (count % 32)) - 1;
    this.link(span, cls);
    return span;
  }

  /** A span of a class becomes free. */
  #release(span: number): void {
    const { words } = this;
    const record = span * RECORD;
    this.unlink(span, words[record + KIND]!);
    words[record + KIND] = FREE;
    words[record + COUNT] = 0;
    this.link(span, FREE_LIST);
  }

  #forget(id: number, size: number): void {
    const base = this.base[id]!;
    this.#map.set(base, base + size, 0);
    this.remove(id);
  }

  /** Says what is wrong with the address of an object. */
  #refuse(address: Address, span: number): never {
    const name = `heap '${this.#name}'`;
    const kind = this.kindOf(span);
    const start = this.base[span]!;
    const inside = (object: Address) =>
      outOfRange(
        'address',
        `the start of an object: this is ${address - object} bytes into the one at ${hex(object)}`,
        address,
      );
    if (kind === ARENA || kind === ARENA_LARGE) {
      const expected =
        "no address of an arena, whose objects are freed together by the arena's reset or close";
      throw outOfRange('address', expected, address);
    }
    if (kind === LARGE && address < start + this.largeSize(span)) throw inside(start);
    if (kind > FREE) throw outOfRange('address', `one that ${name} gave out`, address);
    const slot = this.liveSlot(span, address);
    if (slot >= 0) throw inside(start + slot * this.words[span * RECORD + SIZE]!);
    const what = `nothing is allocated at ${hex(address)} in ${name}: it was freed, or never given out`;
    throw new StateError('freed', what);
  }
}
