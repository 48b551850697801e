/**
 * Waiting on a word of mirrored memory, by the rules of `Atomics.wait` and `Atomics.notify`, but across processes and
 * for every member of a share. A thread that blocks sleeps in a futex. One that must not block is entered in a table in
 * shared memory, and whoever notifies rings its bell: so there is no helper thread, giving up is one store, and a
 * waiter that was killed is skipped.
 *
 * @module
 */
import { UsefulSpin } from '../../engine/useful-spin.ts';
import { SystemError } from '../../errors.ts';
import { futexSleep, futexWake } from '../../linux/futex.ts';
import type { Address } from '../../mm/address.ts';
import { HEADER, MOST_WAITERS, NAME_BITS, WAITER, WAITER_BYTES, WAITERS } from '../sharing/control-layout.ts';
import type { Ended, Membership } from '../sharing/membership.ts';
import type { CheckedWait } from './wait-options.ts';

export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

/**
 * A blocked thread hears no bell and no life line: it looks this often, in milliseconds, whether what it waits for still
 * exists.
 */
const SLICE = 100;
/** How long, in milliseconds, a blocking wait looks at the word, at most: about what a wake-up takes on an idle machine. */
const LONGEST_SPIN = 0.05;
/** Looks between two looks at the clock. */
const LOOKS = 200;
const MOST_WAKES = 2 ** 31 - 1;

/** A word of a live buffer. */
export interface Word {
  readonly address: Address;
  readonly i32: Int32Array;
  readonly index: number;
  /** Throws once the word is no more. */
  check(): void;
}

interface Pending {
  finish(result: WaitResult): void;
  readonly notified: () => boolean;
  /** Gives up where the word is no more. */
  check(): void;
}

export class Waits {
  readonly own: Membership;
  readonly #i32: Int32Array;
  readonly #f64: Float64Array;
  readonly #pending = new Set<Pending>();
  readonly #usefulSpin = new UsefulSpin(LONGEST_SPIN);

  constructor(own: Membership) {
    this.own = own;
    this.#i32 = own.control.i32;
    this.#f64 = own.control.f64;
    own.onRing(() => this.look());
  }

  /** Blocks while the word holds `expected`. `'ok'` may be spurious. Throws once word or share are no more. */
  wait(word: Word, expected: number, timeout: number): WaitResult {
    const { i32, index } = word;
    if (Atomics.load(i32, index) !== expected) return 'not-equal';
    const begun = performance.now();
    const deadline = begun + timeout;
    const spin = this.#usefulSpin.next();
    for (const end = begun + Math.min(spin, timeout); performance.now() < end; )
      for (let i = 0; i < LOOKS; i++) {
        if (Atomics.load(i32, index) === expected) continue;
        this.#usefulSpin.worked(spin);
        // A free changes words as well.
        word.check();
        return 'ok';
      }
    this.#usefulSpin.failed(spin);
    for (;;) {
      const left = Math.max(0, deadline - performance.now());
      if (this.sleep(word, expected, Math.min(left, SLICE)) !== 'timed-out') return 'ok';
      this.own.check();
      if (left <= SLICE) return 'timed-out';
    }
  }

  /**
   * One sleep in the futex, of at most `timeout` milliseconds; then what has happened meanwhile is taken in. Throws where
   * the word is no more; not where the owner is lost, since the word may change all the same.
   */
  sleep(word: Word, expected: number, timeout: number): WaitResult {
    const result = futexSleep(word.address, expected, timeout);
    if (result === 'timed-out') this.own.refresh?.();
    word.check();
    return result;
  }

  /** Wakes up to `count` waiters, those that block first; gives how many there were. */
  notify(address: Address, count: number): number {
    // FUTEX_WAKE of 0 wakes one.
    if (count === 0) return 0;
    let woken = futexWake(address, Math.min(count, MOST_WAKES));
    const slots = Atomics.load(this.#i32, HEADER.WAITER_SLOTS);
    for (let entry = 0; entry < slots && woken < count; entry++) {
      const at = WAITERS + entry * WAITER_BYTES;
      const word = Atomics.load(this.#i32, at / 4);
      if ((word & WAITER.WAITING) === 0 || this.#f64[at / 8 + 1] !== address) continue;
      const name = word & NAME_BITS;
      if (Atomics.compareExchange(this.#i32, at / 4, word, name | WAITER.NOTIFIED) !== word) continue;
      const slot = this.own.members.slotOf(name);
      // It may have left that entry and come back to wait elsewhere: then it is woken for nothing, and not counted.
      const meant = this.#f64[at / 8 + 1] === address ? 1 : 0;
      if (slot === this.own.slot) {
        woken += meant;
        queueMicrotask(() => this.look());
      } else if (slot !== undefined && this.own.peers.ring(slot)) woken += meant;
      else if (slot === undefined) Atomics.compareExchange(this.#i32, at / 4, name | WAITER.NOTIFIED, 0);
    }
    return woken;
  }

  /**
   * {@link wait} that does not block. Rejects with the signal's reason, or a StateError once the word is freed or the
   * share has ended.
   */
  async waitAsync(word: Word, expected: number, { timeout, signal, ref }: CheckedWait): Promise<WaitResult> {
    signal?.throwIfAborted();
    this.own.check();
    const { i32, index, address } = word;
    if (Atomics.load(i32, index) !== expected) return 'not-equal';
    if (timeout === 0) return 'timed-out';
    const at = this.#enter(address);
    // After it was entered: a notify from now on is not missed.
    if (Atomics.load(i32, index) !== expected) {
      Atomics.store(this.#i32, at, 0);
      return 'not-equal';
    }
    return new Promise<WaitResult>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const done = (settle: () => void): void => {
        Atomics.store(this.#i32, at, 0);
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        this.#pending.delete(pending);
        forget();
        if (ref) this.own.bell.letGo();
        settle();
      };
      const notified = (): boolean => (Atomics.load(this.#i32, at) & WAITER.NOTIFIED) !== 0;
      const pending = {
        notified,
        finish: (result: WaitResult) => done(() => resolve(result)),
        check: () => {
          try {
            word.check();
          } catch (error) {
            done(() => reject(error));
          }
        },
      };
      // A notification that came first has been counted by who sent it: it is not thrown away.
      const aborted = (): void => (notified() ? pending.finish('ok') : done(() => reject(signal?.reason)));
      const forget = this.own.onEnd((reason: Ended) => done(() => reject(this.own.error(reason))));
      this.#pending.add(pending);
      signal?.addEventListener('abort', aborted, { once: true });
      if (ref) this.own.bell.hold();
      if (timeout !== Number.POSITIVE_INFINITY) {
        timer = setTimeout(
          () => pending.finish(notified() ? 'ok' : 'timed-out'),
          Math.min(timeout, MOST_WAKES),
        );
        if (!ref) timer.unref();
      }
      if (notified()) pending.finish('ok');
    });
  }

  /** An entry of the table, waiting; gives the index of its word. */
  #enter(address: Address): number {
    for (let entry = 0; entry < MOST_WAITERS; entry++) {
      const at = WAITERS + entry * WAITER_BYTES;
      if (Atomics.compareExchange(this.#i32, at / 4, 0, this.own.name) !== 0) continue;
      this.#f64[at / 8 + 1] = address;
      for (let high = 0; high <= entry; )
        high = Atomics.compareExchange(this.#i32, HEADER.WAITER_SLOTS, high, Math.max(high, entry + 1));
      Atomics.store(this.#i32, at / 4, this.own.name | WAITER.WAITING);
      return at / 4;
    }
    throw new SystemError(
      'wait',
      [MOST_WAITERS],
      'ENOSPC',
      'All members together have that many waits pending',
    );
  }

  /** The bell was rung: those of this thread that were notified, or whose word was freed, go on. */
  look(): void {
    for (const pending of this.#pending)
      if (pending.notified()) pending.finish('ok');
      else pending.check();
  }

  /** That member has gone: what it waited for goes. */
  forget(name: number): void {
    const slots = Atomics.load(this.#i32, HEADER.WAITER_SLOTS);
    for (let entry = 0; entry < slots; entry++) {
      const at = (WAITERS + entry * WAITER_BYTES) / 4;
      const word = Atomics.load(this.#i32, at);
      if ((word & NAME_BITS) === name) Atomics.compareExchange(this.#i32, at, word, 0);
    }
  }
}
