/**
 * A mirror that another process or thread has opened, attached here: the same buffers at the same addresses, kept up to
 * date through shared memory. It never keeps the process alive by itself; a wait that is pending does.
 *
 * @module
 */
import { AttachError, invalidType, type Obstacle, outOfRange } from '../../errors.ts';
import { pageSize, residentPages } from '../../linux/mmap.ts';
import { type Address, alignDown } from '../../mm/address.ts';
import { MirrorSync } from '../sync/side.ts';
import { checkWait, type TimeoutOptions, type WaitOptions } from '../sync/wait-options.ts';
import { type WaitResult, Waits } from '../sync/waits.ts';
import type { AttachedBuffer } from './attached-buffer.ts';
import { AttachedBuffers } from './attached-buffers.ts';
import type { AttachedMemory } from './attached-memory.ts';
import { goOut, tryEnter } from './attaching.ts';
import { watchLife } from './bell.ts';
import { cutName as cut } from './buffer-table.ts';
import { HEADER, JOINED, SHARE_STATE } from './control-layout.ts';
import { Expected } from './expected.ts';
import type { Ended, Membership } from './membership.ts';
import { conflictMessage, unreachable } from './obstacles.ts';

/** Where another thread attaches just now, this one looks again after so many milliseconds. */
const LOOK_AGAIN = 2;
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
  readonly #buffers: AttachedBuffers;
  readonly #expected: Expected;
  readonly #exit = (): void => this.#giveUp();
  #unwatch = (): void => {};
  #joined = false;
  #surveyAt = 0;
  /** Nobody uses this side any more. */
  #closed = false;
  /** Closed, but what is mapped serves other threads of this process. */
  #serving = false;
  /** What was mapped has been given up. */
  #gone = false;

  /** @internal Maps everything there is; throws AttachError with nothing left behind. Use {@link attachMirror}. */
  constructor(own: Membership, memory: AttachedMemory, inThread: boolean) {
    this.#own = own;
    this.#memory = memory;
    this.#expected = new Expected(own.bell);
    this.name = own.mirror;
    this.pid = own.members.get(OWNER, 'PROCESS');
    this.#buffers = new AttachedBuffers(own, memory, {
      over: () => this.#over(),
      found: (buffer) => this.#expected.found(buffer),
      unreachable: (obstacle) =>
        this.#expected.failed(unreachable(this.name, process.pid, obstacle), obstacle.name),
    });
    this.#buffers.catchUp();
    const obstacles = this.#buffers.obstacles();
    if (obstacles.length > 0) {
      for (const buffer of this.#buffers.sorted()) memory.remove(buffer);
      throw new AttachError('conflict', conflictMessage(this.name, process.pid, obstacles), obstacles);
    }
    this.#joined = true;
    memory.mapsBy(() => this.#buffers.catchUp());
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
    memory.whenReleased(() => this.#released());
    if (inThread) process.once('exit', this.#exit);
    this.#endIfClosed();
  }

  /** `'lost'`: the owner has ended; what is mapped can still be read and written. */
  get state(): 'open' | 'closed' | 'lost' {
    return this.#own.ended ?? 'open';
  }

  /** The live buffers, by address. */
  buffers(): AttachedBuffer[] {
    this.#buffers.catchUp();
    return this.#closed ? [] : this.#buffers.sorted();
  }

  /**
   * The live buffer of that name (the newest, where several have it), or that holds the address; undefined where there
   * is none. Throws AttachError, `unreachable`, where something of this process lies in its place.
   */
  buffer(nameOrAddress: string | Address): AttachedBuffer | undefined {
    if (typeof nameOrAddress === 'number') return this.query(nameOrAddress)?.buffer;
    if (typeof nameOrAddress !== 'string')
      throw invalidType('nameOrAddress', 'a name or an address', nameOrAddress);
    this.#buffers.catchUp();
    if (this.#closed) return undefined;
    const name = cut(nameOrAddress);
    const found = this.#buffers.named(name);
    if (found) return found;
    const obstacle = this.#buffers.obstacles().find((each) => each.name === name);
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
    this.#buffers.catchUp();
    return this.#closed ? [] : this.#buffers.obstacles();
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
   * Gives all buffers up here; views are as after a free. The owner and other processes go on, and so do other threads of
   * this process and whatever else of this thread has attached: what is mapped for them stays until the last has closed,
   * or until this thread ends. Safe to call twice.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#end();
    if (this.#memory.shared) {
      this.#buffers.keep();
      this.#serving = true;
      this.#own.members.set(this.#own.slot, 'JOINED', JOINED.SERVING);
      this.#finish();
    } else this.#giveUp();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #at(address: Address): AttachedBuffer | undefined {
    this.#buffers.catchUp();
    if (this.#closed) throw this.#own.error('closed');
    return this.#buffers.at(address);
  }

  #rung(): void {
    this.#memory.look();
    this.#buffers.catchUp();
    this.#released();
  }

  /** For a thread that blocks. A life line says nothing there, so the owner itself is looked at, now and then. */
  #survey(): void {
    this.#buffers.catchUp();
    const now = performance.now();
    if (this.#own.ended || now < this.#surveyAt) return;
    this.#surveyAt = now + SURVEY;
    this.#memory.survey();
    this.#endIfClosed();
    if (!this.#own.ended && !this.#own.members.alive(OWNER)) this.#ownerGone();
  }

  /** Buffers come and go no more. */
  #over(): boolean {
    if (!this.#own.ended || this.#serving) this.#endIfClosed();
    return this.#own.ended !== undefined && !this.#serving;
  }

  /** Once it has joined: before, whoever attaches cleans up. */
  #endIfClosed(): void {
    const closed = Atomics.load(this.#own.control.i32, HEADER.STATE) === SHARE_STATE.CLOSED;
    if (this.#joined && (closed || this.#memory.ended)) this.#giveUp();
  }

  #ownerGone(): void {
    this.#buffers.catchUp();
    if (this.#own.ended) return;
    this.#expected.failed(this.#own.error('lost'));
    this.#own.end('lost');
  }

  /** For those who use this side. */
  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#expected.failed(this.#own.error('closed'));
    this.#own.end('closed');
  }

  /** Of those who used something of this side some have gone. */
  #released(): void {
    if (this.#serving) this.#finish();
    else this.#leave();
  }

  /** Gives up what is mapped for other threads, unless one uses it or is attaching just now, which might. */
  #finish(): void {
    const { control } = this.#own;
    if (!this.#serving || this.#memory.used) return;
    if (!tryEnter(control)) {
      setTimeout(() => this.#finish(), LOOK_AGAIN).unref();
      return;
    }
    const used = this.#memory.used;
    if (!used) this.#takeAway();
    goOut(control);
    if (!used) this.#gaveUp();
  }

  /** Ends this side, for other threads of the process too. */
  #giveUp(): void {
    if (this.#gone) return;
    this.#end();
    this.#takeAway();
    this.#gaveUp();
  }

  /** Gives all buffers up, for good. */
  #takeAway(): void {
    this.#gone = true;
    this.#serving = false;
    process.removeListener('exit', this.#exit);
    this.#unwatch();
    this.#memory.mapsBy(undefined);
    // What the kernel has no room to take away stays mapped: it shows what is there for ever, and the owner waits.
    if (this.#buffers.giveUp()) this.#own.members.set(this.#own.slot, 'JOINED', JOINED.LEAVING);
  }

  #gaveUp(): void {
    if (this.#own.members.get(this.#own.slot, 'JOINED') !== JOINED.LEAVING) return;
    this.#memory.tell();
    this.#leave();
  }

  /** Forgets the share, once no thread beside this one, and no ArrayBuffer of this one, needs it. */
  #leave(): void {
    if (!this.#gone || this.#own.left || this.#memory.held) return;
    if (this.#own.members.get(this.#own.slot, 'JOINED') !== JOINED.LEAVING) return;
    this.#memory.close();
    this.#own.leave();
  }
}
