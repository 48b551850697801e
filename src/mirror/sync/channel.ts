/**
 * A bounded channel in mirrored memory: a ring of messages of one size, for any number of senders and receivers in any
 * process or thread that shares the mirror. A robust lock guards it, and each message counts from one store on: the
 * sender's to `sent`, the receiver's to `received`. So whoever is killed at whatever moment leaves a ring that is whole.
 *
 *     0    magic, message size, capacity, closed
 *     64   lock
 *     128  sent (counts messages, modulo a multiple of the capacity), threads that wait for one
 *     192  received, threads that wait for room
 *     256  messages, at multiples of 8 bytes
 *
 * @module
 */
import { invalidType, outOfRange, StateError, TimeoutError } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import { SharedMutex } from './mutex.ts';
import { type MirrorSide, syncOf } from './side.ts';
import { checkTimeout, checkWait, type TimeoutOptions, type WaitOptions } from './wait-options.ts';
import type { Waits, Word } from './waits.ts';

const MAGIC = 0x6368616e;
const WORD = { MAGIC: 0, MESSAGE_SIZE: 1, CAPACITY: 2, CLOSED: 3, SENT: 32, RECEIVED: 48 } as const;
const LOCK = 64;
const SENT = 128;
const RECEIVED = 192;
const MESSAGES = 256;
const MOST = 2 ** 30;
/** A waiter looks again after so many milliseconds: one that was woken in its place may have been killed. */
const LOOK_AGAIN = 100;

export interface ChannelOptions {
  /** Bytes of a message. */
  readonly messageSize: number;
  /** Messages that may wait. */
  readonly capacity: number;
}

export class SharedChannel {
  readonly address: Address;
  readonly messageSize: number;
  readonly capacity: number;
  readonly #stride: number;
  readonly #modulus: number;
  readonly #head: Word;
  readonly #sent: Word;
  readonly #received: Word;
  readonly #bytes: Uint8Array;
  /** Index of `bytes` at which the channel begins. */
  readonly #base: number;
  readonly #lock: SharedMutex;
  readonly #waits: Waits;

  /** Bytes that a channel takes. */
  static sizeOf(options: ChannelOptions): number {
    const { messageSize, capacity } = checkOptions(options);
    return MESSAGES + capacity * strideOf(messageSize);
  }

  /** Makes a channel at an address, a multiple of 8; what was there is overwritten. */
  static create(side: MirrorSide, address: Address, options: ChannelOptions): SharedChannel {
    const size = SharedChannel.sizeOf(options);
    const { i32, index } = syncOf(side).word(address, size);
    checkAligned(address);
    i32.fill(0, index, index + MESSAGES / 4);
    i32[index + WORD.MESSAGE_SIZE] = options.messageSize;
    i32[index + WORD.CAPACITY] = options.capacity;
    Atomics.store(i32, index + WORD.MAGIC, MAGIC);
    return new SharedChannel(side, address);
  }

  /** The channel that another side has made there. Throws RangeError where there is none. */
  static open(side: MirrorSide, address: Address): SharedChannel {
    return new SharedChannel(side, address);
  }

  private constructor(side: MirrorSide, address: Address) {
    const sync = syncOf(side);
    this.#head = sync.word(address, MESSAGES);
    checkAligned(address);
    const { i32, index } = this.#head;
    const messageSize = i32[index + WORD.MESSAGE_SIZE]!;
    const capacity = i32[index + WORD.CAPACITY]!;
    const whole = messageSize > 0 && capacity > 0 && messageSize <= MOST && capacity <= MOST;
    if (Atomics.load(i32, index + WORD.MAGIC) !== MAGIC || !whole)
      throw outOfRange('address', 'that of a channel that was created', address);
    this.#stride = strideOf(messageSize);
    const buffer = sync.buffer(address, MESSAGES + capacity * this.#stride);
    this.address = address;
    this.messageSize = messageSize;
    this.capacity = capacity;
    this.#modulus = Math.floor(2 ** 31 / capacity) * capacity;
    this.#bytes = buffer.bytes;
    this.#base = address - buffer.address;
    this.#sent = sync.word(address + SENT);
    this.#received = sync.word(address + RECEIVED);
    this.#lock = new SharedMutex(side, address + LOCK);
    this.#waits = sync.waits;
  }

  /** Messages that wait now. */
  get length(): number {
    this.#head.check();
    const { i32, index } = this.#head;
    const received = Atomics.load(i32, index + WORD.RECEIVED);
    return this.#distance(received, Atomics.load(i32, index + WORD.SENT));
  }

  get closed(): boolean {
    this.#head.check();
    return Atomics.load(this.#head.i32, this.#head.index + WORD.CLOSED) !== 0;
  }

  /** Puts a message in; blocks while the ring is full. StateError where it is closed, TimeoutError. */
  send(message: NodeJS.ArrayBufferView, options?: TimeoutOptions): void {
    const bytes = this.#checkMessage(message);
    this.#block(this.#received, checkTimeout(options), 'the channel', () => this.#trySend(bytes));
  }

  /** Puts a message in; false where that can't be done at once: the ring is full, or another side is at it just now. */
  trySend(message: NodeJS.ArrayBufferView): boolean {
    const bytes = this.#checkMessage(message);
    return this.#now(() => this.#trySend(bytes)) === true;
  }

  /** {@link send} without blocking the thread. */
  async sendAsync(message: NodeJS.ArrayBufferView, options?: WaitOptions): Promise<void> {
    const bytes = this.#checkMessage(message);
    await this.#await(this.#received, options, () => this.#trySend(bytes));
  }

  /** Takes the oldest message out; blocks while there is none. Undefined where it is closed and empty. TimeoutError. */
  receive(options?: TimeoutOptions): Uint8Array | undefined {
    const timeout = checkTimeout(options);
    return this.#block(this.#sent, timeout, 'the channel', () => this.#tryReceive()) ?? undefined;
  }

  /** Takes the oldest message out; undefined where there is none, or another side is at the ring just now. */
  tryReceive(): Uint8Array | undefined {
    if (this.length === 0) return undefined;
    return this.#now(() => this.#tryReceive()) ?? undefined;
  }

  /** {@link receive} without blocking the thread. */
  async receiveAsync(options?: WaitOptions): Promise<Uint8Array | undefined> {
    return (await this.#await(this.#sent, options, () => this.#tryReceive())) ?? undefined;
  }

  /** The messages as they come, until the channel is closed and empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let message = await this.receiveAsync(); message; message = await this.receiveAsync()) yield message;
  }

  /**
   * No more messages go in; those that wait can still be taken out. For every side. Closing twice is no error. Blocks
   * until whoever puts a message in or takes one out just now is done or dead: TimeoutError where it was stopped in there.
   */
  close(options?: TimeoutOptions): void {
    const closed = { timeout: checkTimeout(options) };
    this.#lock.with(() => Atomics.store(this.#head.i32, this.#head.index + WORD.CLOSED, 1), closed);
    this.#waits.notify(this.#sent.address, Number.POSITIVE_INFINITY);
    this.#waits.notify(this.#received.address, Number.POSITIVE_INFINITY);
  }

  #checkMessage(message: NodeJS.ArrayBufferView): Uint8Array {
    if (!ArrayBuffer.isView(message)) throw invalidType('message', 'a typed array or DataView', message);
    if (message.byteLength > this.messageSize)
      throw outOfRange('message', `at most ${this.messageSize} bytes`, message.byteLength);
    return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
  }

  /** Under the lock. Undefined where it must wait. */
  #trySend(bytes: Uint8Array): true | undefined {
    const { i32, index } = this.#head;
    if (this.closed)
      throw new StateError('closed', `the channel at 0x${this.address.toString(16)} is closed`);
    const sent = Atomics.load(i32, index + WORD.SENT);
    const received = Atomics.load(i32, index + WORD.RECEIVED);
    if (this.#distance(received, sent) >= this.capacity) return undefined;
    const at = this.#at(sent);
    this.#bytes.set(bytes, at);
    this.#bytes.fill(0, at + bytes.byteLength, at + this.messageSize);
    Atomics.store(i32, index + WORD.SENT, (sent + 1) % this.#modulus);
    this.#announce(this.#sent);
    return true;
  }

  /** Under the lock. Undefined where it must wait, null where nothing will come. */
  #tryReceive(): Uint8Array | null | undefined {
    const { i32, index } = this.#head;
    const received = Atomics.load(i32, index + WORD.RECEIVED);
    if (received === Atomics.load(i32, index + WORD.SENT)) return this.closed ? null : undefined;
    const at = this.#at(received);
    const message = this.#bytes.slice(at, at + this.messageSize);
    Atomics.store(i32, index + WORD.RECEIVED, (received + 1) % this.#modulus);
    this.#announce(this.#received);
    return message;
  }

  /** Under the lock, where that is free. */
  #now<T>(attempt: () => T | undefined): T | undefined {
    if (this.#lock.tryLock() === false) return undefined;
    try {
      return attempt();
    } finally {
      this.#lock.unlock();
    }
  }

  #at(count: number): number {
    return this.#base + MESSAGES + (count % this.capacity) * this.#stride;
  }

  #distance(from: number, to: number): number {
    return (to - from + this.#modulus) % this.#modulus;
  }

  /** The word has changed: those that wait for that are woken, where there are any. */
  #announce({ i32, index, address }: Word): void {
    if (Atomics.load(i32, index + 1) !== 0) this.#waits.notify(address, 1);
  }

  #block<T>(word: Word, timeout: number, what: string, attempt: () => T | undefined): T {
    const deadline = performance.now() + timeout;
    for (;;) {
      const left = deadline - performance.now();
      const value = Atomics.load(word.i32, word.index);
      const done = this.#lock.with(
        attempt,
        Number.isFinite(left) ? { timeout: Math.max(left, 1) } : undefined,
      );
      if (done !== undefined) return done;
      if (left <= 0) throw new TimeoutError(what, timeout);
      // Counted before it sleeps, and the word is compared by the kernel: nothing that changes it is missed.
      Atomics.add(word.i32, word.index + 1, 1);
      try {
        if (Atomics.load(word.i32, word.index) === value && !this.closed)
          this.#waits.wait(word, value, Math.min(left, LOOK_AGAIN));
      } finally {
        this.#waited(word);
      }
    }
  }

  async #await<T>(word: Word, options: WaitOptions | undefined, attempt: () => T | undefined): Promise<T> {
    const checked = checkWait(options);
    const deadline = performance.now() + checked.timeout;
    for (;;) {
      const left = deadline - performance.now();
      const value = Atomics.load(word.i32, word.index);
      const done = await this.#lock.inTurn(attempt, { ...checked, timeout: Math.max(left, 1) });
      if (done !== undefined) return done;
      if (left <= 0) throw new TimeoutError('the channel', checked.timeout);
      Atomics.add(word.i32, word.index + 1, 1);
      try {
        if (Atomics.load(word.i32, word.index) === value && !this.closed)
          await this.#waits.waitAsync(word, value, { ...checked, timeout: Math.min(left, LOOK_AGAIN) });
      } finally {
        this.#waited(word);
      }
    }
  }

  /** A waiter that was killed is counted for ever, which costs others a needless wake-up and nothing else. */
  #waited({ i32, index, check }: Word): void {
    try {
      check();
    } catch {
      return;
    }
    Atomics.sub(i32, index + 1, 1);
  }
}

function strideOf(messageSize: number): number {
  return Math.ceil(messageSize / 8) * 8;
}

function checkAligned(address: Address): void {
  if (address % 8 !== 0) throw outOfRange('address', 'a multiple of 8', address);
}

function checkOptions(options: ChannelOptions): ChannelOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  for (const field of ['messageSize', 'capacity'] as const) {
    const value = options[field];
    if (typeof value !== 'number') throw invalidType(field, 'a number', value);
    if (!Number.isInteger(value) || value < 1 || value > MOST)
      throw outOfRange(field, `from 1 to ${MOST}`, value);
  }
  return options;
}
