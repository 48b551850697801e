/**
 * The buffers that an attached side has: what the owner's table lists, compared with what is here. Whoever asks for a
 * buffer compares first, so that nobody sees an old state, however long ago the bell was rung.
 *
 * @module
 */
import type { Obstacle } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import { LiveBuffers } from '../live-buffers.ts';
import type { AttachedBuffer } from './attached-buffer.ts';
import type { AttachedMemory } from './attached-memory.ts';
import { changes, generationOf, placeOf, readEntry, slotsUsed } from './buffer-table.ts';
import { HEADER_F64 } from './control-layout.ts';
import type { Membership } from './membership.ts';

/** A range that could not be taken away for lack of room is tried again after so many milliseconds. */
const TRY_AGAIN = 100;

/** What the side wants to know of changes. */
export interface BufferListener {
  /** Before each comparison: true where nothing is compared any more. */
  over(): boolean;
  found(buffer: AttachedBuffer): void;
  unreachable(obstacle: Obstacle): void;
}

export class AttachedBuffers {
  readonly #own: Membership;
  readonly #memory: AttachedMemory;
  readonly #listener: BufferListener;
  readonly #bySlot = new Map<number, AttachedBuffer | (Obstacle & { readonly generation: number })>();
  readonly #byName = new Map<string, AttachedBuffer>();
  /** Of buffers that could not grow here: what is in the way, and up to which size that has been tried. */
  readonly #short = new Map<number, { readonly obstacle: Obstacle; readonly size: number }>();
  readonly #live: LiveBuffers<AttachedBuffer>;
  #removing: AttachedBuffer[] = [];
  #head: number | undefined;
  #incomplete = false;
  /** Threads beside this one have not heard of it. */
  #grew = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(own: Membership, memory: AttachedMemory, listener: BufferListener) {
    this.#own = own;
    this.#memory = memory;
    this.#listener = listener;
    this.#live = new LiveBuffers(own.control.f64[HEADER_F64.ARENA_SIZE]!);
  }

  /** Live buffers, by address. */
  sorted(): AttachedBuffer[] {
    return this.#live.sorted();
  }

  at(address: Address): AttachedBuffer | undefined {
    return this.#live.at(address);
  }

  /** The newest of that name. */
  named(name: string): AttachedBuffer | undefined {
    return this.#byName.get(name);
  }

  obstacles(): Obstacle[] {
    const short = [...this.#short.values()].map(({ obstacle }) => obstacle);
    return [...[...this.#bySlot.values()].filter((entry) => 'blockers' in entry), ...short];
  }

  /** Does what the table of buffers says: first all that has gone, then what is new. */
  catchUp(): void {
    const { control, members, slot: own } = this.#own;
    if (this.#listener.over()) return;
    this.#memory.catchUpFirst();
    for (;;) {
      const head = changes(control);
      // A mirror that closes says so first, then frees its buffers.
      if (this.#listener.over()) return;
      if (head !== this.#head || this.#incomplete || this.#removing.length > 0) this.#apply(head);
      // The owner rings those that are asleep. It may have rung already for what was found without the bell.
      if (members.get(own, 'ASLEEP') === 1) break;
      members.set(own, 'ASLEEP', 1);
      if (changes(control) === head) break;
    }
  }

  /** Nobody of this side uses its buffers any more; what is mapped stays for other threads. */
  keep(): void {
    for (const buffer of this.#live.sorted()) this.#memory.keep(buffer);
  }

  /** Gives all up, for good. False where the kernel had no room to take some away. */
  giveUp(): boolean {
    clearTimeout(this.#retry);
    const live = this.#live.sorted();
    for (const buffer of live) this.#live.remove(buffer);
    const buffers = [...this.#removing, ...live];
    this.#bySlot.clear();
    this.#byName.clear();
    this.#short.clear();
    return buffers.filter((buffer) => !this.#memory.remove(buffer)).length === 0;
  }

  #apply(head: number): void {
    const { control, members, slot: own } = this.#own;
    this.#incomplete = false;
    const slots = slotsUsed(control);
    for (const [slot, entry] of this.#bySlot)
      if (generationOf(control, slot) !== entry.generation) this.#remove(slot);
    this.#removing = this.#removing.filter((buffer) => !this.#memory.remove(buffer));
    for (const entry of this.#bySlot.values()) if (!('blockers' in entry)) this.#grow(entry);
    for (let slot = 0; slot < slots; slot++) if (!this.#bySlot.has(slot)) this.#add(slot);
    this.#head = head;
    if (this.#removing.length === 0) {
      members.set(own, 'APPLIED', head);
      if (this.#grew && this.#memory.shared) this.#memory.tell();
      this.#grew = false;
    } else
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.catchUp();
      }, TRY_AGAIN).unref();
  }

  #add(slot: number): void {
    const entry = readEntry(this.#own.control, slot);
    if (!entry) return;
    const added = this.#memory.add(entry);
    if (added === undefined) {
      this.#incomplete = true;
      return;
    }
    if ('blockers' in added) {
      this.#bySlot.set(slot, { ...added, generation: entry.generation });
      this.#listener.unreachable(added);
      return;
    }
    this.#bySlot.set(slot, added);
    this.#byName.set(added.name, added);
    this.#live.add(added);
    this.#listener.found(added);
  }

  #grow(buffer: AttachedBuffer): void {
    const { slot, generation, size: before } = buffer;
    if (placeOf(this.#own.control, slot).size <= before) return;
    const entry = readEntry(this.#own.control, slot);
    // Freed meanwhile: the next pass sees to that.
    if (entry?.generation !== generation) return;
    if (entry.size === this.#short.get(slot)?.size) return;
    const grown = this.#memory.grow(buffer, entry);
    if (grown === false) {
      this.#incomplete = true;
      return;
    }
    this.#grew = true;
    if (grown === true) {
      this.#live.resized(buffer, before);
      this.#short.delete(slot);
    } else this.#short.set(slot, { obstacle: grown, size: entry.size });
  }

  #remove(slot: number): void {
    const entry = this.#bySlot.get(slot)!;
    this.#bySlot.delete(slot);
    this.#short.delete(slot);
    if ('blockers' in entry) {
      this.#own.members.setMark(this.#own.slot, slot, 0);
      return;
    }
    this.#live.remove(entry);
    if (this.#byName.get(entry.name) === entry) {
      this.#byName.delete(entry.name);
      for (const other of this.#live.sorted())
        if (other.name === entry.name) this.#byName.set(other.name, other);
    }
    this.#removing.push(entry);
  }
}
