/**
 * Text in mirrored memory: UTF-8 bytes behind their number and a hash, in one object of a heap. It never changes, so
 * host and kernels may read it at any time until it is freed. Pure but for the memory that it is given.
 *
 * @module
 */
import { invalidType, outOfRange, StateError } from '../../errors.ts';
import { array, u8, u32 } from '../../layout/fields.ts';
import { type FreeingMemory, isPieced, type PiecedMemory, pieceRegion } from '../../layout/memory.ts';
import { struct } from '../../layout/struct.ts';
import type { Address } from '../../mm/address.ts';
import { hashBytes } from './hash.ts';

/**
 * The layout of a {@link SharedString}. `length` counts bytes, of which the first is `bytes[0]` and the last
 * `bytes[length - 1]`, however many the declaration has. `hash` is that of the hash map's keys.
 */
export const Utf8 = /* @__PURE__ */ struct('Utf8', { length: u32, hash: u32, bytes: array(u8, 8) });

/** Bytes before the text. */
const HEADER = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
let scratch = new Uint8Array(256);

/** UTF-8 in an array that the next call fills again. Ill-formed text (a lone surrogate) is refused: it has no UTF-8. */
export function encodeText(name: string, text: unknown): Uint8Array {
  if (typeof text !== 'string') throw invalidType(name, 'a string', text);
  if (/\p{Surrogate}/u.test(text)) throw outOfRange(name, 'well-formed text, without lone surrogates', text);
  if (scratch.length < text.length * 3) scratch = new Uint8Array(text.length * 3);
  return scratch.subarray(0, encoder.encodeInto(text, scratch).written);
}

/** Stores encoded text; the address of its {@link Utf8}. */
export function storeText(memory: FreeingMemory, text: Uint8Array): Address {
  const address = memory.alloc(Math.max(HEADER + text.length, 16));
  const region = pieceRegion(memory, address)!;
  const offset = address - region.origin;
  region.view.setUint32(offset, text.length, true);
  region.view.setUint32(offset + 4, hashBytes(text), true);
  region.bytes.set(text, offset + HEADER);
  return address;
}

/** The bytes of the text at an address, as they lie in memory. */
export function textAt(memory: PiecedMemory, address: Address): Uint8Array {
  const { length } = Utf8.in(memory).at(address);
  const region = pieceRegion(memory, address)!;
  const begin = address - region.origin + HEADER;
  if (begin + length > region.limit) {
    throw outOfRange('length of Utf8', 'what its memory holds: something has written over it', length);
  }
  return region.bytes.subarray(begin, begin + length);
}

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export class SharedString {
  /** Its layout, for declarations. */
  static readonly layout: typeof Utf8 = Utf8;
  /** Of its `layout`, to store in other structures and to give to kernels. */
  readonly address: Address;
  readonly #memory: FreeingMemory;
  #freed = false;

  /**
   * Stores text, or opens what is stored `at` an address. Throws TypeError or RangeError for text that is none, and what
   * the memory's `alloc` throws.
   */
  constructor(memory: FreeingMemory, text: string | { readonly at: Address }) {
    checkMemory(memory);
    this.#memory = memory;
    if (typeof text === 'object' && text !== null) {
      textAt(memory, text.at);
      this.address = text.at;
    } else this.address = storeText(memory, encodeText('text', text));
  }

  /** Bytes of the text in UTF-8. */
  get byteLength(): number {
    return this.#bytes().length;
  }

  toString(): string {
    return decodeText(this.#bytes());
  }

  /** The text. */
  toJSON(): string {
    return this.toString();
  }

  /** Frees it. StateError where that has been done. */
  free(): void {
    this.#bytes();
    this.#memory.free(this.address);
    this.#freed = true;
  }

  #bytes(): Uint8Array {
    if (this.#freed) throw new StateError('freed', 'this SharedString was freed');
    return textAt(this.#memory, this.address);
  }
}

/** Collections need memory that gives out parts of itself and takes them back. */
export function checkMemory(memory: unknown): void {
  const { alloc, free } = (memory ?? {}) as Partial<FreeingMemory>;
  if (
    typeof memory !== 'object' ||
    !isPieced(memory) ||
    typeof alloc !== 'function' ||
    typeof free !== 'function'
  )
    throw invalidType('memory', 'a heap', memory);
}
