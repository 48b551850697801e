/**
 * How an attached side has the owner's buffers: mapped by itself at their own addresses; or, in a thread beside one
 * that has them mapped already, only seen. Both give the memory up when the owner frees it, without any access that
 * could crash and without a look at another buffer's bytes.
 *
 * @module
 */
import { closeSync } from 'node:fs';
import type { Obstacle } from '../../errors.ts';
import { SystemError } from '../../errors.ts';
import { pageSize } from '../../linux/mmap.ts';
import { type Address, alignUp, type Range } from '../../mm/address.ts';
import { overlapping } from '../../placement/occupied.ts';
import { BufferMemory, collected, wasTransferred } from '../buffer-memory.ts';
import { readHostPicture } from '../host-picture.ts';
import { Quarantine } from '../quarantine.ts';
import { AttachedBuffer } from './attached-buffer.ts';
import { goOut, tryEnter } from './attaching.ts';
import { watchLife } from './bell.ts';
import { generationOf, type TableEntry } from './buffer-table.ts';
import { JOINED, MARK } from './control-layout.ts';
import type { Membership } from './membership.ts';
import { clearUpAfter, mapsHere } from './orphaned-mappings.ts';
import { ProcessThreads } from './process-threads.ts';

/** Milliseconds between two looks at a thread that ends. */
const LOOK_AGAIN = 20;
const PLAIN = { commit: false, hugePages: false };

/** What brings those up to date that map, in this thread: by where each has its control memory. */
const mapping = new Map<Address, () => void>();

export interface AttachedMemory {
  /** Says how this side is brought up to date, should another one of this thread need it; undefined: no more. */
  mapsBy(catchUp: (() => void) | undefined): void;
  /** Brings up to date what this side depends on, as far as this thread can. */
  catchUpFirst(): void;
  /** The buffer, or what is in its way; undefined where it will come later. */
  add(entry: TableEntry): AttachedBuffer | Obstacle | undefined;
  /** Ends all access; false where that can't be done yet. */
  remove(buffer: AttachedBuffer): boolean;
  /** Ends what this thread does with it; its memory stays for other threads until {@link remove}. */
  keep(buffer: AttachedBuffer): void;
  /** Somebody rang. */
  look(): void;
  /** For a thread that blocks, and hears nothing: looks whether the mappings have lost their thread. */
  survey(): void;
  /** Tells those who use these mappings that they have gone. */
  tell(): void;
  /** Other threads may use these mappings too. */
  readonly shared: boolean;
  /** Others of this process do so now, be they of another thread or of this one. */
  readonly used: boolean;
  /** There are no mappings any more to see. */
  readonly ended: boolean;
  /** ArrayBuffers over removed buffers are alive, and this member must stay known until they are not. */
  readonly held: boolean;
  /** Calls back when {@link used} or {@link held} may have changed, and no bell says so. */
  whenReleased(callback: () => void): void;
  close(): void;
}

/** For the thread that maps for its process. */
export class OwnMappings implements AttachedMemory {
  readonly #own: Membership;
  readonly #memory: BufferMemory;
  readonly #quarantine: Quarantine;
  readonly #threads: ProcessThreads;
  readonly #arenaFd: number;
  /** Of no use here, and still mapped: for others, or since the kernel has no room to change it. With their ArrayBuffers. */
  readonly #stuck = new Map<AttachedBuffer, ArrayBuffer | undefined>();
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
    const length = alignUp(size, pageSize());
    const range = { name, start, end: start + length };
    let blockers: Obstacle['blockers'] = [];
    try {
      if (this.#memory.map(start, length, PLAIN)) {
        members.setMark(own, slot, MARK.MAPPED);
        this.#threads.ring();
        return new AttachedBuffer(entry);
      }
      blockers = overlapping(readHostPicture(), range.start, range.end).map(({ name, start, end }) => ({
        name,
        start,
        end,
      }));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      blockers = [{ ...range, name: error.message }];
    }
    members.setMark(own, slot, MARK.UNREACHABLE);
    this.#threads.ring();
    return { ...range, blockers };
  }

  remove(buffer: AttachedBuffer): boolean {
    const { members, slot: own } = this.#own;
    const { address, slot } = buffer;
    const length = alignUp(buffer.size, pageSize());
    const range: Range = { start: address, end: address + length };
    // The mark goes before the other threads' are looked at: see SeenMappings.
    members.setMark(own, slot, 0);
    const view = this.#stuck.get(buffer) ?? buffer.retire()[0];
    const held = this.#threads.holds(slot);
    const remains = this.#memory.retire(address, length, 0, view !== undefined || held);
    if (remains.shared) {
      this.#stuck.set(buffer, view);
      return false;
    }
    this.#stuck.delete(buffer);
    // Nobody can know when a transferred ArrayBuffer goes: its zero pages stay.
    if (!remains.mapped || (view && wasTransferred(view))) return true;
    const gone = this.#quarantine.add({ ...range, ...remains }, true, []);
    let holders = (view ? 1 : 0) + (held ? 1 : 0);
    const one = (): void => {
      if (--holders > 0) return;
      gone();
      this.#releaseSoon();
    };
    if (view) this.#memory.whenCollected(view, one);
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
    this.#stuck.set(buffer, buffer.retire()[0]);
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

/** For a thread beside one that has the buffers mapped: views only. */
export class SeenMappings implements AttachedMemory {
  readonly #own: Membership;
  readonly #leader: number;
  readonly #leaderName: number;
  /** What maps belongs to this thread too. */
  readonly #sameThread: boolean;
  /** ArrayBuffers that have been made and not collected. */
  #views = 0;
  /** Kept from the collector: nobody knows when the ArrayBuffers go that have taken their memory. */
  readonly #transferred: ArrayBuffer[] = [];
  #collected: (() => void) | undefined;
  #unwatch = (): void => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(own: Membership, leader: number) {
    this.#own = own;
    this.#leader = leader;
    this.#leaderName = own.members.name(leader);
    this.#sameThread = own.members.get(leader, 'THREAD') === own.members.get(own.slot, 'THREAD');
    if (leader !== 0) this.#unwatch = watchLife(own.members, leader, () => this.#leaderEnded());
  }

  add(entry: TableEntry): AttachedBuffer | Obstacle | undefined {
    const { members, slot: own } = this.#own;
    if (this.#mapped(entry.slot)) return new AttachedBuffer(entry, this);
    if ((members.mark(this.#leader, entry.slot) & MARK.UNREACHABLE) === 0) return undefined;
    members.setMark(own, entry.slot, MARK.UNREACHABLE);
    return {
      name: entry.name,
      start: entry.start,
      end: entry.start + entry.size,
      blockers: [
        { name: 'see the thread that attached first', start: entry.start, end: entry.start + entry.size },
      ],
    };
  }

  /** The mark first, then a look at the buffer: whoever frees does it the other way round, so one of both sees. */
  before(buffer: AttachedBuffer): void {
    const { members, slot: own, control } = this.#own;
    members.setMark(own, buffer.slot, MARK.VIEWED);
    const live = generationOf(control, buffer.slot) === buffer.generation;
    if (live && this.#mapped(buffer.slot)) return;
    members.setMark(own, buffer.slot, 0);
    // The thread that mapped has gone, and with it soon all of this.
    if (live) throw this.#own.error('closed');
    buffer.retire();
    buffer.check();
  }

  after({ slot }: AttachedBuffer, view: ArrayBuffer): void {
    const { members, peers, slot: own } = this.#own;
    this.#views++;
    collected.register(view, () => {
      this.#views--;
      members.setMark(own, slot, 0);
      peers.ring(this.#leader);
      this.#collected?.();
    });
  }

  remove(buffer: AttachedBuffer): boolean {
    const [view] = buffer.retire();
    // The mark stays, and with it the zero pages.
    if (view && wasTransferred(view)) this.#transferred.push(view);
    return true;
  }

  mapsBy(): void {}

  catchUpFirst(): void {
    if (this.#sameThread) mapping.get(this.#own.members.number(this.#leader, 'CONTROL'))?.();
  }

  keep(): void {}

  look(): void {}

  /** Where the thread that maps was terminated, one of the others takes its mappings away: then all of them end. */
  survey(): void {
    const { members, control } = this.#own;
    if (this.#leader === 0 || this.#own.ended || this.ended || members.alive(this.#leader)) return;
    if (!tryEnter(control)) return;
    try {
      if (!this.ended && mapsHere(this.#own, this.#leader)) clearUpAfter(this.#own, this.#leader);
    } catch (error) {
      // The kernel has no room for a mapping now: next time.
      if (!(error instanceof SystemError)) throw error;
    } finally {
      goOut(control);
    }
    this.#own.peers.ring(0);
  }

  #leaderEnded(): void {
    if (this.#own.ended) return;
    this.survey();
    if (this.ended) this.#own.peers.ring(this.#own.slot);
    // The life line ends a little before the thread does.
    else this.#timer = setTimeout(() => this.#leaderEnded(), LOOK_AGAIN).unref();
  }

  /** The one that maps may be waiting for no more than this. */
  tell(): void {
    if (this.#leader !== 0) this.#own.peers.ring(this.#leader);
  }

  get shared(): boolean {
    return false;
  }

  get used(): boolean {
    return false;
  }

  /** The thread that mapped has given its mappings up. */
  get ended(): boolean {
    const { members } = this.#own;
    if (members.slotOf(this.#leaderName) !== this.#leader) return true;
    return members.get(this.#leader, 'JOINED') === JOINED.LEAVING;
  }

  get held(): boolean {
    return this.#views > 0;
  }

  whenReleased(callback: () => void): void {
    this.#collected = callback;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#unwatch();
  }

  #mapped(slot: number): boolean {
    if (this.ended) return false;
    return this.#leader === 0 || (this.#own.members.mark(this.#leader, slot) & MARK.MAPPED) !== 0;
  }
}
