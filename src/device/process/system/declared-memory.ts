/**
 * The pages of the host's memory that devices without faults have copies of, one copy for all such devices of a mirror.
 * It lies in the arena, at the offset that is the page's address: no buffer can be where the host has memory of its own,
 * and so to a device such a page is mapped like a buffer's. With each page goes its twin, the bytes that both sides had
 * last: what differs from it on one side is what that side has stored, byte by byte, and goes to the other.
 *
 *     host's page  --- differs from the twin: before a packet --->  copy in the arena
 *                  <-- differs from the twin: after a packet  ----
 *
 * So host and kernels may store to different bytes of a page at any time, and nothing is lost.
 *
 * @module
 */
import { readSync, writeSync } from 'node:fs';
import { allocatePages, punchHole } from '../../../linux/memfd.ts';
import { readMemory, writeRuns } from '../../../linux/other-process.ts';
import type { Range } from '../../../mm/address.ts';
import type { DeclaredRun } from './declared-runs.ts';
import { differingRuns, type Runs } from './diff.ts';
import { Pins } from './pins.ts';

/** Bytes that are looked at in one go. */
const BATCH = 1 << 20;

/** A range of the host's memory that kernels of one device may reach. */
export interface Declaration extends Range {
  /** Whether they may store there. */
  readonly write: boolean;
  /** False where that memory is not its owner's any more: the view was transferred. */
  held(): boolean;
}

interface Page {
  readonly twin: Buffer;
  /** Devices that have it, and those of them that may store to it. */
  holders: number;
  writers: number;
}

/** What went one way. */
export interface Moved {
  readonly bytes: number;
  /** What the host does not have any more, or may not touch. */
  readonly failed: readonly Range[];
}

const memories = new WeakMap<object, DeclaredMemory>();

export class DeclaredMemory {
  /** Changes with every declaration that comes, goes, or turns out to be void. */
  version = 0;
  readonly #fd: number;
  readonly #pageSize: number;
  readonly #declared = new Map<Declaration, true>();
  readonly #writable = new Pins();
  readonly #pages = new Map<number, Page>();
  /** Runs of pages, by start. */
  #batches: Range[] | undefined;
  /** Those that a device may store to. */
  #stored: Range[] | undefined;
  readonly #snapshot: Buffer;
  #running = 0;

  /** That of a mirror. */
  static of(arena: { readonly fd: number }, pageSize: number): DeclaredMemory {
    let memory = memories.get(arena);
    if (!memory) {
      memory = new DeclaredMemory(arena.fd, pageSize);
      memories.set(arena, memory);
    }
    return memory;
  }

  constructor(fd: number, pageSize: number) {
    this.#fd = fd;
    this.#pageSize = pageSize;
    this.#snapshot = Buffer.alloc(Math.max(BATCH, pageSize));
  }

  /** No packet of any of the devices is under way, and what they have stored is in the host's memory. */
  get quiet(): boolean {
    return this.#running === 0;
  }

  /** Packets have begun, or, below 0, ended. */
  ran(packets: number): void {
    this.#running += packets;
  }

  add(declaration: Declaration): void {
    this.#declared.set(declaration, true);
    if (declaration.write) this.#writable.add(declaration);
    this.version++;
  }

  remove(declaration: Declaration): void {
    if (!this.#declared.delete(declaration)) return;
    if (declaration.write) this.#writable.remove(declaration);
    this.version++;
  }

  /** One more device has those pages. Throws SystemError where there is no memory for them, and has none of them then. */
  hold({ start, end, access }: DeclaredRun): void {
    const size = this.#pageSize;
    allocatePages(this.#fd, start, end - start);
    const twins = Buffer.alloc(end - start);
    for (let page = start; page < end; page += size) {
      let known = this.#pages.get(page);
      if (!known) {
        known = { twin: twins.subarray(page - start, page - start + size), holders: 0, writers: 0 };
        this.#pages.set(page, known);
      }
      known.holders++;
      if (access === 'write') known.writers++;
    }
    this.#changed();
  }

  /**
   * One device less has those pages: whatever any of them has mapped there is gone. Nothing may run; those that others
   * have are filled again by {@link toDevice}.
   */
  release({ start, end, access }: DeclaredRun): void {
    for (let page = start; page < end; page += this.#pageSize) {
      const known = this.#pages.get(page);
      if (!known) continue;
      if (access === 'write') known.writers--;
      if (--known.holders === 0) this.#pages.delete(page);
      else known.twin.fill(0);
    }
    punchHole(this.#fd, start, end - start);
    this.#changed();
  }

  /** A device that had those pages is no more; others go on. */
  drop({ start, end, access }: DeclaredRun): void {
    for (let page = start; page < end; page += this.#pageSize) {
      const known = this.#pages.get(page);
      if (!known) continue;
      if (access === 'write') known.writers--;
      if (--known.holders > 0) continue;
      this.#pages.delete(page);
      punchHole(this.#fd, page, this.#pageSize);
    }
    this.#changed();
  }

  #changed(): void {
    this.#batches = undefined;
    this.#stored = undefined;
  }

  /** Takes what the host has stored since the last time to the copies. */
  toDevice(): Moved {
    const failed: Range[] = [];
    let bytes = 0;
    for (const { start, end } of this.#runs()) {
      for (let at: number = start; at < end; ) {
        const got = readMemory(process.pid, at, this.#snapshot, 0, end - at);
        const whole = got - (got % this.#pageSize);
        bytes += this.#fill(at, whole);
        at += whole;
        if (at === end) break;
        failed.push({ start: at, end: at + this.#pageSize });
        at += this.#pageSize;
      }
    }
    return { bytes, failed };
  }

  /** Pages that differ from their twins go whole where no kernel can be storing to them. */
  #fill(start: number, length: number): number {
    const size = this.#pageSize;
    let bytes = 0;
    /** Changed pages up to here, whole. */
    let from = -1;
    for (let offset = 0; offset <= length; offset += size) {
      const twin = offset < length ? this.#pages.get(start + offset)!.twin : undefined;
      const now = this.#snapshot.subarray(offset, offset + size);
      const changed = twin !== undefined && twin.compare(now) !== 0;
      if (changed && this.quiet) {
        if (from === -1) from = offset;
        twin.set(now);
        continue;
      }
      if (from !== -1) {
        this.#store(start + from, this.#snapshot.subarray(from, offset));
        bytes += offset - from;
        from = -1;
      }
      if (changed) bytes += this.#storeRuns(start + offset, now, differingRuns(twin, now), twin);
    }
    return bytes;
  }

  /** Takes what kernels have stored since the last time to the host, where that is declared; elsewhere it is undone. */
  toHost(): Moved {
    const size = this.#pageSize;
    const gone = this.#sweep();
    const failed: Range[] = [];
    let bytes = 0;
    for (const { start, end } of this.#storedRuns()) {
      const got = readSync(this.#fd, this.#snapshot, 0, end - start, start);
      for (let page = start; page + size <= start + got; page += size) {
        const now = this.#snapshot.subarray(page - start, page - start + size);
        const { twin } = this.#pages.get(page)!;
        if (twin.compare(now) === 0) continue;
        bytes += this.#writeBack(page, now, twin, gone, failed);
      }
    }
    return { bytes, failed };
  }

  #writeBack(page: number, now: Buffer, twin: Buffer, gone: Pins, failed: Range[]): number {
    const size = this.#pageSize;
    const whole = { start: page, end: page + size };
    const lost = gone
      .within(whole)
      .some(({ start, end }) => differingRuns(twin, now, start - page, end - page).length > 0);
    let ok = !lost;
    let bytes = 0;
    let at = 0;
    for (const { start, end } of this.#writable.within(whole)) {
      this.#undo(page, now, twin, at, start - page);
      at = end - page;
      const runs = differingRuns(twin, now, start - page, at);
      const written = runs.length === 0 ? 0 : writeRuns(process.pid, page, now, runs);
      if (written !== lengthOf(runs)) ok = false;
      bytes += written;
      now.copy(twin, start - page, start - page, at);
    }
    this.#undo(page, now, twin, at, size);
    if (!ok) failed.push(whole);
    return bytes;
  }

  /** Stores that nobody allowed: the copy is again what the host has. */
  #undo(page: number, now: Buffer, twin: Buffer, from: number, to: number): void {
    this.#storeRuns(page, twin, differingRuns(twin, now, from, to));
  }

  /** Writes runs of a page to its copy, and, where there is one, to the twin. */
  #storeRuns(page: number, bytes: Buffer, runs: Runs, twin?: Buffer): number {
    for (let i = 0; i < runs.length; i += 2) {
      const [offset, length] = [runs[i]!, runs[i + 1]!];
      this.#store(page + offset, bytes.subarray(offset, offset + length));
      if (twin) bytes.copy(twin, offset, offset, offset + length);
    }
    return lengthOf(runs);
  }

  #store(address: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; )
      at += writeSync(this.#fd, bytes, at, bytes.length - at, address + at);
  }

  /** Takes out declarations of memory that is not its owner's any more; gives where kernels might store by them. */
  #sweep(): Pins {
    const gone = new Pins();
    for (const declaration of this.#declared.keys()) {
      if (declaration.held()) continue;
      if (declaration.write) gone.add(declaration);
      this.remove(declaration);
    }
    return gone;
  }

  #runs(): readonly Range[] {
    this.#batches ??= batches([...this.#pages.keys()], this.#pageSize, this.#snapshot.length);
    return this.#batches;
  }

  /** Where no device may store there is nothing to be taken back. */
  #storedRuns(): readonly Range[] {
    const stored = (): number[] =>
      [...this.#pages].filter(([, { writers }]) => writers > 0).map(([page]) => page);
    this.#stored ??= batches(stored(), this.#pageSize, this.#snapshot.length);
    return this.#stored;
  }
}

function lengthOf(runs: Runs): number {
  let bytes = 0;
  for (let i = 1; i < runs.length; i += 2) bytes += runs[i]!;
  return bytes;
}

/** Pages as runs of neighbours, of so many bytes at most. */
function batches(pages: number[], pageSize: number, most: number): Range[] {
  const runs: { start: number; end: number }[] = [];
  for (const page of pages.sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last.end === page && page + pageSize - last.start <= most) last.end += pageSize;
    else runs.push({ start: page, end: page + pageSize });
  }
  return runs;
}
