/**
 * What kernels of an OpenCL device take beside what kernels of every device do: structures by value, as
 * `mirrorspace/layout` lays them out, and memory of a work-group. Types only.
 *
 * @module
 */
import type {
  AnyType,
  ArrayType,
  Fields,
  Pointer,
  Scalar,
  Struct,
  Type,
  ValueOf,
} from '../../layout/types.ts';
import type { Address } from '../../mm/address.ts';
import type { Addressed, ArgumentKind, ArgumentsOf } from '../device.ts';

/** A struct or union of `mirrorspace/layout`. */
export type StructKind = Type & { readonly kind: 'struct' | 'union'; readonly name: string };

/** `'local'` is a pointer to `local` memory; a struct or union is taken by value. */
export type OpenClArgumentKind = ArgumentKind | 'local' | StructKind;

/**
 * A structure to be given by value: an accessor of it, wherever it stands, whose bytes are copied at the call; or its
 * fields, all of them (of a union, one or more). OpenCL C has no pointers in such structures: a `u64` takes an address, or
 * a buffer, as does a pointer that the program has as `ulong`.
 */
export type StructValue<T> = T extends Struct<string, infer F> ? Fields<F> | StructFieldValues<F> : never;

/** Optional, since a struct's type and a union's are one to TypeScript; a launch throws where a struct's is missing. */
export type StructFieldValues<F> = { readonly [Name in keyof F]?: StructFieldValue<F[Name]> };

/** What a field of a struct by value takes. */
export type StructFieldValue<T> = T extends Pointer
  ? Address | number | Addressed
  : T extends Scalar<'u64' | 'i64'>
    ? bigint | number | Addressed
    : T extends ArrayType<infer E>
      ? ValueOf<T> | ArrayLike<StructFieldValue<E>>
      : T extends Struct
        ? StructValue<T>
        : ValueOf<T>;

/** The JavaScript values that a list of kinds takes: of `'local'`, bytes. */
export type OpenClArgumentsOf<Kinds extends readonly OpenClArgumentKind[]> = {
  [Index in keyof Kinds]: Kinds[Index] extends ArgumentKind
    ? ArgumentsOf<readonly [Kinds[Index]]>[0]
    : Kinds[Index] extends 'local'
      ? number
      : StructValue<Kinds[Index]>;
};

/** A kernel of an OpenCL program, with the kinds of its arguments. */
export interface OpenClKernel<Kinds extends readonly OpenClArgumentKind[] = readonly OpenClArgumentKind[]> {
  readonly name: string;
  readonly kinds: Kinds;
}

/** A struct or union as its constructor made it. */
export type LayoutStruct = Extract<AnyType, { readonly kind: 'struct' | 'union' }>;
