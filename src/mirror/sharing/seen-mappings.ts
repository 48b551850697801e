/**
 * For a thread beside one of its process that has the buffers mapped: views, and no mapping.
 *
 * @module
 */
import type { Obstacle } from '../../errors.ts';
import { SystemError } from '../../errors.ts';
import { pageSize } from '../../linux/mmap.ts';
import { type Address, alignUp } from '../../mm/address.ts';
import { collected, wasTransferred } from '../buffer-memory.ts';
import { AttachedBuffer } from './attached-buffer.ts';
import type { AttachedMemory } from './attached-memory.ts';
import { goOut, tryEnter } from './attaching.ts';
import { watchLife } from './bell.ts';
import { generationOf, type TableEntry } from './buffer-table.ts';
import { JOINED, MARK } from './control-layout.ts';
import type { Membership } from './membership.ts';
import { clearUpAfter, mapsHere } from './orphaned-mappings.ts';
import { catchUpAt } from './own-mappings.ts';

/** Milliseconds between two looks at a thread that ends. */
const LOOK_AGAIN = 20;

export class SeenMappings implements AttachedMemory {
  readonly #own: Membership;
  readonly #leader: number;
  readonly #leaderName: number;
  /** What maps belongs to this thread too. */
  readonly #sameThread: boolean;
  /** ArrayBuffers that have been made and not collected. */
  #views = 0;
  /** How many of them each slot has: one that grows has several. */
  readonly #viewed = new Map<number, number>();
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
    const { slot } = entry;
    const mark = this.#leader === 0 ? MARK.MAPPED : members.mark(this.#leader, slot);
    if ((mark & (MARK.UNREACHABLE | MARK.SHORT)) !== 0) {
      members.setMark(own, slot, MARK.UNREACHABLE);
      return this.#outOfReach(entry, entry.start);
    }
    return this.#mapped(slot) && this.#current(entry) ? new AttachedBuffer(entry, this) : undefined;
  }

  grow(buffer: AttachedBuffer, entry: TableEntry): Obstacle | boolean {
    if (this.ended || !this.#current(entry)) return false;
    if (this.#leader !== 0 && (this.#own.members.mark(this.#leader, entry.slot) & MARK.SHORT) !== 0)
      return this.#outOfReach(entry, alignUp(buffer.end, pageSize()));
    buffer.grown(entry.size);
    return true;
  }

  /** Whether the mappings are of all bytes that the entry says, or the one that maps has failed to make them so. */
  #current({ grown }: TableEntry): boolean {
    if (this.#leader === 0 || grown === 0) return true;
    return ((this.#own.members.get(this.#leader, 'APPLIED') - grown) | 0) >= 0;
  }

  #outOfReach({ name, start, size }: TableEntry, from: Address): Obstacle {
    const range = { start: from, end: start + size };
    return { name, ...range, blockers: [{ name: 'see the thread that attached first', ...range }] };
  }

  /** The mark first, then a look at the buffer: whoever frees does it the other way round, so one of both sees. */
  before(buffer: AttachedBuffer): void {
    const { members, slot: own, control } = this.#own;
    members.setMark(own, buffer.slot, MARK.VIEWED);
    const live = generationOf(control, buffer.slot) === buffer.generation;
    if (live && this.#mapped(buffer.slot)) return;
    if (!this.#viewed.has(buffer.slot)) members.setMark(own, buffer.slot, 0);
    // The thread that mapped has gone, and with it soon all of this.
    if (live) throw this.#own.error('closed');
    buffer.retire();
    buffer.check();
  }

  after({ slot }: AttachedBuffer, view: ArrayBuffer): void {
    const { members, peers, slot: own } = this.#own;
    this.#views++;
    this.#viewed.set(slot, (this.#viewed.get(slot) ?? 0) + 1);
    collected.register(view, () => {
      this.#views--;
      const left = this.#viewed.get(slot)! - 1;
      if (left > 0) {
        this.#viewed.set(slot, left);
        return;
      }
      this.#viewed.delete(slot);
      members.setMark(own, slot, 0);
      peers.ring(this.#leader);
      this.#collected?.();
    });
  }

  remove(buffer: AttachedBuffer): boolean {
    // The mark stays, and with it the zero pages.
    this.#transferred.push(...buffer.retire().filter(wasTransferred));
    return true;
  }

  mapsBy(): void {}

  catchUpFirst(): void {
    if (this.#sameThread) catchUpAt(this.#own.members.number(this.#leader, 'CONTROL'));
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
