/**
 * Bump allocation: objects one behind the other in spans of a heap, none freed alone, all freed at once. For what is
 * built together and dropped together, such as the nodes of an index.
 *
 * @module
 */
import { StateError } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import type { SvmBuffer } from '../svm-buffer.ts';
import { checkObject } from './heap-options.ts';
import { LARGEST_CLASS, SPAN } from './size-classes.ts';

/** Alignment where none is asked for: that of the largest scalar. */
const ALIGN = 8;

/** A span that an arena fills. */
export interface ArenaSpan {
  readonly id: number;
  readonly base: Address;
  readonly memory: Float64Array;
  /** Where the span begins in `memory`, in words of 8 bytes. */
  readonly word: number;
}

/** The span of an object with a buffer of its own. */
export interface LargeSpan {
  readonly id: number;
  readonly base: Address;
}

/** What the heap does for its arenas. */
export interface ArenaSource {
  readonly heap: {
    readonly name: string;
    readonly closed: boolean;
    memoryAt(address: Address): SvmBuffer | undefined;
  };
  takeSpan(): ArenaSpan;
  giveSpan(id: number): void;
  /** Gives the span of an object above 32 KiB, which nobody but this arena can free. */
  allocLarge(size: number): LargeSpan;
  freeLarge(id: number): void;
}

const NO_MEMORY = new Float64Array(0);

/** Made by `heap.arena()`. */
export class HeapArena {
  readonly #source: ArenaSource;
  #spans: ArenaSpan[] = [];
  #large: number[] = [];
  #bytes = 0;
  #closed = false;
  /** The span that is being filled, and how far. */
  #base = 0;
  #offset = SPAN;
  #memory: Float64Array = NO_MEMORY;
  #word = 0;

  /** @internal */
  constructor(source: ArenaSource) {
    this.#source = source;
  }

  get closed(): boolean {
    return this.#closed || this.#source.heap.closed;
  }

  /** Bytes of the objects in it, with what aligning them took. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Address space that it holds, in spans of 64 KiB; its objects above 32 KiB are not counted. */
  get reserved(): number {
    return this.#spans.length * SPAN;
  }

  /**
   * A zeroed object of `size` bytes, aligned to `align` (a power of two up to 65536; 8 by default). It is freed with
   * the arena, never alone. Throws as `heap.alloc` does.
   */
  alloc(size: number, align: number = ALIGN): Address {
    if (this.closed) this.#refuse();
    const whole = typeof size === 'number' && size >>> 0 === size;
    if (align !== ALIGN || !whole || (size - 1) >>> 0 >= LARGEST_CLASS) {
      checkObject(size, align);
      if (size > LARGEST_CLASS) return this.#allocLarge(size);
    }
    // Whole words, since they are what is cleared: so every start is aligned to 8 bytes.
    let start = (this.#offset + align - 1) & -align;
    let end = start + ((size + 7) & -8);
    if (end > SPAN) {
      this.#enter(this.#source.takeSpan());
      start = 0;
      end = (size + 7) & -8;
    }
    const first = this.#word + (start >>> 3);
    const last = this.#word + (end >>> 3);
    // Of few words a loop is faster than `fill`.
    if (size > 256) this.#memory.fill(0, first, last);
    else for (let i = first; i < last; i++) this.#memory[i] = 0;
    this.#bytes += end - this.#offset;
    this.#offset = end;
    return this.#base + start;
  }

  /** The buffer that holds an address of the heap: what accessors ask. */
  memoryAt(address: Address): SvmBuffer | undefined {
    return this.#source.heap.memoryAt(address);
  }

  /** Frees all objects at once. The arena can be used again. */
  reset(): void {
    if (this.closed) this.#refuse();
    this.#release();
  }

  /** Frees all objects at once and ends the arena. Safe to call twice. */
  close(): void {
    if (this.closed) return;
    this.#release();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #allocLarge(size: number): Address {
    const { id, base } = this.#source.allocLarge(size);
    this.#large.push(id);
    this.#bytes += size;
    return base;
  }

  #enter(span: ArenaSpan): void {
    this.#spans.push(span);
    this.#base = span.base;
    this.#memory = span.memory;
    this.#word = span.word;
    this.#offset = 0;
  }

  #release(): void {
    const [spans, large] = [this.#spans, this.#large];
    this.#spans = [];
    this.#large = [];
    this.#bytes = 0;
    this.#offset = SPAN;
    this.#memory = NO_MEMORY;
    for (const { id } of spans) this.#source.giveSpan(id);
    for (const id of large) this.#source.freeLarge(id);
  }

  #refuse(): never {
    const what = this.#source.heap.closed
      ? `heap '${this.#source.heap.name}'`
      : `an arena of heap '${this.#source.heap.name}'`;
    throw new StateError('closed', `${what} is closed`);
  }
}
