/**
 * For the thread that maps for its process: each buffer of the owner's at its own address, over nothing else.
 *
 * @module
 */
import { closeSync } from 'node:fs';
import type { Obstacle } from '../../errors.ts';
import { SystemError } from '../../errors.ts';
import { pageSize } from '../../linux/mmap.ts';
import { type Address, alignUp, type Range } from '../../mm/address.ts';
import { overlapping } from '../../placement/occupied.ts';
import { BufferMemory, wasTransferred } from '../buffer-memory.ts';
import { readHostPicture } from '../host-picture.ts';
import { Quarantine } from '../quarantine.ts';
import { AttachedBuffer } from './attached-buffer.ts';
import type { AttachedMemory } from './attached-memory.ts';
import type { TableEntry } from './buffer-table.ts';
import { MARK } from './control-layout.ts';
import type { Membership } from './membership.ts';
import { ProcessThreads } from './process-threads.ts';

const PLAIN = { commit: false, hugePages: false };

/** What brings those up to date that map, in this thread: by where each has its control memory. */
const mapping = new Map<Address, () => void>();

/** Brings what maps in this thread up to date, where that is the one with its control memory there. */
export function catchUpAt(control: Address): void {
  mapping.get(control)?.();
}

export class OwnMappings implements AttachedMemory {
  readonly #own: Membership;
  readonly #memory: BufferMemory;
  readonly #quarantine: Quarantine;
  readonly #threads: ProcessThreads;
  readonly #arenaFd: number;
  /** Of no use here, and still mapped: for others, or since the kernel has no room to change it. With their ArrayBuffers. */
  readonly #stuck = new Map<AttachedBuffer, readonly ArrayBuffer[]>();
  #releasing = false;

  constructor(own: Membership, arenaFd: number, arenaSize: number) {
    this.#own = own;
    this.#arenaFd = arenaFd;
    this.#memory = new BufferMemory({ fd: arenaFd, size: arenaSize });
    this.#quarantine = new Quarantine(0, (range) => this.#memory.unmap(range));
    this.#threads = new ProcessThreads(own);
  }

  add(entry: TableEntry): AttachedBuffer | Obstacle {
    const { members, slot: own } = this.#own;
    const { name, start, size, slot } = entry;
    const range = { start, end: start + alignUp(size, pageSize()) };
    const blockers = this.#map(range);
    members.setMark(own, slot, blockers ? MARK.UNREACHABLE : MARK.MAPPED);
    this.#threads.ring();
    return blockers ? { name, ...range, blockers } : new AttachedBuffer(entry);
  }

  grow(buffer: AttachedBuffer, { name, start, size, slot }: TableEntry): Obstacle | boolean {
    const { members, slot: own } = this.#own;
    const more = {
      start: start + alignUp(buffer.size, pageSize()),
      end: start + alignUp(size, pageSize()),
    };
    if (more.start < more.end) {
      const blockers = this.#map(more);
      if (blockers) {
        members.setMark(own, slot, MARK.MAPPED | MARK.SHORT);
        return { name, ...more, blockers };
      }
      // The kernel makes one mapping of neighbours in memory and file.
      this.#memory.room(-1);
    }
    members.setMark(own, slot, MARK.MAPPED);
    buffer.grown(size);
    return true;
  }

  /** Maps buffers' bytes there; gives what is in the way. */
  #map({ start, end }: Range): Obstacle['blockers'] | undefined {
    try {
      if (this.#memory.map(start, end - start, PLAIN)) return undefined;
      return overlapping(readHostPicture(), start, end).map(({ name, start, end }) => ({ name, start, end }));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return [{ name: error.message, start, end }];
    }
  }

  remove(buffer: AttachedBuffer): boolean {
    const { members, slot: own } = this.#own;
    const { address, slot } = buffer;
    const length = alignUp(buffer.size, pageSize());
    const range: Range = { start: address, end: address + length };
    // The mark goes before the other threads' are looked at: see SeenMappings.
    members.setMark(own, slot, 0);
    const views = this.#stuck.get(buffer) ?? buffer.retire();
    const held = this.#threads.holds(slot);
    const remains = this.#memory.retire(address, length, 0, views.length > 0 || held);
    if (remains.shared) {
      this.#stuck.set(buffer, views);
      return false;
    }
    this.#stuck.delete(buffer);
    // Nobody can know when a transferred ArrayBuffer goes: its zero pages stay.
    if (!remains.mapped || views.some(wasTransferred)) return true;
    const gone = this.#quarantine.add({ ...range, ...remains }, true, []);
    let holders = views.length + (held ? 1 : 0);
    const one = (): void => {
      if (--holders > 0) return;
      gone();
      this.#releaseSoon();
    };
    for (const view of views) this.#memory.whenCollected(view, one);
    if (held) this.#threads.whenReleased(slot, one);
    return true;
  }

  mapsBy(catchUp: (() => void) | undefined): void {
    const { address } = this.#own.control;
    if (catchUp) mapping.set(address, catchUp);
    else mapping.delete(address);
  }

  catchUpFirst(): void {}

  keep(buffer: AttachedBuffer): void {
    this.#stuck.set(buffer, buffer.retire());
  }

  #releaseSoon(): void {
    if (this.#releasing) return;
    this.#releasing = true;
    queueMicrotask(() => {
      this.#releasing = false;
      this.#memory.gone(this.#quarantine.release().length);
    });
  }

  look(): void {
    this.#threads.look();
  }

  survey(): void {}

  tell(): void {
    this.#threads.ring();
  }

  get shared(): boolean {
    return true;
  }

  get used(): boolean {
    return this.#threads.any;
  }

  get ended(): boolean {
    return false;
  }

  get held(): boolean {
    return this.#threads.waiting;
  }

  whenReleased(callback: () => void): void {
    this.#threads.whenGone(callback);
  }

  close(): void {
    this.#threads.close();
    closeSync(this.#arenaFd);
  }
}
