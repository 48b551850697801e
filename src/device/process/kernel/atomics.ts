/**
 * Atomic operations at addresses: `Atomics` on a view of mirrored memory, so that host, cores and other devices that have
 * atomics agree on the order. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../../errors.ts';
import type { Address } from '../../../mm/address.ts';
import { context } from './context.ts';
import type { Piece } from './mirrored-memory.ts';

/** Sequentially consistent operations on one word at an address that is a multiple of its size. */
export interface AtomicWord<V> {
  load(address: Address): V;
  /** Gives the value stored. */
  store(address: Address, value: V): V;
  /** This and those below give the value before. */
  add(address: Address, value: V): V;
  sub(address: Address, value: V): V;
  and(address: Address, value: V): V;
  or(address: Address, value: V): V;
  xor(address: Address, value: V): V;
  exchange(address: Address, value: V): V;
  /** Stores `replacement` where `expected` is there. */
  compareExchange(address: Address, expected: V, replacement: V): V;
}

/** `Atomics`, for one kind of word. */
type Words = Int32Array & BigInt64Array;
type Word = number & bigint;

function atomicWord(width: 4 | 8, wordsOf: (piece: Piece) => unknown): AtomicWord<never> {
  let piece: Piece | undefined;
  let words: Words | undefined;
  const index = (address: Address): number => {
    if (piece === undefined || !(address >= piece.address && address + width <= piece.end)) {
      if (typeof address !== 'number') throw invalidType('address', 'a number', address);
      checkAligned(address, width);
      piece = context().memory.holding(address, width);
      words = wordsOf(piece) as Words;
    }
    const at = (address - piece.address) / width;
    if (Math.floor(at) !== at) checkAligned(address, width);
    return at;
  };
  const of = (): Words => words!;
  const word: AtomicWord<Word> = {
    load: (address) => {
      const at = index(address);
      return Atomics.load(of(), at) as Word;
    },
    store: (address, value) => {
      const at = index(address);
      return Atomics.store(of(), at, value) as Word;
    },
    add: (address, value) => {
      const at = index(address);
      return Atomics.add(of(), at, value) as Word;
    },
    sub: (address, value) => {
      const at = index(address);
      return Atomics.sub(of(), at, value) as Word;
    },
    and: (address, value) => {
      const at = index(address);
      return Atomics.and(of(), at, value) as Word;
    },
    or: (address, value) => {
      const at = index(address);
      return Atomics.or(of(), at, value) as Word;
    },
    xor: (address, value) => {
      const at = index(address);
      return Atomics.xor(of(), at, value) as Word;
    },
    exchange: (address, value) => {
      const at = index(address);
      return Atomics.exchange(of(), at, value) as Word;
    },
    compareExchange: (address, expected, replacement) => {
      const at = index(address);
      return Atomics.compareExchange(of(), at, expected, replacement) as Word;
    },
  };
  return Object.freeze(word) as AtomicWord<never>;
}

function checkAligned(address: Address, width: number): void {
  if (Number.isSafeInteger(address) && address >= 0 && address % width === 0) return;
  throw outOfRange('address', `an address that is a multiple of ${width}`, address);
}

/** Atomic operations by the kind of word; 64-bit words are bigints. */
export const atomics: {
  readonly i32: AtomicWord<number>;
  readonly u32: AtomicWord<number>;
  readonly i64: AtomicWord<bigint>;
  readonly u64: AtomicWord<bigint>;
} = Object.freeze({
  i32: /* @__PURE__ */ atomicWord(4, (piece) => piece.i32),
  u32: /* @__PURE__ */ atomicWord(4, (piece) => piece.u32),
  i64: /* @__PURE__ */ atomicWord(8, (piece) => piece.i64),
  u64: /* @__PURE__ */ atomicWord(8, (piece) => piece.u64),
});
