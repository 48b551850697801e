/**
 * System memory of a device without faults, in declared mode: it has copies of the pages that are pinned and nothing else,
 * mapped like buffers. Before each packet the copies are brought up to date, and after it what its kernel has stored goes
 * to the host, on the thread of the mirror.
 *
 * @module
 */
import type { PacketFailure } from '../../../engine/completion.ts';
import { formatBytes, SystemError } from '../../../errors.ts';
import type { Range } from '../../../mm/address.ts';
import type { Declaration, DeclaredMemory } from './declared-memory.ts';
import { type DeclaredRun, planDeclared } from './declared-runs.ts';
import { rangesInWords } from './host-ranges.ts';

/** Runs of pages that a device has at most: each is a mapping of its process, and so is what lies before it. */
export const MOST_DECLARED_RUNS = 4096;

export interface DeclaredOptions {
  readonly memory: DeclaredMemory;
  readonly pageSize: number;
  /** Whether kernels may store to all that is declared. */
  readonly all: boolean;
  /** Live buffers, in whole pages, by start. */
  live(): readonly Range[];
  /** Has the device map pages of the arena, or no longer, before its next packet. */
  map(range: Range, access: 'read' | 'write'): void;
  unmap(range: Range): void;
  /** Calls back when the commands that are in queues now have ended. */
  drained(callback: () => void): void;
}

export class DeclaredSession {
  acquires = 0;
  copiedBytes = 0;
  writeBacks = 0;
  writtenBackBytes = 0;
  unwrittenBytes = 0;
  readonly #o: DeclaredOptions;
  readonly #pins = new Set<Declaration>();
  /** What the device's process has free; undefined while there is none. */
  #claims: readonly Range[] | undefined;
  #had: DeclaredRun[] = [];
  #version = -1;
  /** Packets under way. */
  #running = 0;

  constructor(options: DeclaredOptions) {
    this.#o = options;
  }

  /** The device has a process, which claims these ranges, and is to be told of all that is declared. */
  adopt(claims: readonly Range[]): void {
    this.lost();
    this.#claims = claims;
    this.#update();
  }

  /** The device's process has ended: nothing runs, and nothing is mapped. */
  lost(): void {
    const { memory } = this.#o;
    memory.ran(-this.#running);
    this.#running = 0;
    this.#claims = undefined;
    for (const run of this.#had.splice(0)) memory.drop(run);
    this.#version = -1;
  }

  /** Declares a range; gives the way to take that back. Throws SystemError or LimitError, with nothing declared. */
  pin(range: Declaration): () => void {
    const { all, memory } = this.#o;
    const pin: Declaration = { ...range, write: range.write || all, held: () => range.held() };
    this.#pins.add(pin);
    memory.add(pin);
    const takeBack = (): void => {
      this.#pins.delete(pin);
      memory.remove(pin);
    };
    try {
      this.#update();
    } catch (error) {
      takeBack();
      throw error;
    }
    return () => {
      takeBack();
      if (!this.#tryUpdate()) this.#o.drained(() => this.#tryUpdate());
    };
  }

  /** A buffer comes to lie there: no pinned memory does any more. */
  yield({ start, end }: Range): void {
    const { memory, unmap } = this.#o;
    const there = this.#had.filter((run) => run.start < end && start < run.end);
    if (there.length === 0) return;
    this.#had = this.#had.filter((run) => !there.includes(run));
    for (const run of there) {
      unmap(run);
      memory.release(run);
    }
    this.#version = -1;
  }

  /** Whether all of `[address, address + size)` is declared; without a size, whether it is in such a page, or its end. */
  declares(address: number, size: number): boolean {
    this.#tryUpdate();
    const end = address + size;
    if (size === 0) return this.#had.some((run) => run.start <= address && end <= run.end);
    for (const pin of this.#pins) if (pin.start <= address && end <= pin.end) return true;
    return false;
  }

  /** To be called before a packet is handed over: false where it can't be now, since others are under way. */
  enter(): boolean {
    const { memory } = this.#o;
    for (;;) {
      if (!this.#tryUpdate()) return false;
      const { bytes, failed } = memory.toDevice();
      this.copiedBytes += bytes;
      if (failed.length === 0) break;
      // The host has that memory no more: neither have kernels.
      for (const pin of [...this.#pins])
        if (failed.some(({ start, end }) => start < pin.end && pin.start < end)) {
          this.#pins.delete(pin);
          memory.remove(pin);
        }
      if (this.#version === memory.version) break;
    }
    this.acquires++;
    this.#running++;
    memory.ran(1);
    return true;
  }

  /** To be called when a packet has ended, before anybody learns of it; gives what that makes it fail with. */
  leave(): PacketFailure | undefined {
    const failed = this.#writeBack();
    this.#running--;
    this.#o.memory.ran(-1);
    if (failed.length === 0) return undefined;
    const [first] = failed;
    const detail = `${formatBytes(bytesOf(failed))} could not be written back: the host has changed what is there: ${rangesInWords(failed)}`;
    return { reason: 'unmapped', core: 0, address: first!.start, access: 'write', detail };
  }

  /** The device's process has ended with packets under way: writes back what there is; gives what could not be. */
  salvage(): readonly Range[] {
    if (this.#running === 0) return [];
    this.#o.memory.ran(-this.#running);
    this.#running = 0;
    return this.#writeBack();
  }

  #writeBack(): readonly Range[] {
    const { bytes, failed } = this.#o.memory.toHost();
    if (bytes > 0 || failed.length > 0) this.writeBacks++;
    this.writtenBackBytes += bytes;
    this.unwrittenBytes += bytesOf(failed);
    return failed;
  }

  /** False where packets that are under way stand against it. What there is no memory for is not declared then. */
  #tryUpdate(): boolean {
    try {
      return this.#update();
    } catch {
      return true;
    }
  }

  /** Has the device map what is declared now. False where that has to wait. Throws where there is too little memory. */
  #update(): boolean {
    const { live, map, memory, pageSize, unmap } = this.#o;
    for (const pin of [...this.#pins])
      if (!pin.held()) {
        this.#pins.delete(pin);
        memory.remove(pin);
      }
    if (!this.#claims || this.#version === memory.version) return true;
    const had = this.#had;
    const plan = planDeclared({ pins: [...this.#pins], live: live(), claims: this.#claims, had, pageSize });
    const { added, gone } = plan;
    if (gone.length > 0 && !memory.quiet) return false;
    const runs = had.length - gone.length + added.length;
    if (added.length > 0 && runs > MOST_DECLARED_RUNS)
      throw new SystemError(
        'mprotect',
        [added[0]!.start, added[0]!.end - added[0]!.start],
        'ENOMEM',
        `A device without page faults can have ${MOST_DECLARED_RUNS} pinned ranges that are no neighbours: dispose of some, or pin larger views`,
      );
    for (const run of gone) {
      unmap(run);
      memory.release(run);
    }
    this.#had = had.filter((run) => !gone.includes(run));
    for (const run of added) {
      memory.hold(run);
      map(run, run.access);
      this.#had.push(run);
    }
    this.#version = memory.version;
    return true;
  }
}

function bytesOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}
