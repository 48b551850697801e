/**
 * The log of maps: how a device in another process learns which ranges are live, without making anyone wait. The
 * host appends an entry per map and unmap; the device's pager reads up to the head before it decides about a fault,
 * and says how far it has read. A range that was unmapped at entry n may be used again once the pager has read past
 * n. The log is a sparse memory file of endless length: segments behind the reader are punched out.
 *
 *     page 0        i32 head, i32 applied (both count entries, modulo 2^32)
 *     page 1 ...    entries of 32 bytes: f64 start, f64 end, f64 operation
 *
 * @module
 */
import { close, ftruncate, memfdCreate, punchHole, tryFtruncate } from '../linux/memfd.ts';
import type { Range } from '../mm/address.ts';
import { MAP_ENTRY } from './control-layout.ts';
import { SharedMemory } from './shared-memory.ts';

const HEADER_BYTES = 4096;
const ENTRY_BYTES = 32;
const SEGMENT_BYTES = 65536;
const SEGMENT_ENTRIES = SEGMENT_BYTES / ENTRY_BYTES;
/** 2^32 entries, then the counters wrap and so does the file. */
const LOG_BYTES = HEADER_BYTES + 2 ** 32 * ENTRY_BYTES;
const LOG_BYTES_LIMITED = HEADER_BYTES + 2 ** 20 * ENTRY_BYTES;

const HEAD = 0;
const APPLIED = 16;
const LOCK = 32;

/** How many entries the reader may fall behind before it is worth waking. */
const LAG_WORTH_A_NUDGE = 8192;

/** One mapped segment of the log's file, remapped as the index moves on. */
class Segment {
  readonly #fd: number;
  readonly #segments: number;
  #number = -1;
  #memory: SharedMemory | undefined;

  constructor(fd: number, segments: number) {
    this.#fd = fd;
    this.#segments = segments;
  }

  /** The float64 view in which entry `index` starts at the index that {@link at} gives. */
  view(index: number): Float64Array {
    const number = Math.floor((index >>> 0) / SEGMENT_ENTRIES) % this.#segments;
    if (number !== this.#number || !this.#memory) {
      // First: should the next one not be mapped, nobody may unmap this one again.
      this.unmap();
      this.#memory = SharedMemory.map(this.#fd, HEADER_BYTES + number * SEGMENT_BYTES, SEGMENT_BYTES);
      this.#number = number;
    }
    return this.#memory.f64;
  }

  static at(index: number): number {
    return ((index >>> 0) % SEGMENT_ENTRIES) * (ENTRY_BYTES / 8);
  }

  unmap(): void {
    this.#memory?.unmap();
    this.#memory = undefined;
    this.#number = -1;
  }
}

/** The host's end. */
export class MapLogWriter {
  readonly fd: number;
  readonly segments: number;
  readonly #header: SharedMemory;
  readonly #segment: Segment;
  #head = 0;
  #nudged = 0;
  #punched = 0;

  constructor() {
    this.fd = memfdCreate('mirrorspace-maps');
    try {
      // RLIMIT_FSIZE may forbid the full length; the log then wraps earlier, which is far more than a reader lags.
      const size = tryFtruncate(this.fd, LOG_BYTES) ? LOG_BYTES : LOG_BYTES_LIMITED;
      if (size === LOG_BYTES_LIMITED) ftruncate(this.fd, size);
      this.segments = (size - HEADER_BYTES) / SEGMENT_BYTES;
      this.#header = SharedMemory.map(this.fd, 0, HEADER_BYTES);
    } catch (error) {
      close(this.fd);
      throw error;
    }
    this.#segment = new Segment(this.fd, this.segments);
  }

  /** A log that lists these ranges. */
  static of(live: readonly (Range & { readonly access: 'read' | 'write' })[]): MapLogWriter {
    const log = new MapLogWriter();
    for (const range of live)
      log.append(range.access === 'read' ? MAP_ENTRY.MAP_READ : MAP_ENTRY.MAP_WRITE, range);
    return log;
  }

  /** Appends an entry; gives its number plus one, for {@link applied}. */
  append(kind: number, range: Range): number {
    const view = this.#segment.view(this.#head);
    const at = Segment.at(this.#head);
    view[at] = range.start;
    view[at + 1] = range.end;
    view[at + 2] = kind;
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#header.i32, HEAD, this.#head);
    if ((this.#head >>> 0) % SEGMENT_ENTRIES === 0) this.#punchBehindReader();
    return this.#head;
  }

  /** True once the reader has taken in everything up to `head`, as {@link append} gave it. */
  applied(head: number): boolean {
    return ((Atomics.load(this.#header.i32, APPLIED) - head) | 0) >= 0;
  }

  /** True, once in a while, where the reader lags so far that it should be woken. */
  get lagging(): boolean {
    if (((this.#head - this.#nudged) | 0) < LAG_WORTH_A_NUDGE) return false;
    this.#nudged = this.#head;
    return ((this.#head - Atomics.load(this.#header.i32, APPLIED)) | 0) >= LAG_WORTH_A_NUDGE;
  }

  #punchBehindReader(): void {
    const done =
      Math.floor((Atomics.load(this.#header.i32, APPLIED) >>> 0) / SEGMENT_ENTRIES) % this.segments;
    if (done <= this.#punched) {
      if (done < this.#punched) this.#punched = 0;
      return;
    }
    punchHole(this.fd, HEADER_BYTES + this.#punched * SEGMENT_BYTES, (done - this.#punched) * SEGMENT_BYTES);
    this.#punched = done;
  }

  close(): void {
    this.#segment.unmap();
    this.#header.unmap();
    close(this.fd);
  }
}

/** The device's end. */
export class MapLogReader {
  readonly #header: SharedMemory;
  readonly #segment: Segment;

  constructor(fd: number, segments: number) {
    this.#header = SharedMemory.map(fd, 0, HEADER_BYTES);
    this.#segment = new Segment(fd, segments);
  }

  /** True where something was logged that nobody has applied yet. */
  get behind(): boolean {
    const { i32 } = this.#header;
    return Atomics.load(i32, HEAD) !== Atomics.load(i32, APPLIED);
  }

  /**
   * Calls `apply` for every new entry, in order, then says that they are applied. Threads of a device may share the
   * work: one at a time applies, and all return with everything applied that was logged when they came.
   */
  catchUp(apply: (kind: number, start: number, end: number) => void): void {
    const { i32 } = this.#header;
    const head = Atomics.load(i32, HEAD);
    if (head === Atomics.load(i32, APPLIED)) return;
    while (Atomics.compareExchange(i32, LOCK, 0, 1) !== 0);
    try {
      for (let index = Atomics.load(i32, APPLIED); ((head - index) | 0) > 0; ) {
        const view = this.#segment.view(index);
        const at = Segment.at(index);
        apply(view[at + 2]!, view[at]!, view[at + 1]!);
        index = (index + 1) | 0;
        Atomics.store(i32, APPLIED, index);
      }
    } finally {
      Atomics.store(i32, LOCK, 0);
    }
  }
}
