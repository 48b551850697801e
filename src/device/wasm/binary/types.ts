/**
 * The types that a module's imports and exports have (core specification 3.0, section 5.3 "Types"), and their
 * decoding. Function types over numbers, vectors and the abstract reference types are read; types of the garbage
 * collector's kind (recursive groups, structs, arrays, references to a defined type) are refused by name: a
 * kernel takes numbers and addresses, and no mirrored byte can hold a reference.
 *
 * @module
 */

import type { ByteReader } from './reader.ts';

const valueTypes = {
  127: 'i32',
  126: 'i64',
  125: 'f32',
  124: 'f64',
  123: 'v128',
  116: 'nullexnref',
  115: 'nullfuncref',
  114: 'nullexternref',
  113: 'nullref',
  112: 'funcref',
  111: 'externref',
  110: 'anyref',
  109: 'eqref',
  108: 'i31ref',
  107: 'structref',
  106: 'arrayref',
  105: 'exnref',
} as const;

export type ValueType = (typeof valueTypes)[keyof typeof valueTypes];

export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Sizes in pages of 64 KiB. */
export interface MemoryType {
  readonly min: number;
  readonly max: number | undefined;
  readonly shared: boolean;
  readonly is64: boolean;
}

export interface GlobalType {
  readonly type: ValueType;
  readonly mutable: boolean;
}

/** As a person writes it: `(i32, i32, f64) -> i32`. */
export function formatSignature({ params, results }: Signature): string {
  const out = results.length === 0 ? 'nothing' : results.join(', ');
  return `(${params.join(', ')}) -> ${out}`;
}

export function sameTypes(a: readonly ValueType[], b: readonly ValueType[]): boolean {
  return a.length === b.length && a.every((type, i) => type === b[i]);
}

/** rec, sub final, sub, array and struct. */
const collectedForms: readonly number[] = [0x4e, 0x4f, 0x50, 0x5e, 0x5f];

/** The type section: every function type by its index. */
export function readTypes(reader: ByteReader): Signature[] {
  const count = reader.count('types');
  const types: Signature[] = [];
  for (let i = 0; i < count; i++) {
    const start = reader.position;
    const form = reader.byte();
    if (collectedForms.includes(form)) {
      throw reader.unsupported(
        `type ${i} belongs to garbage collection (form 0x${form.toString(16)}); kernels take numbers and addresses`,
        start,
      );
    }
    if (form !== 0x60) {
      throw reader.malformed(`type ${i} has the unknown form 0x${form.toString(16)}`, start);
    }
    types.push({ params: readValueTypes(reader, 'parameters'), results: readValueTypes(reader, 'results') });
  }
  return types;
}

function readValueTypes(reader: ByteReader, what: string): ValueType[] {
  const count = reader.count(what);
  const types: ValueType[] = [];
  for (let i = 0; i < count; i++) types.push(readValueType(reader));
  return types;
}

export function readValueType(reader: ByteReader): ValueType {
  const start = reader.position;
  const code = reader.byte();
  const type = (valueTypes as Record<number, ValueType>)[code];
  if (type !== undefined) return type;
  if (code === 0x63 || code === 0x64) {
    throw reader.unsupported('a reference to a defined type; kernels take numbers and addresses', start);
  }
  throw reader.malformed(`there is no value type 0x${code.toString(16)}`, start);
}

export function readGlobalType(reader: ByteReader): GlobalType {
  const type = readValueType(reader);
  const start = reader.position;
  const mutability = reader.byte();
  if (mutability > 1) throw reader.malformed(`a mutability of ${mutability}`, start);
  return { type, mutable: mutability === 1 };
}

/** Limits of a memory (5.3.14), with the bits that the threads and 64-bit proposals added. */
export function readMemoryType(reader: ByteReader): MemoryType {
  const start = reader.position;
  const flags = reader.byte();
  if (flags > 7) throw reader.unsupported(`memory limits of kind ${flags} (custom page sizes?)`, start);
  const is64 = (flags & 4) !== 0;
  const bits = is64 ? 64 : 32;
  const min = reader.unsigned(bits);
  const max = flags & 1 ? reader.unsigned(bits) : undefined;
  return { min, max, shared: (flags & 2) !== 0, is64 };
}

/** A table's element type and limits: only stepped over, kernels do not import tables. */
export function skipTableType(reader: ByteReader): void {
  readValueType(reader);
  const start = reader.position;
  const flags = reader.byte();
  if (flags > 7) throw reader.malformed(`table limits of kind ${flags}`, start);
  const bits = flags & 4 ? 64 : 32;
  reader.unsigned(bits);
  if (flags & 1) reader.unsigned(bits);
}
