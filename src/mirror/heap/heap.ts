/**
 * Small objects in mirrored memory. The heap takes chunks from the mirror, so that every device sees its objects at
 * the addresses that it gives out, and cuts them up by the bookkeeping in {@link SpanTable}, which lies outside of the
 * memory that kernels can reach.
 *
 * @module
 */
import { LimitError, outOfRange, PlacementError, StateError } from '../../errors.ts';
import { type Address, alignDown, alignUp } from '../../mm/address.ts';
import type { AllocOptions } from '../alloc-options.ts';
import type { SvmBuffer } from '../svm-buffer.ts';
import type { TypedArrayConstructor } from '../view-arguments.ts';
import { type ArenaSpan, HeapArena, type LargeSpan } from './heap-arena.ts';
import { type CheckedHeap, checkObject, nextChunk } from './heap-options.ts';
import { type HeapStatistics, heapStatistics } from './heap-statistics.ts';
import { alignedClass, CLASS_OF, GRAIN, LARGEST_CLASS, SPAN } from './size-classes.ts';
import { ARENA_LARGE, LARGE } from './span-records.ts';
import { SpanTable } from './span-table.ts';

/** Where a heap's memory comes from: a mirror. */
export interface HeapHost {
  readonly closed: boolean;
  readonly pageSize: number;
  alloc(size: number, options: AllocOptions): SvmBuffer;
}

/** A chunk with the ids of its spans, or the memory of one large object. */
interface Piece {
  readonly buffer: SvmBuffer;
  /** What it counts as, in bytes. */
  readonly reserved: number;
  readonly spans: Int32Array | undefined;
}

const CLOSED: HeapHost = {
  closed: true,
  pageSize: 1,
  alloc: () => {
    throw new StateError('closed', 'the heap is closed');
  },
};

/** Made by `mirror.heap()`. It belongs to the thread that made it. */
export class Heap {
  readonly name: string;
  /** {@link CLOSED} once the heap is closed: so that `alloc` asks one thing and not two. */
  #host: HeapHost;
  readonly #options: CheckedHeap;
  #table: SpanTable;
  readonly #pieces: (Piece | undefined)[] = [];
  readonly #unused: number[] = [];
  #reserved = 0;
  #chunkBytes = 0;
  #chunks = 0;
  #chunksEver = 0;

  /** @internal Use `mirror.heap()`. */
  constructor(host: HeapHost, name: string, options: CheckedHeap) {
    this.name = name;
    this.#host = host;
    this.#options = options;
    this.#table = new SpanTable(name);
  }

  /** The heap was closed, or its mirror. */
  get closed(): boolean {
    return this.#host.closed;
  }

  /**
   * The address of a zeroed object of `size` bytes, aligned to `align` (a power of two up to 65536), and to 16 bytes in
   * any case. Up to 32 KiB it comes from a chunk, in some tens of nanoseconds; a larger one has a buffer of its own.
   *
   * Throws TypeError or RangeError for bad arguments, StateError on a closed heap, {@link LimitError} where `maxBytes`
   * does not allow it, and what `mirror.alloc` throws where the heap can't grow; nothing has changed then.
   */
  alloc(size: number, align: number = GRAIN): Address {
    if (this.#host.closed) this.#refuse();
    // Numbers are spelt out for the reason that SpanTable gives.
    const whole =
      typeof size === 'number' &&
      size >>> 0 === size &&
      (align === (16 satisfies typeof GRAIN) || align === 8);
    if (whole && (size - 1) >>> 0 < (0x8000 satisfies typeof LARGEST_CLASS)) {
      const address = this.#table.alloc(CLASS_OF[(size + 15) >>> 4]!);
      if (address !== 0) return address;
    }
    return this.#allocSlowly(size, align);
  }

  /**
   * Gives an object back, at once: also where a kernel that is still running uses it, so free after `done`. (A large
   * object's buffer goes after pending commands, as by `buffer.free`.) An address that is not an object's is refused:
   * RangeError for a foreign one, one inside of an object or in an arena, StateError for one that has been freed.
   */
  free(address: Address): void {
    if (this.#host.closed) this.#refuse();
    const large = this.#table.free(address);
    if (large !== 0) this.#freeLarge(large);
  }

  /** Bytes that the object there may use: at least as many as were asked for. Refuses addresses as `free` does. */
  sizeOf(address: Address): number {
    if (this.closed) this.#refuse();
    return this.#table.find(address).size;
  }

  /**
   * A typed array (or DataView) over the object at an address; `length` in elements, all of the object by default. It
   * shows whatever comes there after the object has been freed.
   */
  view<T extends NodeJS.ArrayBufferView>(
    type: TypedArrayConstructor<T>,
    address: Address,
    length?: number,
  ): T;
  view(type: DataViewConstructor, address: Address, length?: number): DataView;
  view(type: unknown, address: Address, length?: number): unknown {
    const size = this.sizeOf(address);
    const width = (type as TypedArrayConstructor<unknown>)?.BYTES_PER_ELEMENT ?? 1;
    const most = Math.floor(size / width);
    if (typeof length === 'number' && length > most) {
      throw outOfRange('length', `from 0 to ${most} elements`, length);
    }
    const buffer = this.memoryAt(address)!;
    return buffer.view(type as DataViewConstructor, address - buffer.address, length ?? most);
  }

  /** The buffer that holds an address of the heap; undefined for any other. This is what accessors ask. */
  memoryAt(address: Address): SvmBuffer | undefined {
    const span = this.#table.spanAt(address);
    if (span === 0) {
      if (this.closed) this.#refuse();
      return undefined;
    }
    return this.#pieces[this.#table.pieceOf(span)]!.buffer;
  }

  /** An arena: objects that are freed together. */
  arena(): HeapArena {
    if (this.closed) this.#refuse();
    return new HeapArena({
      heap: this,
      takeSpan: () => this.#takeSpan(),
      giveSpan: (id) => this.#table.giveSpan(id),
      allocLarge: (size) => this.#allocLarge(size, ARENA_LARGE),
      freeLarge: (id) => this.#freeLarge(id),
    });
  }

  /** Sizes, counts and fragmentation as they are now. */
  statistics(): HeapStatistics {
    if (this.closed) this.#refuse();
    this.#table.settle();
    return heapStatistics(this.#table, this.#reserved, this.#chunks);
  }

  /** Gives chunks without an object back to the mirror; until then a heap keeps what it has. Returns their bytes. */
  trim(): number {
    if (this.closed) this.#refuse();
    this.#table.releaseEmpty();
    let bytes = 0;
    this.#pieces.forEach((piece, index) => {
      if (!piece?.spans || !this.#table.removeChunk(piece.spans)) return;
      this.#chunkBytes -= piece.reserved;
      this.#chunks--;
      bytes += piece.reserved;
      this.#discard(index, piece);
    });
    return bytes;
  }

  /** Frees everything, as `buffer.free` does. Safe to call twice. */
  close(): void {
    if (this.#host === CLOSED) return;
    this.#host = CLOSED;
    this.#pieces.forEach((piece, index) => {
      if (piece) this.#discard(index, piece);
    });
    this.#table = new SpanTable(this.name);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #allocSlowly(size: number, align: number): Address {
    checkObject(size, align);
    if (size > LARGEST_CLASS || align > LARGEST_CLASS) return this.#allocLarge(size, LARGE).base;
    const cls = alignedClass(size, align);
    const address = this.#table.alloc(cls);
    if (address !== 0) return address;
    this.#grow();
    return this.#table.alloc(cls);
  }

  /** A chunk from the mirror: the size that it ought to have, or what there is a hole for. */
  #grow(): void {
    const { chunkSize, maxBytes } = this.#options;
    const room = Math.min(maxBytes - this.#reserved, Number.MAX_SAFE_INTEGER);
    let size = Math.min(nextChunk(chunkSize, this.#chunkBytes), alignDown(Math.floor(room), SPAN));
    if (size < SPAN) throw new LimitError(`heap '${this.name}'`, maxBytes, this.#reserved, SPAN);
    for (;;) {
      try {
        this.#addChunk(size);
        return;
      } catch (error) {
        if (!(error instanceof PlacementError) || size === SPAN) throw error;
        size = Math.max(SPAN, alignDown(size / 2, SPAN));
      }
    }
  }

  #addChunk(size: number): void {
    const buffer = this.#host.alloc(size, {
      ...this.#options.buffers,
      name: `${this.name} chunk ${++this.#chunksEver}`,
    });
    let words: Float64Array;
    try {
      words = buffer.view(Float64Array);
    } catch (error) {
      buffer.free();
      throw error;
    }
    buffer.heap = this.name;
    const piece = this.#unused.pop() ?? this.#pieces.length;
    const spans = this.#table.addChunk(buffer.address, size, piece, words);
    this.#pieces[piece] = { buffer, reserved: size, spans };
    this.#reserved += size;
    this.#chunkBytes += size;
    this.#chunks++;
  }

  #allocLarge(size: number, kind: typeof LARGE | typeof ARENA_LARGE): LargeSpan {
    const reserved = alignUp(size, this.#host.pageSize);
    const { maxBytes, buffers } = this.#options;
    if (this.#reserved + reserved > maxBytes) {
      throw new LimitError(`heap '${this.name}'`, maxBytes, this.#reserved, reserved);
    }
    const buffer = this.#host.alloc(size, { ...buffers, name: `${this.name} object` });
    buffer.heap = this.name;
    const piece = this.#unused.pop() ?? this.#pieces.length;
    const id = this.#table.addLarge(buffer.address, size, piece, kind);
    this.#pieces[piece] = { buffer, reserved, spans: undefined };
    this.#reserved += reserved;
    return { id, base: buffer.address };
  }

  #freeLarge(span: number): void {
    const index = this.#table.pieceOf(span);
    this.#table.removeLarge(span);
    this.#discard(index, this.#pieces[index]!);
  }

  #discard(index: number, { buffer, reserved }: Piece): void {
    this.#pieces[index] = undefined;
    this.#unused.push(index);
    this.#reserved -= reserved;
    buffer.heap = undefined;
    // A closing mirror frees all.
    if (!buffer.freed) buffer.free();
  }

  #takeSpan(): ArenaSpan {
    let id = this.#table.takeSpan();
    if (id === 0) {
      this.#grow();
      id = this.#table.takeSpan();
    }
    return { id, ...this.#table.placeOf(id) };
  }

  #refuse(): never {
    throw new StateError(
      'closed',
      `heap '${this.name}' is closed${this.#host === CLOSED ? '' : ' with its mirror'}`,
    );
  }
}
