/**
 * What vectors and maps share: a struct around an element's type, whose accessor reads and writes an element of any
 * kind, and names for the layouts that they make. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../errors.ts';
import {
  type FreeingMemory,
  isPieced,
  type PiecedMemory,
  type Pieces,
  type Region,
  regionAt,
} from '../../layout/memory.ts';
import { sizeof } from '../../layout/rules.ts';
import { describeType, type Fields, type Place, type Struct, type Type } from '../../layout/types.ts';
import type { Address } from '../../mm/address.ts';

/** The most elements or places: what a 32-bit device counts. */
export const MOST = 2 ** 31;

export interface CollectionOptions {
  /** Of its struct in declarations; made from the types by default. */
  readonly name?: string;
  /** How many elements or entries to make room for at first. */
  readonly capacity?: number;
  /** Opens the one whose header is at this address, in place of a new one. */
  readonly at?: Address;
}

/** To open a collection that is there. */
export interface OpenOptions extends CollectionOptions {
  readonly at: Address;
}

export function checkOptions(options: CollectionOptions): { name: string | undefined; capacity: number } {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { name, capacity = 0, at } = options;
  if (name !== undefined && typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (at !== undefined && typeof at !== 'number') throw invalidType('at', 'an address', at);
  checkCount('capacity', capacity);
  return { name, capacity };
}

export function checkCount(name: string, count: unknown, most: number = MOST): asserts count is number {
  if (typeof count !== 'number') throw invalidType(name, 'a number', count);
  if (!Number.isInteger(count) || count < 0 || count > most) {
    throw outOfRange(name, `a whole number from 0 to ${most}`, count);
  }
}

/** Memory in which collections can be read: anything in pieces, such as a heap or a mirror. */
export function readableOf(memory: PiecedMemory): PiecedMemory {
  if (typeof memory !== 'object' || !isPieced(memory))
    throw invalidType('memory', 'a heap, or for reading a mirror', memory);
  return memory;
}

/** Whether memory gives out parts of itself and takes them back: only there a collection can be made or changed. */
export function isHeap(memory: PiecedMemory): memory is FreeingMemory {
  const { alloc, free } = memory as Partial<FreeingMemory>;
  return typeof alloc === 'function' && typeof free === 'function';
}

export function heapOf(memory: PiecedMemory): FreeingMemory {
  if (!isHeap(memory)) throw invalidType('memory', 'a heap: elsewhere collections are read only', memory);
  return memory;
}

/** What is made once for a type and a name. */
export class NamedLayouts<L> {
  readonly #known = new WeakMap<Type, Map<string, L>>();

  of(type: Type, name: string, make: () => L): L {
    const named = this.#known.get(type) ?? new Map<string, L>();
    let made = named.get(name);
    if (made === undefined) {
      made = make();
      named.set(name, made);
      this.#known.set(type, named);
    }
    return made;
  }
}

/** The header of the collection at an address; without one, of a new collection, zeroed. */
export function headerIn<N extends string, F extends object>(
  memory: PiecedMemory,
  layout: Struct<N, F>,
  at: Address | undefined,
): Fields<F> {
  return at === undefined ? layout.in(heapOf(memory)).create() : layout.in(memory).at(at);
}

/** Puts into a new collection what it begins with; where that fails its header goes too. */
export function begin(memory: PiecedMemory, header: Place, fill: () => void): void {
  try {
    fill();
  } catch (error) {
    heapOf(memory).free(header.address);
    throw error;
  }
}

/** An identifier for a type: `f64`, `Node`, `array_f32_16`. */
export function identifier(type: Type): string {
  sizeof(type);
  return describeType(type)
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replace(/_$/, '');
}

/** The region that holds `[address, address + size)`. */
export function regionOfAll(pieces: Pieces, address: Address, size: number): Region {
  const region = regionAt(pieces, address);
  if (!region || address - region.origin + size > region.limit) {
    throw outOfRange(
      'address',
      `that of ${size} bytes in the memory: something has written over it`,
      address,
    );
  }
  return region;
}

/** The bytes of `[address, address + size)`, which lie in one piece. */
export function bytesAt(pieces: Pieces, address: Address, size: number): Uint8Array {
  const { bytes, origin } = regionOfAll(pieces, address, size);
  return bytes.subarray(address - origin, address - origin + size);
}
