/**
 * The owner's side of a share. Attached processes are to the mirror what a device without launches is: they are told
 * of buffers through shared memory, without being waited for, and a freed range is used again once each has let go of
 * it. What they have mapped themselves is read from /proc when a place is searched.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import type { Arena } from '../../engine/arena.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import { SystemError } from '../../errors.ts';
import { close } from '../../linux/memfd.ts';
import { readMaps } from '../../linux/process-maps.ts';
import { isAlive } from '../../linux/task.ts';
import type { Address } from '../../mm/address.ts';
import { parseMaps } from '../../mm/parse-maps.ts';
import type { Occupied, Placement, PlacementRequest, PlacementSpace } from '../../placement/index.ts';
import { Waits } from '../sync/waits.ts';
import { watchLife } from './bell.ts';
import { BufferTable, changes, readEntry } from './buffer-table.ts';
import {
  HEADER,
  HEADER_F64,
  JOINED,
  LAYOUT_VERSION,
  MAGIC,
  MARK,
  SHARE_BYTES,
  SHARE_STATE,
} from './control-layout.ts';
import { type ShareHandle, tokenWords } from './handle.ts';
import { heapRoom } from './heap-room.ts';
import { Membership } from './membership.ts';
import { ProcessThreads } from './process-threads.ts';

/** How long, in milliseconds, a reading of the other processes' mappings serves. */
const PICTURE_SERVES = 2;
/** How often, in milliseconds, a member that has not answered is looked at. */
const LOOK_AGAIN = 10;

/** A thread that has attached. */
export interface Sharer {
  readonly pid: number;
  /** The kernel's number of the thread; that of the process for its main thread. */
  readonly tid: number;
  /** It has taken in every allocation and free so far. */
  readonly upToDate: boolean;
  /** Buffers for which it has no room, or had none when they grew, because something of its own lies there. */
  readonly unreachable: readonly { readonly name: string; readonly address: Address }[];
}

/** What a removed buffer still waits for. */
export interface Removal {
  /** Another thread of this process has an ArrayBuffer over it. */
  readonly held: boolean;
  /** True once no member uses the range any more. */
  acknowledged(): boolean;
  /** Calls back once no other thread of this process has an ArrayBuffer over it. */
  whenReleased(callback: () => void): void;
}

export class Sharing {
  readonly handle: ShareHandle;
  readonly waits: Waits;
  /** Where buffers go last. */
  readonly #heapRoom = heapRoom();
  readonly #own: Membership;
  readonly #table: BufferTable;
  readonly #threads: ProcessThreads;
  readonly #slots = new Map<Address, number>();
  readonly #watched = new Map<number, { readonly name: number; readonly stop: () => void }>();
  readonly #looked = new Map<number, number>();
  #read = Number.NEGATIVE_INFINITY;

  constructor(
    name: string,
    arena: Arena,
    buffers: readonly { address: Address; size: number; name: string }[],
  ) {
    const control = SharedMemory.create(`mirrorspace-share-${name}`, SHARE_BYTES);
    const token = randomBytes(16).toString('hex');
    const { i32, f64, fd } = control;
    i32[HEADER.MAGIC] = MAGIC;
    i32[HEADER.VERSION] = LAYOUT_VERSION;
    i32.set(tokenWords(token), HEADER.TOKEN);
    i32[HEADER.ARENA_FD] = arena.fd;
    f64[HEADER_F64.ARENA_SIZE] = arena.size;
    f64[HEADER_F64.ARENA_INODE] = fstatSync(arena.fd).ino;
    this.#table = new BufferTable(control);
    for (const buffer of buffers) this.add(buffer);
    try {
      this.#own = new Membership(name, control, 'owner');
    } catch (error) {
      control.unmap();
      close(fd);
      throw error;
    }
    const { members, slot } = this.#own;
    members.set(slot, 'JOINED', JOINED.YES);
    Atomics.store(i32, HEADER.STATE, SHARE_STATE.OPEN);
    this.#threads = new ProcessThreads(this.#own);
    this.waits = new Waits(this.#own);
    this.#own.onRing(() => this.#look());
    const started = members.number(slot, 'PROCESS_START');
    const { ino } = fstatSync(fd);
    this.handle = {
      kind: 'mirrorspace-share',
      version: LAYOUT_VERSION,
      name,
      pid: process.pid,
      started,
      fd,
      inode: ino,
      token,
    };
  }

  /** Before a buffer is made. Throws ENOSPC where the table of buffers is full. */
  checkRoom(): void {
    this.#table.giveBack(this.#table.reserve());
  }

  /** A buffer came to be. */
  add({ address, size, name }: { address: Address; size: number; name: string }): void {
    const slot = this.#table.reserve();
    this.#table.add(slot, address, size, name);
    this.#slots.set(address, slot);
    this.#wake();
  }

  /** A buffer is longer: its new bytes are mapped here. */
  grow({ address, size }: { address: Address; size: number }): void {
    this.#table.grow(this.#slots.get(address)!, size);
    this.#wake();
  }

  /** A buffer has gone. */
  remove(address: Address): Removal {
    const slot = this.#slots.get(address)!;
    this.#slots.delete(address);
    const version = this.#table.remove(slot);
    const held = this.#threads.holds(slot);
    let known = false;
    const acknowledged = (): boolean => {
      known ||= this.#applied(version);
      return known;
    };
    this.#table.rest(slot, () => acknowledged() && !this.#threads.holds(slot));
    this.#wake();
    // Once the free is done: those of this thread that wait for a word in there are told.
    queueMicrotask(() => this.waits.look());
    return { held, acknowledged, whenReleased: (callback) => this.#threads.whenReleased(slot, callback) };
  }

  /** Every member has done what it had to up to that change, or has gone. */
  #applied(version: number): boolean {
    if (this.#own.ended) return true;
    const { members } = this.#own;
    for (const slot of members.present()) {
      if (slot === this.#own.slot) continue;
      const joined = members.get(slot, 'JOINED');
      if (joined === JOINED.LEAVING) continue;
      if (joined !== JOINED.NO && ((members.get(slot, 'APPLIED') - version) | 0) >= 0) continue;
      const now = performance.now();
      if (now - (this.#looked.get(slot) ?? 0) < LOOK_AGAIN) return false;
      this.#looked.set(slot, now);
      if (members.concerned(slot)) return false;
      this.#clearAway(slot);
    }
    return true;
  }

  /** Rings the members that have gone to sleep since they last looked. */
  #wake(): void {
    if (this.#own === undefined) return;
    const { members, peers, slot: own } = this.#own;
    for (const slot of members.present())
      if (slot !== own && members.get(slot, 'ASLEEP') === 1 && members.set(slot, 'ASLEEP', 0) === 1)
        peers.ring(slot);
  }

  nudge(): void {
    this.#wake();
  }

  /** Addresses have been given back here that attached processes may not have given back to their own use yet. */
  forgetPicture(): void {
    this.#read = Number.NEGATIVE_INFINITY;
  }

  /** The other processes' mappings should be read again before a place is searched. */
  get stale(): boolean {
    if (performance.now() - this.#read <= PICTURE_SERVES) return false;
    return this.#processes().size > 0;
  }

  #processes(): Set<number> {
    const { members } = this.#own;
    const found = new Set<number>();
    for (const slot of members.present()) found.add(members.get(slot, 'PROCESS'));
    found.delete(process.pid);
    found.delete(0);
    return found;
  }

  /** What attached processes have mapped, read afresh. */
  occupied(): Occupied[] {
    this.#read = performance.now();
    return [...this.#processes()].flatMap((pid) => {
      try {
        return parseMaps(readMaps(pid)).vmas.map(({ start, end, name }) => ({
          start,
          end,
          kind: 'vma' as const,
          owner: `process ${pid}`,
          name: name || 'anonymous memory',
        }));
      } catch (error) {
        // It has ended, or can't be read: then it says itself what it can't reach.
        if (error instanceof SystemError) return [];
        throw error;
      }
    });
  }

  /** A place where no heap of another process will be, for a request that leaves it open. */
  find(space: PlacementSpace, request: PlacementRequest): Placement | undefined {
    if (request.place || !this.#heapRoom || this.#heapRoom.end >= space.limit.end) return undefined;
    const within: [Address, Address] = [this.#heapRoom.end, space.limit.end];
    const found = space.find({ ...request, place: { within } });
    return found && { ...found, strategy: 'search' };
  }

  sharers(): Sharer[] {
    const { members, control, slot: own } = this.#own;
    const head = changes(control);
    return [...members.present()]
      .filter((slot) => slot !== own && members.get(slot, 'JOINED') === JOINED.YES && members.concerned(slot))
      .map((slot) => ({
        pid: members.get(slot, 'PROCESS'),
        tid: members.get(slot, 'THREAD'),
        upToDate: ((members.get(slot, 'APPLIED') - head) | 0) >= 0,
        unreachable: [...this.#slots.values()]
          .filter((buffer) => (members.mark(slot, buffer) & (MARK.UNREACHABLE | MARK.SHORT)) !== 0)
          .flatMap((buffer) => readEntry(control, buffer) ?? [])
          .map(({ name, start }) => ({ name, address: start })),
      }));
  }

  /** True once every member has taken in all changes so far. */
  get settled(): boolean {
    return this.#applied(changes(this.#own.control));
  }

  #look(): void {
    const { members } = this.#own;
    this.#threads.look();
    for (const slot of members.present()) {
      if (slot === this.#own.slot || members.get(slot, 'JOINED') === JOINED.NO) continue;
      if (members.follows(slot, this.#own.slot)) continue;
      const name = members.name(slot);
      const known = this.#watched.get(slot);
      if (known?.name === name) continue;
      known?.stop();
      const stop = watchLife(members, slot, () => this.#ended(slot, name));
      this.#watched.set(slot, { name, stop });
    }
  }

  #ended(slot: number, name: number): void {
    const { members } = this.#own;
    if (this.#watched.get(slot)?.name !== name) return;
    if (members.slotOf(name) === slot && members.concerned(slot)) {
      // Its descriptors go a little before it does; and a thread that mapped may leave its process behind.
      setTimeout(() => this.#ended(slot, name), 4 * LOOK_AGAIN).unref();
      return;
    }
    this.#clearAway(slot, name);
  }

  /** Nobody of that name is there any more: its slot, its bell and what it waited for go. */
  #clearAway(slot: number, name = this.#own.members.name(slot)): void {
    const { members, peers } = this.#own;
    this.waits.forget(name);
    const pid = members.get(slot, 'PROCESS');
    if (pid === process.pid) {
      this.#threads.clearAway(slot, name);
      return;
    }
    // A thread beside another of its process has left something there, which that one clears away.
    const led = members.get(slot, 'LEADER') !== 0 && isAlive(pid, members.number(slot, 'PROCESS_START'));
    if (led) return;
    this.#watched.get(slot)?.stop();
    this.#watched.delete(slot);
    peers.forget(slot);
    if (members.slotOf(name) === slot) members.release(slot);
  }

  /** Before the mirror's last buffers go: so that those who wait learn that it is closed, and not that a buffer is freed. */
  announceClose(): void {
    Atomics.store(this.#own.control.i32, HEADER.STATE, SHARE_STATE.CLOSED);
  }

  /**
   * Ends the share for everybody, once its end was announced. Threads of this process that still have views are waited
   * for in the background.
   */
  close(): void {
    const { control, members, peers, slot: own } = this.#own;
    Atomics.add(control.i32, HEADER.HEAD, 1);
    for (const slot of members.present()) if (slot !== own) peers.ring(slot);
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
    this.#own.end('closed');
    close(control.fd);
    const leave = (): void => {
      if (this.#threads.waiting) return;
      this.#threads.close();
      this.#own.leave();
    };
    if (this.#threads.waiting) this.#own.onRing(leave);
    else leave();
  }
}
