/**
 * A lock in mirrored memory: one 32-bit word that is 0 or names its holder, a thread of any process that shares the
 * mirror. It is robust: where the holder has died, the next one gets the lock and is told so, as by EOWNERDEAD of
 * pthread_mutex_lock(3). Three states (free, held, held and waited for) as in Drepper, "Futexes Are Tricky", so that
 * a lock that nobody fights over costs no system call.
 *
 * @module
 */
import { StateError, TimeoutError } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import { NAME_BITS } from '../sharing/control-layout.ts';
import { type MirrorSide, syncOf } from './side.ts';
import {
  type CheckedWait,
  checkTimeout,
  checkWait,
  type TimeoutOptions,
  type WaitOptions,
} from './wait-options.ts';
import type { Waits, Word } from './waits.ts';

/** Somebody sleeps, or may, until the lock is free. */
const WAITED_FOR = 1 << 30;
/** Looks at a lock that is held before going to sleep. */
const SPIN = 400;
/** A waiter looks this often, in milliseconds, whether the holder still lives. */
const LIVENESS = 50;

/** How a lock was got: `'owner-died'` where the last holder ended with it, so that what it guards may be half changed. */
export type Locked = 'ok' | 'owner-died';

export class SharedMutex {
  /** Bytes that a lock takes. */
  static readonly size = 4;
  readonly address: Address;
  readonly #word: Word;
  readonly #waits: Waits;

  /**
   * The lock at an address: four bytes of a live buffer that were zero at first, and that nothing else touches. Each
   * side makes its own object for the same address.
   */
  constructor(side: MirrorSide, address: Address) {
    const sync = syncOf(side);
    this.#word = sync.word(address);
    this.#waits = sync.waits;
    this.address = address;
  }

  /** True while this thread holds it. */
  get held(): boolean {
    return (this.#load() & NAME_BITS) === this.#waits.own.name;
  }

  /**
   * Takes the lock; blocks until it is free. Throws StateError, `held`, where this thread has it already; TimeoutError.
   */
  lock(options?: TimeoutOptions): Locked {
    const timeout = checkTimeout(options);
    this.#word.check();
    const { name } = this.#waits.own;
    const { i32, index } = this.#word;
    for (let i = 0; i < SPIN; i++) if (Atomics.load(i32, index) === 0 && this.#take(0, name)) return 'ok';
    if ((Atomics.load(i32, index) & NAME_BITS) === name) this.#refuse('is held by this thread already');
    const deadline = performance.now() + timeout;
    for (;;) {
      const value = Atomics.load(i32, index);
      if (value === 0) {
        // A free leaves a 0 there as well.
        this.#word.check();
        if (this.#take(0, name | WAITED_FOR)) return 'ok';
        continue;
      }
      const waited = value | WAITED_FOR;
      if (value !== waited && !this.#take(value, waited)) continue;
      const left = deadline - performance.now();
      const result = this.#waits.sleep(this.#word, waited, Math.min(Math.max(left, 0), LIVENESS));
      if (result !== 'timed-out') continue;
      if (this.#bequeath(waited)) return 'owner-died';
      if (left <= LIVENESS) throw new TimeoutError('the lock', timeout);
    }
  }

  /** {@link lock} without blocking: false where somebody has it, this thread included. */
  tryLock(): Locked | false {
    this.#word.check();
    return this.#attempt(this.#waits.own.name);
  }

  /** {@link lock} without blocking the thread. Where this thread has it already, waits until that has unlocked it. */
  async lockAsync(options?: WaitOptions): Promise<Locked> {
    return this.#untilTaken(checkWait(options), (locked) => locked);
  }

  /**
   * @internal Runs `body` under the lock, and unlocks, all in one turn: code of this thread that blocks for the lock
   * never finds it held by an asynchronous call.
   */
  async inTurn<T>(body: () => T, checked: CheckedWait): Promise<T> {
    return this.#untilTaken(checked, () => {
      try {
        return body();
      } finally {
        this.unlock();
      }
    });
  }

  async #untilTaken<T>(checked: CheckedWait, taken: (locked: Locked) => T): Promise<T> {
    checked.signal?.throwIfAborted();
    this.#word.check();
    const { name } = this.#waits.own;
    const deadline = performance.now() + checked.timeout;
    for (let as = name; ; as = name | WAITED_FOR) {
      const locked = this.#attempt(as);
      if (locked) return taken(locked);
      const value = this.#load();
      const waited = value | WAITED_FOR;
      if (value === 0 || (value !== waited && !this.#take(value, waited))) continue;
      const left = deadline - performance.now();
      const timeout = Math.min(Math.max(left, 0), LIVENESS);
      const result = await this.#waits.waitAsync(this.#word, waited, { ...checked, timeout });
      this.#word.check();
      if (result === 'timed-out' && left <= LIVENESS) throw new TimeoutError('the lock', checked.timeout);
    }
  }

  /** Gives the lock to whoever comes next. Throws StateError, `held`, where this thread does not have it. */
  unlock(): void {
    this.#word.check();
    if (!this.held) this.#refuse('is not held by this thread');
    const { i32, index, address } = this.#word;
    if ((Atomics.exchange(i32, index, 0) & WAITED_FOR) !== 0) this.#waits.notify(address, 1);
  }

  /** Runs `body` under the lock, and unlocks whatever it does. */
  with<T>(body: (locked: Locked) => T, options?: TimeoutOptions): T {
    const locked = this.lock(options);
    try {
      return body(locked);
    } finally {
      this.unlock();
    }
  }

  /** {@link with}, with a body that may wait. */
  async withAsync<T>(body: (locked: Locked) => Promise<T> | T, options?: WaitOptions): Promise<T> {
    const locked = await this.lockAsync(options);
    try {
      return await body(locked);
    } finally {
      this.unlock();
    }
  }

  #load(): number {
    return Atomics.load(this.#word.i32, this.#word.index);
  }

  #take(from: number, to: number): boolean {
    const { i32, index } = this.#word;
    return Atomics.compareExchange(i32, index, from, to) === from;
  }

  #attempt(as: number): Locked | false {
    if (this.#take(0, as)) return 'ok';
    const value = this.#load();
    return value !== 0 && this.#bequeath(value) ? 'owner-died' : false;
  }

  /** Takes the lock over from a holder that has died. Others may wait as well, so they are taken to. */
  #bequeath(value: number): boolean {
    const { members, name } = this.#waits.own;
    return members.dead(value & NAME_BITS) && this.#take(value, name | WAITED_FOR);
  }

  #refuse(why: string): never {
    throw new StateError('held', `the lock at 0x${this.address.toString(16)} ${why}`);
  }
}
