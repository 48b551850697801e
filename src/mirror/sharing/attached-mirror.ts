/**
 * A mirror that another process or thread has opened, attached here: the same buffers at the same addresses, kept up to
 * date through shared memory. It never keeps the process alive by itself; a wait that is pending does.
 *
 * @module
 */
import { AttachError, invalidType, type Obstacle, outOfRange } from '../../errors.ts';
import { pageSize, residentPages } from '../../linux/mmap.ts';
import { type Address, alignDown } from '../../mm/address.ts';
import { LiveBuffers } from '../live-buffers.ts';
import { MirrorSync } from '../sync/side.ts';
import { checkWait, type TimeoutOptions, type WaitOptions } from '../sync/wait-options.ts';
import { type WaitResult, Waits } from '../sync/waits.ts';
import type { AttachedBuffer } from './attached-buffer.ts';
import type { AttachedMemory } from './attached-memory.ts';
import { watchLife } from './bell.ts';
import { changes, cutName as cut, generationOf, readEntry, slotsUsed } from './buffer-table.ts';
import { HEADER, HEADER_F64, JOINED, SHARE_STATE } from './control-layout.ts';
import { Expected } from './expected.ts';
import type { Ended, Membership } from './membership.ts';
import { conflictMessage, unreachable } from './obstacles.ts';

/** A range that could not be taken away for lack of room is tried again after so many milliseconds. */
const TRY_AGAIN = 100;
/** A thread that blocks looks after so many milliseconds whether the owner lives. */
const SURVEY = 100;
/** The owner's slot. */
const OWNER = 0;

/** What `query` tells about an address. */
export interface AttachedAddressInfo {
  readonly buffer: AttachedBuffer;
  readonly name: string;
  readonly base: Address;
  /** Bytes from the buffer's start. */
  readonly offset: number;
  /** Whether the page is in memory now. */
  readonly resident: boolean;
}

export class AttachedMirror {
  readonly name: string;
  /** The process that opened the mirror. */
  readonly pid: number;
  /** Resolves, never rejects, once the mirror is closed, or its owner has ended without closing it. */
  readonly ended: Promise<Ended>;
  /** @internal */
  readonly sync: MirrorSync;
  readonly #own: Membership;
  readonly #memory: AttachedMemory;
  readonly #bySlot = new Map<number, AttachedBuffer | (Obstacle & { readonly generation: number })>();
  readonly #byName = new Map<string, AttachedBuffer>();
  readonly #live: LiveBuffers<AttachedBuffer>;
  readonly #expected: Expected;
  readonly #exit = (): void => this.#giveUp('closed');
  #removing: AttachedBuffer[] = [];
  #unwatch = (): void => {};
  #joined = false;
  #head: number | undefined;
  #incomplete = false;
  #retry: NodeJS.Timeout | undefined;
  #surveyAt = 0;
  #left = false;

  /** @internal Maps everything there is; throws AttachError with nothing left behind. Use {@link attachMirror}. */
  constructor(own: Membership, memory: AttachedMemory, inThread: boolean) {
    this.#own = own;
    this.#memory = memory;
    this.#expected = new Expected(own.bell);
    this.name = own.mirror;
    this.pid = own.members.get(OWNER, 'PROCESS');
    this.#live = new LiveBuffers(own.control.f64[HEADER_F64.ARENA_SIZE]!);
    this.#catchUp();
    const obstacles = this.#obstacles();
    if (obstacles.length > 0) {
      for (const buffer of this.#live.sorted()) memory.remove(buffer);
      throw new AttachError('conflict', conflictMessage(this.name, process.pid, obstacles), obstacles);
    }
    this.#joined = true;
    own.members.set(own.slot, 'JOINED', JOINED.YES);
    own.onRing(() => this.#rung());
    own.refresh = () => this.#survey();
    own.peers.ring(OWNER);
    const leader = own.members.get(own.slot, 'LEADER') - 1;
    if (leader > OWNER) own.peers.ring(leader);
    const waits = new Waits(own);
    this.sync = new MirrorSync(
      (address) => this.#at(address),
      () => waits,
    );
    this.ended = new Promise((resolve) => own.onEnd(resolve));
    this.#unwatch = watchLife(own.members, OWNER, () => this.#ownerGone());
    memory.whenCollected(() => this.#leave());
    if (inThread) process.once('exit', this.#exit);
    this.#endIfClosed();
  }

  /** `'lost'`: the owner has ended; what is mapped can still be read and written. */
  get state(): 'open' | 'closed' | 'lost' {
    return this.#own.ended ?? 'open';
  }

  /** The live buffers, by address. */
  buffers(): AttachedBuffer[] {
    this.#catchUp();
    return this.#live.sorted();
  }

  /**
   * The live buffer of that name (the newest, where several have it), or that holds the address; undefined where there
   * is none. Throws AttachError, `unreachable`, where something of this process lies in its place.
   */
  buffer(nameOrAddress: string | Address): AttachedBuffer | undefined {
    if (typeof nameOrAddress === 'number') return this.query(nameOrAddress)?.buffer;
    if (typeof nameOrAddress !== 'string')
      throw invalidType('nameOrAddress', 'a name or an address', nameOrAddress);
    this.#catchUp();
    const name = cut(nameOrAddress);
    const found = this.#byName.get(name);
    if (found) return found;
    const obstacle = this.#obstacles().find((each) => each.name === name);
    if (obstacle) throw unreachable(this.name, process.pid, obstacle);
    return undefined;
  }

  /** What is known of an address; undefined where no live buffer that is reachable here holds it. */
  query(address: Address): AttachedAddressInfo | undefined {
    if (typeof address !== 'number') throw invalidType('address', 'a number', address);
    if (!Number.isSafeInteger(address) || address < 0) throw outOfRange('address', 'an address', address);
    const buffer = this.#at(address);
    if (!buffer) return undefined;
    return {
      buffer,
      name: buffer.name,
      base: buffer.address,
      offset: address - buffer.address,
      resident: residentPages(alignDown(address, pageSize()), pageSize()) === 1,
    };
  }

  /** The buffer that holds an address, or undefined: what accessors ask, so that `Node.in(attached)` reaches all. */
  memoryAt(address: Address): AttachedBuffer | undefined {
    return Number.isSafeInteger(address) && address >= 0 ? this.#at(address) : undefined;
  }

  /** Buffers that can't be reached here, since something of this process lies in their place. */
  unreachable(): readonly Obstacle[] {
    this.#catchUp();
    return this.#obstacles();
  }

  /**
   * The buffer of that name, now or once the owner has allocated it. Rejects with TimeoutError, the signal's reason,
   * AttachError where it comes to be and is unreachable here, StateError once the mirror is closed or lost.
   */
  async whenBuffer(name: string, options?: WaitOptions): Promise<AttachedBuffer> {
    const checked = checkWait(options);
    checked.signal?.throwIfAborted();
    const there = this.buffer(name);
    if (there) return there;
    this.#own.check();
    return this.#expected.wait(name, checked);
  }

  /**
   * Blocks this thread while the 32-bit word at `address` holds `expected`, as `Atomics.wait` does: until somebody
   * notifies, in any process (`'ok'`, which may also be spurious), or `timeout` milliseconds have passed.
   */
  wait(address: Address, expected: number, options?: TimeoutOptions): WaitResult {
    return this.sync.wait(address, expected, options);
  }

  /** {@link AttachedMirror.wait} without blocking the thread. */
  waitAsync(address: Address, expected: number, options?: WaitOptions): Promise<WaitResult> {
    return this.sync.waitAsync(address, expected, options);
  }

  /** Wakes up to `count` of those who wait for the word, in all processes; all by default. Gives how many there were. */
  notify(address: Address, count?: number): number {
    return this.sync.notify(address, count);
  }

  /**
   * Unmaps all buffers here; views are as after a free. The owner and other processes go on. Where this was the first of
   * its process to attach, the others of that process (threads, and this thread's second) end with it. Safe to call twice.
   */
  async close(): Promise<void> {
    this.#giveUp('closed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #at(address: Address): AttachedBuffer | undefined {
    this.#catchUp();
    if (this.#left) throw this.#own.error('closed');
    return this.#live.at(address);
  }

  #obstacles(): (Obstacle & { readonly generation: number })[] {
    return [...this.#bySlot.values()].filter((entry) => 'blockers' in entry);
  }

  #rung(): void {
    this.#memory.look();
    this.#catchUp();
    this.#leave();
  }

  /** For a thread that blocks. A life line says nothing there, so the owner itself is looked at, now and then. */
  #survey(): void {
    this.#catchUp();
    const now = performance.now();
    if (this.#own.ended || now < this.#surveyAt) return;
    this.#surveyAt = now + SURVEY;
    this.#memory.survey();
    this.#endIfClosed();
    if (!this.#own.ended && !this.#own.members.alive(OWNER)) this.#ownerGone();
  }

  /** Does what the table of buffers says: first all that has gone, then what is new. */
  #catchUp(): void {
    const { control, members, slot: own } = this.#own;
    if (this.#own.ended) return;
    for (;;) {
      const head = changes(control);
      // A mirror that closes says so first, then frees its buffers.
      this.#endIfClosed();
      if (this.#own.ended) return;
      if (head !== this.#head || this.#incomplete || this.#removing.length > 0) this.#apply(head);
      // The owner rings those that are asleep. It may have rung already for what was found without the bell.
      if (members.get(own, 'ASLEEP') === 1) break;
      members.set(own, 'ASLEEP', 1);
      if (changes(control) === head) break;
    }
  }

  #apply(head: number): void {
    const { control, members, slot: own } = this.#own;
    this.#incomplete = false;
    const slots = slotsUsed(control);
    for (const [slot, entry] of this.#bySlot)
      if (generationOf(control, slot) !== entry.generation) this.#remove(slot);
    this.#removing = this.#removing.filter((buffer) => !this.#memory.remove(buffer));
    for (let slot = 0; slot < slots; slot++) if (!this.#bySlot.has(slot)) this.#add(slot);
    this.#head = head;
    if (this.#removing.length === 0) members.set(own, 'APPLIED', head);
    else this.#retry ??= setTimeout(() => this.#again(), TRY_AGAIN).unref();
  }

  /** Once it has joined: before, whoever attaches cleans up. */
  #endIfClosed(): void {
    const closed = Atomics.load(this.#own.control.i32, HEADER.STATE) === SHARE_STATE.CLOSED;
    if (this.#joined && (closed || this.#memory.ended)) this.#giveUp('closed');
  }

  #again(): void {
    this.#retry = undefined;
    this.#catchUp();
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
      this.#expected.failed(unreachable(this.name, process.pid, added), added.name);
      return;
    }
    this.#bySlot.set(slot, added);
    this.#byName.set(added.name, added);
    this.#live.add(added);
    this.#expected.found(added);
  }

  #remove(slot: number): void {
    const entry = this.#bySlot.get(slot)!;
    this.#bySlot.delete(slot);
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

  #ownerGone(): void {
    this.#catchUp();
    if (this.#own.ended) return;
    this.#expected.failed(this.#own.error('lost'));
    this.#own.end('lost');
  }

  /** Gives all buffers up, for good. */
  #giveUp(reason: Ended): void {
    if (this.#left) return;
    this.#left = true;
    process.removeListener('exit', this.#exit);
    clearTimeout(this.#retry);
    this.#unwatch();
    this.#expected.failed(this.#own.error(reason));
    this.#own.end(reason);
    const { members, slot: own } = this.#own;
    const live = this.#live.sorted();
    for (const buffer of live) this.#live.remove(buffer);
    const buffers = [...this.#removing, ...live];
    this.#bySlot.clear();
    this.#byName.clear();
    // What the kernel has no room to take away stays mapped: it shows what is there for ever, and the owner waits.
    const stuck = buffers.filter((buffer) => !this.#memory.remove(buffer));
    if (stuck.length > 0) return;
    members.set(own, 'JOINED', JOINED.LEAVING);
    this.#memory.tell();
    this.#leave();
  }

  /** Forgets the share, once no thread beside this one, and no ArrayBuffer of this one, needs it. */
  #leave(): void {
    const { members, slot: own } = this.#own;
    if (!this.#left || this.#own.left || members.get(own, 'JOINED') !== JOINED.LEAVING || this.#memory.held)
      return;
    this.#memory.close();
    this.#own.leave();
  }
}
