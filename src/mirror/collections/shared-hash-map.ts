/**
 * A hash map in mirrored memory: a header, and a table of entries whose length is a power of two, filled by linear
 * probing up to three quarters. Deleting moves later entries back (Knuth, The Art of Computer Programming, volume 3,
 * 6.4, algorithm R), so that a search ends at the first empty place. All of its state is in memory, so that a kernel
 * looks keys up in it. Pure but for the memory that it is given.
 *
 * @module
 */
import { outOfRange, StateError } from '../../errors.ts';
import { pointer, u32 } from '../../layout/fields.ts';
import {
  type FreeingMemory,
  type PiecedMemory,
  type Pieces,
  piecesOf,
  type Region,
} from '../../layout/memory.ts';
import { sizeof } from '../../layout/rules.ts';
import { struct } from '../../layout/struct.ts';
import type { Fields, Pointer, Scalar, Struct, Type, ValueOf } from '../../layout/types.ts';
import type { Address } from '../../mm/address.ts';
import {
  begin,
  bytesAt,
  type CollectionOptions,
  checkOptions,
  headerIn,
  heapOf,
  identifier,
  isHeap,
  MOST,
  NamedLayouts,
  type OpenOptions,
  readableOf,
  regionOfAll,
} from './cell.ts';
import { placesFor } from './hash.ts';
import { type KeyKind, type KeyOf, type KeyType, keyKind, type Prepared } from './map-keys.ts';

/** The fields of the header: where the entries are, one less than their number, and how many of them are taken. */
export type HashMapHeader = { entries: Pointer; mask: Scalar<'u32', number>; size: Scalar<'u32', number> };

/** The header of a map. */
export type HashMapLayout = Struct<string, HashMapHeader>;

/** An entry; its hash is 0 where it is empty. */
type Entry = { hash: Scalar<'u32', number>; key: Type<unknown>; value: Type<unknown> };

interface Layouts {
  readonly header: HashMapLayout;
  readonly entry: Struct<string, Entry>;
}

const layouts = new NamedLayouts<Layouts>();

function layoutsOf(key: KeyKind, value: Type, name: string): Layouts {
  return layouts.of(value, `${key.name} ${name}`, () => {
    const entry = struct(`${name}Entry`, { hash: u32, key: key.type, value });
    return {
      entry: entry as unknown as Layouts['entry'],
      header: struct(name, { entries: pointer(entry), mask: u32, size: u32 }) as unknown as HashMapLayout,
    };
  });
}

/**
 * One writer: this thread, and only while no kernel reads the map. A kernel may store into the values of entries that
 * it has found. Keys come in no order.
 */
export class SharedHashMap<K extends KeyType, V extends Type> implements Iterable<[KeyOf<K>, ValueOf<V>]> {
  /** The header's struct, for `toC`, `toOpenCL` and `toAssemblyScript`; it declares the entries too. */
  readonly layout: HashMapLayout;
  /** Not in memory of another thread's, where buffers come and go unseen: there no accessor is kept for the next call. */
  readonly #keeps: boolean;
  readonly #pieces: Pieces;
  readonly #key: KeyKind;
  readonly #header: Fields<HashMapHeader>;
  readonly #entries: { at(address: number): Fields<Entry> };
  readonly #stride: number;
  #entry: Fields<Entry> | undefined;
  #region: Region | undefined;
  #freed = false;

  /**
   * A new map in a heap, or the one `at` an address, for reading also of any other memory in pieces, such as a mirror.
   * Throws what the heap's `alloc` throws. Changing it is a TypeError where the memory is no heap.
   */
  constructor(memory: FreeingMemory, key: K, value: V, options?: CollectionOptions);
  constructor(memory: PiecedMemory, key: K, value: V, options: OpenOptions);
  constructor(memory: PiecedMemory, key: K, value: V, options: CollectionOptions = {}) {
    const { name, capacity } = checkOptions(options);
    this.#key = keyKind(key);
    const title = name ?? `Map_${this.#key.name}_${identifier(value)}`;
    const { header, entry } = layoutsOf(this.#key, value, title);
    this.layout = header;
    this.#keeps = isHeap(memory);
    this.#pieces = piecesOf(readableOf(memory));
    this.#stride = sizeof(entry);
    this.#entries = entry.in(memory) as never;
    this.#header = headerIn(memory, header, options.at);
    if (options.at === undefined) begin(memory, this.#header, () => this.#rebuild(placesFor(capacity)));
  }

  /** Of the header: what a kernel is given. */
  get address(): Address {
    return this.#header.address;
  }

  get size(): number {
    return this.#head().size;
  }

  /**
   * The value of a key, or undefined. A struct, union or array is read as an accessor that the next call moves: copy out
   * what you keep. Throws TypeError or RangeError for what can't be a key of this map.
   */
  get(key: KeyOf<K>): ValueOf<V> | undefined {
    this.#head();
    const place = this.#find(this.#key.prepare(key));
    return place < 0 ? undefined : (this.#at(place).value as ValueOf<V>);
  }

  has(key: KeyOf<K>): boolean {
    this.#head();
    return this.#find(this.#key.prepare(key)) >= 0;
  }

  /** Stores a value; of structs and arrays it copies the bytes of `value`, an accessor. A refused one changes nothing. */
  set(key: KeyOf<K>, value: ValueOf<V>): this {
    this.#put(key, (entry) => {
      entry.value = value;
    });
    return this;
  }

  /** The value of a key, zeroed where it was not there, to be filled in place: for structs and arrays. */
  emplace(key: KeyOf<K>): ValueOf<V> {
    return this.#at(this.#put(key, () => {})).value as ValueOf<V>;
  }

  /** Takes a key away; false where it was not there. */
  delete(key: KeyOf<K>): boolean {
    const { size } = this.#head();
    const heap = heapOf(this.#pieces.whole);
    const place = this.#find(this.#key.prepare(key));
    if (place < 0) return false;
    this.#key.release(heap, this.#at(place).key);
    this.#remove(place);
    this.#header.size = size - 1;
    return true;
  }

  /** Takes all keys away; the table stays as large as it is. */
  clear(): void {
    this.#releaseKeys();
    const { entries, mask } = this.#header;
    bytesAt(this.#pieces, entries, (mask + 1) * this.#stride).fill(0);
    this.#header.size = 0;
  }

  *[Symbol.iterator](): Iterator<[KeyOf<K>, ValueOf<V>]> {
    for (let place = 0; place <= this.#head().mask; place++) {
      const entry = this.#at(place);
      if (entry.hash === 0) continue;
      yield [this.#key.read(this.#pieces, entry.key) as KeyOf<K>, this.#at(place).value as ValueOf<V>];
    }
  }

  *keys(): IterableIterator<KeyOf<K>> {
    for (const [key] of this) yield key;
  }

  *values(): IterableIterator<ValueOf<V>> {
    for (const [, value] of this) yield value;
  }

  /** Frees entries, keys and header; not what values point to. StateError where that has been done. */
  free(): void {
    this.#releaseKeys();
    this.#freed = true;
    const heap = heapOf(this.#pieces.whole);
    heap.free(this.#header.entries);
    heap.free(this.#header.address);
  }

  /**
   * The look-up for kernels in AssemblyScript, to stand behind the declarations of `toAssemblyScript(map.layout)`:
   * `NAME_find(map, key)` gives the entry, or null. A key of text is a {@link SharedString}'s `Utf8`.
   */
  lookupAssemblyScript(): string {
    const { name } = this.layout;
    const { script } = this.#key;
    const prefix = `${name}_`;
    return `${script.functions(prefix)}export function ${prefix}find(map: ${name}, ${script.parameter}): ${name}Entry | null {
  const hash = ${script.hash(prefix)};
  for (let probe: u32 = 0; probe <= map.mask; probe++) {
    const place = (hash + probe) & map.mask;
    const entry = changetype<${name}Entry>(changetype<usize>(map.entries) + <usize>place * ${this.#stride});
    if (entry.hash == 0) return null;
    if (entry.hash == hash && ${script.same(prefix)}) return entry;
  }
  return null;
}
`;
  }

  #head(): Fields<HashMapHeader> {
    if (this.#freed) throw new StateError('freed', `this ${this.layout.name} was freed`);
    return this.#header;
  }

  #at(place: number): Fields<Entry> {
    const address = this.#header.entries + place * this.#stride;
    if (this.#entry === undefined || !this.#keeps) this.#entry = this.#entries.at(address);
    else this.#entry.move(address);
    return this.#entry;
  }

  /** The place of a key's entry; where it is not there, `-1 - place` of the empty one where it would be. */
  #find(key: Prepared): number {
    const { mask, entries } = this.#header;
    const stride = this.#stride;
    const { view, origin } = this.#tableRegion(entries, (mask + 1) * stride);
    const table = entries - origin;
    let place = (key.hash & mask) >>> 0;
    for (let probe = 0; probe <= mask; probe++) {
      const hash = view.getUint32(table + place * stride, true);
      if (hash === 0) return -1 - place;
      if (hash === key.hash && this.#key.matches(this.#pieces, this.#at(place).key, key)) return place;
      place = place === mask ? 0 : place + 1;
    }
    throw outOfRange(
      `mask of ${this.layout.name}`,
      'of a table with an empty place: something has written over it',
      mask,
    );
  }

  /** The region of the table: as a rule the same as before. */
  #tableRegion(entries: Address, size: number): Region {
    let region = this.#region;
    const offset = region ? entries - region.origin : -1;
    if (!region || !this.#keeps || !(offset >= 0 && offset + size <= region.limit)) {
      region = regionOfAll(this.#pieces, entries, size);
      this.#region = region;
    }
    return region;
  }

  /** Finds or makes the entry of a key, and stores into it. */
  #put(key: KeyOf<K>, store: (entry: Fields<Entry>) => void): number {
    const { size, mask } = this.#head();
    const heap = heapOf(this.#pieces.whole);
    const prepared = this.#key.prepare(key);
    let place = this.#find(prepared);
    if (place >= 0) {
      store(this.#at(place));
      return place;
    }
    if ((size + 1) * 4 > (mask + 1) * 3) {
      // The value may be an accessor of an entry here: it is stored before the old table goes.
      const left = this.#header.entries;
      this.#rebuild((mask + 1) * 2);
      try {
        place = this.#insert(-1 - this.#find(prepared), prepared, store);
      } finally {
        heap.free(left);
      }
    } else place = this.#insert(-1 - place, prepared, store);
    this.#header.size = size + 1;
    return place;
  }

  /** The hash comes last: until then the place is empty. */
  #insert(place: number, key: Prepared, store: (entry: Fields<Entry>) => void): number {
    const entry = this.#at(place);
    try {
      store(entry);
      entry.key = this.#key.store(heapOf(this.#pieces.whole), key);
    } catch (error) {
      bytesAt(this.#pieces, entry.address, this.#stride).fill(0);
      throw error;
    }
    entry.hash = key.hash;
    return place;
  }

  #remove(place: number): void {
    const { entries, mask } = this.#header;
    const bytes = bytesAt(this.#pieces, entries, (mask + 1) * this.#stride);
    const at = (index: number) => index * this.#stride;
    let empty = place;
    for (let next = (place + 1) & mask; ; next = (next + 1) & mask) {
      const { hash } = this.#at(next);
      if (hash === 0 || next === place) break;
      // An entry stays where the empty place is before the one where its search begins.
      if (((next - (hash & mask)) & mask) < ((next - empty) & mask)) continue;
      bytes.copyWithin(at(empty), at(next), at(next + 1));
      empty = next;
    }
    bytes.fill(0, at(empty), at(empty + 1));
  }

  /** A table of `places` with all entries of the old one, which is not freed. */
  #rebuild(places: number): void {
    if (places > MOST) throw outOfRange('size', `that of at most ${MOST} places`, places);
    const stride = this.#stride;
    const { entries: from, mask: oldMask } = this.#header;
    const table = heapOf(this.#pieces.whole).alloc(places * stride);
    const to = bytesAt(this.#pieces, table, places * stride);
    const taken = new Uint8Array(places);
    if (from !== 0) {
      const old = bytesAt(this.#pieces, from, (oldMask + 1) * stride);
      for (let place = 0; place <= oldMask; place++) {
        const { hash } = this.#at(place);
        if (hash === 0) continue;
        let next = hash & (places - 1);
        while (taken[next] !== 0) next = (next + 1) & (places - 1);
        taken[next] = 1;
        to.set(old.subarray(place * stride, (place + 1) * stride), next * stride);
      }
    }
    this.#header.entries = table;
    this.#header.mask = places - 1;
  }

  #releaseKeys(): void {
    const { mask } = this.#head();
    const heap = heapOf(this.#pieces.whole);
    for (let place = 0; place <= mask; place++) {
      const entry = this.#at(place);
      if (entry.hash !== 0) this.#key.release(heap, entry.key);
    }
  }
}
