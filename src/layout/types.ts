/**
 * The types that a layout is made of, as TypeScript sees them: what each is, and which JavaScript value a field of it
 * reads as. Nothing here exists at run time but the register of what the constructors have made; equality of types is
 * by identity.
 *
 * @module
 */
import type { AllocatingMemory, FreeingMemory, LayoutMemory, PiecedMemory } from './memory.ts';

declare const valueBrand: unique symbol;

/** Any type of a field; `V` is what a field of it reads as. */
export interface Type<V = unknown> {
  readonly kind: 'scalar' | 'bits' | 'pointer' | 'array' | 'struct' | 'union';
  /** Never there; carries `V` for inference. */
  readonly [valueBrand]?: V;
}

/** The JavaScript value that a field of type `T` reads as. */
export type ValueOf<T> = T extends { readonly [valueBrand]?: infer V } ? V : never;

/** The accessor of a struct, union or array: what `T.in(memory).at(address)` returns. */
export type Accessor<T extends Type> = ValueOf<T>;

export type ScalarName = 'i8' | 'i16' | 'i32' | 'i64' | 'u8' | 'u16' | 'u32' | 'u64' | 'f32' | 'f64' | 'bool';

/** A number, a bigint (`i64`, `u64`) or a boolean, aligned to its own size. */
export interface Scalar<N extends ScalarName = ScalarName, V = unknown> extends Type<V> {
  readonly kind: 'scalar';
  readonly name: N;
  /** Bytes. */
  readonly size: 1 | 2 | 4 | 8;
}

/** `width` bits of an integer or `bool`, packed as a C bit-field. */
export interface Bits<S = Scalar, V = unknown> extends Type<V> {
  readonly kind: 'bits';
  readonly base: S;
  readonly width: number;
}

/** An address: a safe integer; 0 is null. 8 bytes, or 4 where `pointer32` made it. */
export interface Pointer<T = unknown> extends Type<number> {
  readonly kind: 'pointer';
  /** Bytes. */
  readonly size: 4 | 8;
  /** What lies there; `undefined` is C's `void`. */
  readonly target: T;
}

/** `length` elements, one after the other. */
export interface ArrayType<T = unknown, N extends number = number> extends Type<Elements<ValueOf<T>>> {
  readonly kind: 'array';
  readonly element: T;
  readonly length: N;
  /** Accessors for arrays in this memory; in a heap or an arena, new arrays too. */
  in(memory: FreeingMemory): Creating<Elements<ValueOf<T>>> & Destroying<Elements<ValueOf<T>>>;
  in(memory: AllocatingMemory): Creating<Elements<ValueOf<T>>>;
  in(memory: LayoutMemory | PiecedMemory): Located<Elements<ValueOf<T>>>;
}

/** A struct or a union. `F` is the object of its fields. */
export interface Struct<N extends string = string, F extends object = object> extends Type<Fields<F>> {
  readonly kind: 'struct' | 'union';
  readonly name: N;
  readonly fields: Readonly<F>;
  /** Accessors for structures in this memory; in a heap or an arena, new structures too. */
  in(memory: FreeingMemory): Creating<Fields<F>> & Destroying<Fields<F>>;
  in(memory: AllocatingMemory): Creating<Fields<F>>;
  in(memory: LayoutMemory | PiecedMemory): Located<Fields<F>>;
}

/** What every accessor has beside its fields. */
export interface Place {
  /** Where the accessor stands: the address of its first byte. */
  readonly address: number;
  /**
   * Goes to another address of the same memory, without an allocation. RangeError where the structure would not lie
   * in the memory, or is not aligned; then the accessor stays where it is.
   */
  move: (address: number) => void;
  /** The fields as plain values, for debugging: bigints in decimal and pointers in hexadecimal, as strings. */
  toJSON: () => object;
}

/** An accessor's properties, one per field. Mapped once more so that an editor shows the fields and not this name. */
export type Fields<F> = Flat<{ -readonly [K in keyof F]: ValueOf<F[K]> } & Place>;
type Flat<T> = { [K in keyof T]: T[K] } & {};

/** The accessor of an array. */
export interface Elements<V> extends Place, Iterable<V> {
  readonly length: number;
  /**
   * Element `index`, whose fraction is cut off as by `Array.prototype.at`. For structs and arrays it is an accessor that
   * the next `get` moves: copy out what you keep. RangeError outside of the array and for NaN, TypeError for what is no
   * number.
   */
  get(index: number): V;
  /** For structs and arrays, copies the bytes of `value`, another accessor of the same type. */
  set(index: number, value: V): void;
}

/** A type in a memory. */
export interface Located<V> {
  readonly memory: LayoutMemory | PiecedMemory;
  /**
   * A new accessor at an absolute address. RangeError where the structure would not lie in the memory, or is not
   * aligned; StateError where the memory has been freed.
   */
  at(address: number): V;
}

/** A type in a memory that gives out parts of itself. */
export interface Creating<V> extends Located<V> {
  /** An accessor at a new structure, zeroed. Throws as the memory's `alloc` does. */
  create(): V;
}

/** A type in a memory that takes back what it has given out. */
export interface Destroying<V> {
  /** Frees the structure at an address, or where an accessor stands. Throws as the memory's `free` does. */
  destroy(object: number | V): void;
}

/** Any type, for code that asks what it is. */
export type AnyType = Scalar | Bits | Pointer | ArrayType | Struct;

const made = new WeakSet<object>();

/** @internal Freezes a type and remembers it as one. */
export function register<T extends object>(type: T): T {
  made.add(type);
  return Object.freeze(type);
}

/** Whether a constructor of this module made it. */
export function isType(value: unknown): value is AnyType {
  return typeof value === 'object' && value !== null && made.has(value);
}

/** `f64`, `pointer(Node)`, `array(f32, 16)`: for messages. */
export function describeType(type: unknown): string {
  if (!isType(type)) return typeof type;
  switch (type.kind) {
    case 'scalar':
      return type.name;
    case 'bits':
      return `bits(${type.base.name}, ${type.width})`;
    case 'pointer': {
      const target = isType(type.target) ? describeType(type.target) : '';
      return `pointer${type.size === 4 ? '32' : ''}(${target})`;
    }
    case 'array':
      return `array(${describeType(type.element)}, ${type.length})`;
    default:
      return type.name;
  }
}
