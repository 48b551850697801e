/**
 * What locks and channels need of the side that they are used on, be it the owner of a mirror or one that attached to
 * it: words of its live buffers, and waiting on them.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import type { MappedBuffer } from '../mapped-buffer.ts';
import { checkTimeout, checkWait, type TimeoutOptions, type WaitOptions } from './wait-options.ts';
import type { WaitResult, Waits, Word } from './waits.ts';

/** A mirror, or an attached one. */
export interface MirrorSide {
  readonly name: string;
  /** @internal */
  readonly sync: MirrorSync;
}

/** What a side is used by. Throws TypeError for what is none. */
export function syncOf(side: MirrorSide): MirrorSync {
  const sync = typeof side === 'object' && side !== null ? side.sync : undefined;
  if (sync instanceof MirrorSync) return sync;
  throw invalidType('side', 'a mirror, or an attached one', side);
}

export class MirrorSync {
  readonly #find: (address: Address) => MappedBuffer | undefined;
  readonly #waits: () => Waits;
  readonly #words = new WeakMap<MappedBuffer, Int32Array>();

  constructor(find: (address: Address) => MappedBuffer | undefined, waits: () => Waits) {
    this.#find = find;
    this.#waits = waits;
  }

  get waits(): Waits {
    return this.#waits();
  }

  /** The live buffer that holds `size` bytes at the address, which must be a multiple of 4. */
  buffer(address: unknown, size: number): MappedBuffer {
    if (typeof address !== 'number') throw invalidType('address', 'a number', address);
    if (!Number.isSafeInteger(address) || address < 0) throw outOfRange('address', 'an address', address);
    if (address % 4 !== 0) throw outOfRange('address', 'a multiple of 4', address);
    const buffer = this.#find(address);
    if (!buffer || address + size > buffer.end)
      throw outOfRange('address', `the start of ${size} bytes of a live buffer`, address);
    return buffer;
  }

  word(address: unknown, size = 4): Word {
    const buffer = this.buffer(address, size);
    let i32 = this.#words.get(buffer);
    const index = ((address as Address) - buffer.address) / 4;
    // It may have been made before the buffer grew.
    if (!i32 || index >= i32.length) {
      i32 = buffer.view(Int32Array, 0, Math.floor(buffer.size / 4));
      this.#words.set(buffer, i32);
    }
    const { own } = this.waits;
    const check = (): void => {
      own.freshen();
      if (own.ended === 'closed') own.check();
      buffer.check();
    };
    return { address: address as Address, i32, index, check };
  }

  wait(address: Address, expected: number, options?: TimeoutOptions): WaitResult {
    const timeout = checkTimeout(options);
    return this.waits.wait(this.word(address), checkExpected(expected), timeout);
  }

  async waitAsync(address: Address, expected: number, options?: WaitOptions): Promise<WaitResult> {
    const checked = checkWait(options);
    return this.waits.waitAsync(this.word(address), checkExpected(expected), checked);
  }

  notify(address: Address, count = Number.POSITIVE_INFINITY): number {
    if (typeof count !== 'number') throw invalidType('count', 'a number', count);
    if (!(count >= 0)) throw outOfRange('count', 'at least 0', count);
    this.buffer(address, 4);
    return this.waits.notify(address, Math.trunc(count));
  }
}

function checkExpected(expected: number): number {
  if (typeof expected !== 'number') throw invalidType('expected', 'a 32-bit integer', expected);
  if (!Number.isInteger(expected) || expected < -(2 ** 31) || expected >= 2 ** 32)
    throw outOfRange('expected', 'a 32-bit integer', expected);
  return expected | 0;
}
