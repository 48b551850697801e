/**
 * Text in mirrored memory: UTF-8 bytes behind their number and a hash, in one object of a heap. It never changes, so
 * host and kernels may read it at any time until it is freed. Pure but for the memory that it is given.
 *
 * @module
 */
import { invalidType, outOfRange, StateError } from '../../errors.ts';
import { array, u8, u32 } from '../../layout/fields.ts';
import { type FreeingMemory, type PiecedMemory, type Pieces, piecesOf } from '../../layout/memory.ts';
import { struct } from '../../layout/struct.ts';
import type { Address } from '../../mm/address.ts';
import { bytesAt, heapOf, readableOf, regionOfAll } from './cell.ts';
import { FIRST_HASH, finishHash, hashByte } from './hash.ts';

/**
 * The layout of a {@link SharedString}. `length` counts bytes, of which the first is `bytes[0]` and the last
 * `bytes[length - 1]`, however many the declaration has. `hash` is that of the hash map's keys.
 */
export const Utf8 = /* @__PURE__ */ struct('Utf8', { length: u32, hash: u32, bytes: array(u8, 8) });

/** Bytes before the text. */
const HEADER = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Text in UTF-8, with its hash. One object: the next text replaces it. */
class EncodedText {
  bytes: Uint8Array = new Uint8Array(256);
  length = 0;
  hash = 0;

  /** Ill-formed text (a lone surrogate) is refused: it has no UTF-8. */
  encode(name: string, text: unknown): this {
    if (typeof text !== 'string') throw invalidType(name, 'a string', text);
    if (this.bytes.length < text.length * 3) this.bytes = new Uint8Array(text.length * 3);
    const { bytes } = this;
    let hash = FIRST_HASH;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return this.#encodeAll(name, text);
      bytes[i] = code;
      hash = hashByte(hash, code);
    }
    this.length = text.length;
    this.hash = finishHash(hash);
    return this;
  }

  #encodeAll(name: string, text: string): this {
    if (/\p{Surrogate}/u.test(text))
      throw outOfRange(name, 'well-formed text, without lone surrogates', text);
    this.length = encoder.encodeInto(text, this.bytes).written;
    let hash = FIRST_HASH;
    for (let i = 0; i < this.length; i++) hash = hashByte(hash, this.bytes[i]!);
    this.hash = finishHash(hash);
    return this;
  }
}

export type { EncodedText };
export const encoded = new EncodedText();

/** Stores encoded text; the address of its {@link Utf8}. */
export function storeText(memory: FreeingMemory, text: EncodedText): Address {
  const { bytes, length, hash } = text;
  const address = memory.alloc(Math.max(HEADER + length, 16));
  const { view, bytes: target, origin } = regionOfAll(piecesOf(memory), address, HEADER + length);
  view.setUint32(address - origin, length, true);
  view.setUint32(address - origin + 4, hash, true);
  target.set(bytes.subarray(0, length), address - origin + HEADER);
  return address;
}

/** Whether the text at an address is this one. */
export function isText(pieces: Pieces, address: Address, text: EncodedText): boolean {
  const { view, bytes, origin, limit } = regionOfAll(pieces, address, HEADER);
  const begin = address - origin + HEADER;
  const { length } = text;
  if (view.getUint32(begin - HEADER, true) !== length || begin + length > limit) return false;
  for (let i = 0; i < length; i++) if (bytes[begin + i] !== text.bytes[i]) return false;
  return true;
}

/** The bytes of the text at an address, as they lie in memory. */
export function textAt(pieces: Pieces, address: Address): Uint8Array {
  const { view, origin } = regionOfAll(pieces, address, HEADER);
  return bytesAt(pieces, address, HEADER + view.getUint32(address - origin, true)).subarray(HEADER);
}

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export class SharedString {
  /** Its layout, for declarations. */
  static readonly layout: typeof Utf8 = Utf8;
  /** Of its `layout`, to store in other structures and to give to kernels. */
  readonly address: Address;
  readonly #memory: PiecedMemory;
  #freed = false;

  /**
   * Stores text in a heap, or opens what is stored `at` an address, for reading also of any other memory in pieces, such
   * as a mirror. Throws TypeError or RangeError for text that is none, and what the memory's `alloc` throws.
   */
  constructor(memory: FreeingMemory, text: string | { readonly at: Address });
  constructor(memory: PiecedMemory, text: { readonly at: Address });
  constructor(memory: PiecedMemory, text: string | { readonly at: Address }) {
    this.#memory = readableOf(memory);
    if (typeof text === 'object' && text !== null) {
      if (typeof text.at !== 'number') throw invalidType('at', 'an address', text.at);
      textAt(piecesOf(memory), text.at);
      this.address = text.at;
    } else this.address = storeText(heapOf(memory), encoded.encode('text', text));
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

  /** Frees it. StateError where that has been done, TypeError where the memory is no heap. */
  free(): void {
    this.#bytes();
    heapOf(this.#memory).free(this.address);
    this.#freed = true;
  }

  #bytes(): Uint8Array {
    if (this.#freed) throw new StateError('freed', 'this SharedString was freed');
    return textAt(piecesOf(this.#memory), this.address);
  }
}
