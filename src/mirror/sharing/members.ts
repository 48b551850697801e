/**
 * The members of a share: every thread that holds one, with who it is (so that its death is noticed whatever else gets
 * its number), how to ring it, and how far it has come. A member's name is a number: slot and generation, as the locks
 * in mirrored memory carry it.
 *
 * @module
 */
import type { SharedMemory } from '../../engine/shared-memory.ts';
import { isAlive } from '../../linux/task.ts';
import {
  HEADER,
  JOINED,
  MARKS,
  MEMBER,
  MEMBER_BYTES,
  MEMBER_F64,
  MEMBERS,
  MOST_BUFFERS,
  MOST_MEMBERS,
  NAME_BITS,
} from './control-layout.ts';

const SLOT_BITS = 8;

/** Who a member is, for those that claim a slot. */
export interface MemberIdentity {
  readonly thread: number;
  readonly threadStart: number;
  readonly process: number;
  readonly processStart: number;
  readonly bell: { readonly fd: number; readonly inode: number };
  readonly life: { readonly fd: number; readonly inode: number };
}

export class Members {
  readonly #i32: Int32Array;
  readonly #f64: Float64Array;
  readonly #u8: Uint8Array;

  constructor(control: SharedMemory) {
    this.#i32 = control.i32;
    this.#f64 = control.f64;
    this.#u8 = control.u8;
  }

  static word(slot: number): number {
    return (MEMBERS + slot * MEMBER_BYTES) / 4;
  }

  /** Slots that have ever been used. */
  get slots(): number {
    return Atomics.load(this.#i32, HEADER.MEMBER_SLOTS);
  }

  get(slot: number, field: keyof typeof MEMBER): number {
    return Atomics.load(this.#i32, Members.word(slot) + MEMBER[field]);
  }

  set(slot: number, field: keyof typeof MEMBER, value: number): number {
    return Atomics.exchange(this.#i32, Members.word(slot) + MEMBER[field], value);
  }

  number(slot: number, field: keyof typeof MEMBER_F64): number {
    return this.#f64[Members.word(slot) / 2 + MEMBER_F64[field]]!;
  }

  /** What the member has made of a buffer: see MARK. */
  mark(slot: number, buffer: number): number {
    return Atomics.load(this.#u8, MARKS + slot * MOST_BUFFERS + buffer);
  }

  setMark(slot: number, buffer: number, mark: number): void {
    Atomics.store(this.#u8, MARKS + slot * MOST_BUFFERS + buffer, mark);
  }

  /** Takes a slot for this thread, from `first` on; undefined where all are taken. Not joined yet. */
  claim(who: MemberIdentity, control: number, first: number): number | undefined {
    for (let slot = first; slot < MOST_MEMBERS; slot++) {
      const word = Members.word(slot);
      const before = Atomics.load(this.#i32, word + MEMBER.THREAD);
      // One that is dead and that nobody has cleared away: the owner may be busy.
      if (before !== 0 && !this.#abandoned(slot)) continue;
      if (Atomics.compareExchange(this.#i32, word + MEMBER.THREAD, before, who.thread) !== before) continue;
      Atomics.add(this.#i32, word + MEMBER.GENERATION, 1);
      this.set(slot, 'JOINED', JOINED.NO);
      this.set(slot, 'PROCESS', who.process);
      this.set(slot, 'LEADER', 0);
      this.set(slot, 'ASLEEP', 0);
      this.set(slot, 'UNREACHABLE', 0);
      this.set(slot, 'BELL_FD', who.bell.fd);
      this.set(slot, 'LIFE_FD', who.life.fd);
      const f64 = word / 2;
      this.#f64[f64 + MEMBER_F64.THREAD_START] = who.threadStart;
      this.#f64[f64 + MEMBER_F64.PROCESS_START] = who.processStart;
      this.#f64[f64 + MEMBER_F64.BELL_INODE] = who.bell.inode;
      this.#f64[f64 + MEMBER_F64.LIFE_INODE] = who.life.inode;
      this.#f64[f64 + MEMBER_F64.CONTROL] = control;
      for (let high = this.slots; high <= slot; high = this.slots)
        Atomics.compareExchange(this.#i32, HEADER.MEMBER_SLOTS, high, slot + 1);
      return slot;
    }
    return undefined;
  }

  #abandoned(slot: number): boolean {
    // Its control mapping is given back by the owner where it was a thread of the owner's process.
    return !this.concerned(slot) && this.get(slot, 'LEADER') === 0;
  }

  /** Gives a slot back: nobody of that name is there any more. */
  release(slot: number): void {
    this.set(slot, 'JOINED', JOINED.NO);
    this.set(slot, 'PROCESS', 0);
    this.clearMarks(slot);
    this.set(slot, 'THREAD', 0);
  }

  clearMarks(slot: number): void {
    const used = Atomics.load(this.#i32, HEADER.BUFFER_SLOTS);
    this.#u8.fill(0, MARKS + slot * MOST_BUFFERS, MARKS + slot * MOST_BUFFERS + used);
  }

  /** The thread of the member runs. */
  alive(slot: number): boolean {
    const thread = this.get(slot, 'THREAD');
    return thread !== 0 && isAlive(thread, this.number(slot, 'THREAD_START'));
  }

  /**
   * What the member does with buffers still matters: its thread runs; or it mapped for its process, and that runs, for
   * its mappings outlive its thread.
   */
  concerned(slot: number): boolean {
    const thread = this.get(slot, 'THREAD');
    if (thread === 0) return false;
    if (this.alive(slot)) return true;
    const process = this.get(slot, 'PROCESS');
    if (process === 0 || this.get(slot, 'LEADER') !== 0 || this.get(slot, 'JOINED') === JOINED.NO)
      return false;
    return isAlive(process, this.number(slot, 'PROCESS_START'));
  }

  /**
   * The member uses the mappings of `leader`. Both are of one process: a slot that a leader has left may be another
   * process's now, while a thread of the former one has not noticed yet.
   */
  follows(slot: number, leader: number): boolean {
    return this.get(slot, 'LEADER') === leader + 1 && this.sameProcess(slot, leader);
  }

  /** Both are threads of one process, and of no former one of its number. */
  sameProcess(slot: number, other: number): boolean {
    return (
      this.get(slot, 'PROCESS') === this.get(other, 'PROCESS') &&
      this.number(slot, 'PROCESS_START') === this.number(other, 'PROCESS_START')
    );
  }

  /** The number that names the member in locks: not 0, below 2^28. */
  name(slot: number): number {
    return (slot + 1) | (((this.get(slot, 'GENERATION') << SLOT_BITS) >>> 0) & NAME_BITS);
  }

  /** The slot that a name stands for, or undefined where that member has gone. */
  slotOf(name: number): number | undefined {
    const slot = (name & ((1 << SLOT_BITS) - 1)) - 1;
    if (slot < 0 || slot >= MOST_MEMBERS || this.get(slot, 'THREAD') === 0) return undefined;
    return this.name(slot) === (name & NAME_BITS) ? slot : undefined;
  }

  /** True where nobody of that name runs any more. */
  dead(name: number): boolean {
    const slot = this.slotOf(name);
    return slot === undefined || !this.alive(slot);
  }

  /** The members that are there, joined or about to. */
  *present(): Generator<number> {
    const { slots } = this;
    for (let slot = 0; slot < slots; slot++) if (this.get(slot, 'THREAD') !== 0) yield slot;
  }
}
