/**
 * An array that grows, in mirrored memory: a header that says where its elements are and how many, and the elements
 * side by side. All of its state is in memory, so that a kernel reads it through the declaration of `layout`, and may
 * itself store elements and the length within the capacity. Pure but for the memory that it is given.
 *
 * @module
 */
import { invalidType, outOfRange, StateError } from '../../errors.ts';
import { pointer, u32 } from '../../layout/fields.ts';
import { type FreeingMemory, type PiecedMemory, type Pieces, piecesOf } from '../../layout/memory.ts';
import { sizeof } from '../../layout/rules.ts';
import { struct } from '../../layout/struct.ts';
import type { Fields, Pointer, Scalar, Struct, Type, ValueOf } from '../../layout/types.ts';
import type { Address } from '../../mm/address.ts';
import {
  begin,
  bytesAt,
  type CollectionOptions,
  checkCount,
  checkOptions,
  headerIn,
  heapOf,
  identifier,
  isHeap,
  MOST,
  NamedLayouts,
  type OpenOptions,
  readableOf,
} from './cell.ts';

/** The header of a vector. */
export type VectorLayout<T> = Struct<
  string,
  { data: Pointer<T>; length: Scalar<'u32', number>; capacity: Scalar<'u32', number> }
>;

interface Layouts {
  readonly header: VectorLayout<Type>;
  /** A struct of one element. */
  readonly cell: Struct<string, { value: Type }>;
}

const layouts = new NamedLayouts<Layouts>();

function layoutsOf(element: Type, name: string): Layouts {
  return layouts.of(element, name, () => ({
    header: struct(name, { data: pointer(element), length: u32, capacity: u32 }),
    cell: struct(`${name}Element`, { value: element }),
  }));
}

/** Elements that a new vector makes room for when the first comes. */
const FIRST_CAPACITY = 8;

/**
 * One writer at a time: this thread, or a kernel while this thread waits for it. Growing moves the elements, so no kernel
 * may be reading then.
 */
export class SharedVector<T extends Type> implements Iterable<ValueOf<T>> {
  /** The header's struct, for `toC`, `toOpenCL` and `toAssemblyScript`. */
  readonly layout: VectorLayout<T>;
  readonly element: T;
  /** The memory, where it is a heap: what every change asks. */
  readonly #ownHeap: FreeingMemory | undefined;
  readonly #pieces: Pieces;
  readonly #header: Fields<{ data: Pointer; length: Scalar<'u32', number>; capacity: Scalar<'u32', number> }>;
  readonly #cells: { at(address: number): Fields<{ value: Type<ValueOf<T>> }> };
  readonly #stride: number;
  #cell: Fields<{ value: Type<ValueOf<T>> }> | undefined;
  #freed = false;

  /**
   * A new vector of `element`s in a heap, or the one `at` an address, for reading also of any other memory in pieces,
   * such as a mirror. Throws what the heap's `alloc` throws. Changing it is a TypeError where the memory is no heap.
   */
  constructor(memory: FreeingMemory, element: T, options?: CollectionOptions);
  constructor(memory: PiecedMemory, element: T, options: OpenOptions);
  constructor(memory: PiecedMemory, element: T, options: CollectionOptions = {}) {
    readableOf(memory);
    const { name, capacity } = checkOptions(options);
    const { header, cell } = layoutsOf(element, name ?? `Vector_${identifier(element)}`);
    this.layout = header as VectorLayout<T>;
    this.element = element;
    this.#ownHeap = isHeap(memory) ? memory : undefined;
    this.#pieces = piecesOf(memory);
    this.#stride = sizeof(element);
    this.#cells = cell.in(memory) as never;
    this.#header = headerIn(memory, header, options.at);
    if (options.at === undefined && capacity > 0) begin(memory, this.#header, () => this.reserve(capacity));
  }

  /** Of the header: what a kernel is given. */
  get address(): Address {
    return this.#header.address;
  }

  /** Of the first element; 0 where there is no room for one yet. It changes when the vector grows. */
  get dataAddress(): Address {
    return this.#head().data;
  }

  get length(): number {
    const { length, capacity } = this.#head();
    if (length > capacity) {
      throw outOfRange(`length of ${this.layout.name}`, `at most its capacity, ${capacity}`, length);
    }
    return length;
  }

  get capacity(): number {
    return this.#head().capacity;
  }

  /**
   * An element. A struct, union or array is read as an accessor that the next call moves: copy out what you keep.
   * RangeError outside of the vector.
   */
  get(index: number): ValueOf<T> {
    return this.#at(this.#check(index)).value as ValueOf<T>;
  }

  /** Stores an element; of structs and arrays it copies the bytes of `value`, an accessor. */
  set(index: number, value: ValueOf<T>): void {
    this.#heap();
    this.#at(this.#check(index)).value = value as never;
  }

  /** Appends an element; gives the new length. A value that the type can't hold is refused, and nothing changes. */
  push(value: ValueOf<T>): number {
    const { length } = this;
    const left = this.#grow(length + 1);
    try {
      this.#at(length).value = value as never;
      // Last, so that whoever sees the length sees the element.
      this.#header.length = length + 1;
    } finally {
      // The value may be an accessor of an element there.
      if (left !== 0) this.#heap().free(left);
    }
    return length + 1;
  }

  /** Appends a zeroed element and reads it, to be filled in place: for structs and arrays. */
  emplace(): ValueOf<T> {
    const { length } = this;
    const left = this.#grow(length + 1);
    if (left !== 0) this.#heap().free(left);
    bytesAt(this.#pieces, this.#header.data + length * this.#stride, this.#stride).fill(0);
    this.#header.length = length + 1;
    return this.#at(length).value as ValueOf<T>;
  }

  /** Takes the last element away and reads it; undefined where there is none. */
  pop(): ValueOf<T> | undefined {
    const { length } = this;
    this.#heap();
    if (length === 0) return undefined;
    this.#header.length = length - 1;
    return this.#at(length - 1).value as ValueOf<T>;
  }

  /** Keeps the first `length` elements, of which there are as many at least. */
  truncate(length: number): void {
    checkCount('length', length, this.length);
    this.#heap();
    this.#header.length = length;
  }

  clear(): void {
    this.truncate(0);
  }

  /** Makes room for `capacity` elements in all, so that nothing moves until then. */
  reserve(capacity: number): void {
    checkCount('capacity', capacity);
    this.#heap();
    if (capacity <= this.capacity) return;
    const left = this.#move(capacity);
    if (left !== 0) this.#heap().free(left);
  }

  *[Symbol.iterator](): Iterator<ValueOf<T>> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }

  /** Frees elements and header; not what elements point to. StateError where that has been done. */
  free(): void {
    const { data } = this.#head();
    const heap = this.#heap();
    this.#freed = true;
    if (data !== 0) heap.free(data);
    heap.free(this.#header.address);
  }

  /**
   * For kernels in AssemblyScript, to stand behind the declarations of `toAssemblyScript(vector.layout)`:
   * `NAME_at(vector, index)` gives a struct or union, of any other type the address. It checks nothing.
   */
  lookupAssemblyScript(): string {
    const { name } = this.layout;
    const { kind } = this.element;
    const composed = kind === 'struct' || kind === 'union';
    const type = composed ? identifier(this.element) : 'usize';
    const address = `changetype<usize>(vector.data) + <usize>index * ${this.#stride}`;
    return `@inline
export function ${name}_at(vector: ${name}, index: u32): ${type} {
  return ${composed ? `changetype<${type}>(${address})` : address};
}
`;
  }

  #head() {
    if (this.#freed) throw new StateError('freed', `this ${this.layout.name} was freed`);
    return this.#header;
  }

  #heap(): FreeingMemory {
    return this.#ownHeap ?? heapOf(this.#pieces.whole);
  }

  #check(index: number): number {
    const { length } = this;
    if (typeof index !== 'number') throw invalidType('index', 'a number', index);
    if (!(index >= 0 && index < length) || index % 1 !== 0) {
      const expected = length === 0 ? 'an element, of which there is none' : `from 0 to ${length - 1}`;
      throw outOfRange('index', expected, index);
    }
    return index;
  }

  #at(index: number): Fields<{ value: Type<ValueOf<T>> }> {
    const address = this.#header.data + index * this.#stride;
    // In memory of another thread's, buffers come and go unseen: nothing is kept from one call to the next.
    if (this.#cell === undefined || !this.#ownHeap) this.#cell = this.#cells.at(address);
    else this.#cell.move(address);
    return this.#cell;
  }

  /** Makes room for the next element. Gives the address of what was left behind, which is to be freed; 0 for nothing. */
  #grow(needed: number): Address {
    this.#heap();
    const { capacity } = this.#header;
    if (needed <= capacity) return 0;
    if (needed > MOST) throw outOfRange('length', `at most ${MOST} elements`, needed);
    return this.#move(Math.min(Math.max(2 * capacity, FIRST_CAPACITY), MOST));
  }

  #move(capacity: number): Address {
    const { length } = this;
    const { data } = this.#header;
    const moved = this.#heap().alloc(capacity * this.#stride);
    if (length > 0) {
      const bytes = length * this.#stride;
      bytesAt(this.#pieces, moved, bytes).set(bytesAt(this.#pieces, data, bytes));
    }
    this.#header.data = moved;
    this.#header.capacity = capacity;
    return data;
  }
}
