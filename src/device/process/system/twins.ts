/**
 * The pages of a device that a kernel may have stored to, each with its twin: the bytes that it had before. At the end of
 * a packet the pages are write-protected again and compared with their twins, and the host's memory gets the bytes that
 * differ, and only those. So host and device may change different bytes of one page at the same time.
 *
 * @module
 */
import type { TraceWriter } from '../../../engine/trace-ring.ts';
import { readMemory, writeRuns } from '../../../linux/other-process.ts';
import { writeProtect } from '../../../linux/userfaultfd.ts';
import type { Range } from '../../../mm/address.ts';
import { differingRuns } from './diff.ts';
import { Residency } from './residency.ts';

/** Pages that are read from the device at once. */
const BATCH = 64;

export interface TwinsOptions {
  readonly pid: number;
  readonly userfaultfd: number;
  readonly pageSize: number;
  /** The parts of a page that may be written back. */
  writable(page: Range): readonly Range[];
  /** Whether the host still has there what the page was copied from. */
  isSame(page: Range): boolean;
  /** Counts bytes that were written to the host. */
  wrote(bytes: number): void;
  readonly trace: TraceWriter;
}

export class Twins {
  readonly dirty: Residency;
  readonly #o: TwinsOptions;
  readonly #twins = new Map<number, Uint8Array>();
  readonly #spare: Uint8Array[] = [];
  readonly #snapshot: Uint8Array;
  /** Bytes that were written back, ever. */
  #wrote = 0;

  constructor(options: TwinsOptions) {
    this.#o = options;
    this.dirty = new Residency(options.pageSize);
    this.#snapshot = new Uint8Array(BATCH * options.pageSize);
  }

  get pages(): number {
    return this.dirty.pages;
  }

  /**
   * Keeps the bytes of pages that are protected, and opens them for stores. False where they can't be had: they are not
   * there any more.
   */
  open({ start, end }: Range): boolean {
    const { pid, pageSize, userfaultfd } = this.#o;
    for (let page = start; page < end; page += pageSize) {
      const twin = this.#spare.pop() ?? new Uint8Array(pageSize);
      if (readMemory(pid, page, twin, 0, pageSize) !== pageSize) {
        this.#spare.push(twin);
        end = page;
        break;
      }
      this.#twins.set(page, twin);
    }
    if (end === start) return false;
    this.dirty.add({ start, end });
    return writeProtect(userfaultfd, start, end - start, false) === '';
  }

  /**
   * Writes back what differs in `range`, and closes its pages. Gives the ranges that the host could not be given: what
   * was there is gone, or may not be stored to, or the device has ended first. `cause` is the TRACED that says why.
   */
  flush(range: Range, cause: number): Range[] {
    const { trace } = this.#o;
    const failed: Range[] = [];
    for (const part of this.dirty.within(range)) {
      const began = trace.begin();
      const [before, bytes] = [failed.length, this.#wrote];
      for (let at = part.start; at < part.end; at += this.#snapshot.length)
        this.#flushBatch(at, Math.min(part.end, at + this.#snapshot.length), failed);
      const unwritten = (failed.length - before) * this.#o.pageSize;
      trace.end(began, cause, part.start, part, this.#wrote - bytes, unwritten);
    }
    return failed;
  }

  flushAll(cause: number): Range[] {
    return this.dirty.ranges().flatMap((range) => this.flush(range, cause));
  }

  #flushBatch(start: number, end: number, failed: Range[]): void {
    const { pid, pageSize, userfaultfd } = this.#o;
    // First: what is stored from now on waits, and finds the page closed.
    writeProtect(userfaultfd, start, end - start, true);
    const got = readMemory(pid, start, this.#snapshot, 0, end - start);
    for (let page = start; page < end; page += pageSize) {
      const offset = page - start;
      const twin = this.#twins.get(page)!;
      if (
        offset + pageSize > got ||
        !this.#writeBack(page, twin, this.#snapshot.subarray(offset, offset + pageSize))
      )
        failed.push({ start: page, end: page + pageSize });
      this.#twins.delete(page);
      if (this.#spare.length < BATCH) this.#spare.push(twin);
    }
    this.dirty.remove({ start, end });
  }

  #writeBack(page: number, twin: Uint8Array, now: Uint8Array): boolean {
    const { isSame, pageSize, writable, wrote } = this.#o;
    const whole = { start: page, end: page + pageSize };
    for (const part of writable(whole)) {
      const runs = differingRuns(
        twin,
        now,
        Math.max(0, part.start - page),
        Math.min(pageSize, part.end - page),
      );
      if (runs.length === 0) continue;
      let bytes = 0;
      for (let i = 1; i < runs.length; i += 2) bytes += runs[i]!;
      if (!isSame(whole)) return false;
      const written = writeRuns(process.pid, page, now, runs);
      wrote(written);
      this.#wrote += written;
      if (written !== bytes) return false;
    }
    return true;
  }
}
