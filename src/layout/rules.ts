/**
 * C's layout: where each field lies. The rules are those of the System V ABI for x86-64 (section 3.1.2, "Aggregates and
 * Unions" and "Bit-Fields"), which clang follows for wasm32 too: every scalar is aligned to its size, a struct to its
 * most aligned field, and its size is a multiple of that. A layout is worked out at first use and kept, since a field's
 * getter may name a struct that is declared further down.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { alignUp } from '../mm/address.ts';
import { type AnyType, type Bits, describeType, isType, type Struct, type Type } from './types.ts';

/** A field in its place. */
export interface Field {
  readonly name: string;
  readonly type: AnyType;
  /** Bytes from the start of the struct; of a bit-field, the byte that holds its lowest bit. */
  readonly offset: number;
  /** Bits from there; 0 but for bit-fields. */
  readonly shift: number;
}

export interface Layout {
  /** Bytes, a multiple of `align`. */
  readonly size: number;
  readonly align: number;
  readonly fields: readonly Field[];
}

/** The user's part of x86-64's address space: nothing larger could be placed. */
const LARGEST = 2 ** 47;

const layouts = new WeakMap<object, Layout>();
/** The structs whose layout is being worked out, each by a field of the one before: a second visit is a cycle. */
const pending: { readonly type: Struct; field: string }[] = [];

/** Bytes that a value of the type takes, as C's `sizeof`. TypeError for a bit-field, which has no size of its own. */
export function sizeof(type: Type): number {
  const known = addressable(type, 'type');
  if (known.kind === 'scalar' || known.kind === 'pointer') return known.size;
  if (known.kind !== 'array') return layoutOf(known).size;
  const size = sizeof(known.element as Type) * known.length;
  if (size > LARGEST) throw outOfRange(describeType(known), 'at most 2^47 bytes', size);
  return size;
}

/** Bytes that the address of a value of the type is a multiple of, as C's `_Alignof`. */
export function alignof(type: Type): number {
  const known = addressable(type, 'type');
  if (known.kind === 'scalar' || known.kind === 'pointer') return known.size;
  return known.kind === 'array' ? alignof(known.element as Type) : layoutOf(known).align;
}

/** Bytes from the start of the struct to the field, as C's `offsetof`. TypeError for a bit-field. */
export function offsetof<F extends object>(type: Struct<string, F>, field: keyof F & string): number {
  if (!isType(type) || (type.kind !== 'struct' && type.kind !== 'union')) {
    throw invalidType('type', 'a struct or a union', type);
  }
  const found = layoutOf(type).fields.find(({ name }) => name === field);
  if (!found) throw outOfRange('field', `a field of ${type.name}`, field);
  if (found.type.kind === 'bits') {
    throw invalidType('field', 'a field with an address, which a bit-field does not have', field);
  }
  return found.offset;
}

/** @internal The places of all fields. */
export function layoutOf(type: Struct): Layout {
  let layout = layouts.get(type);
  if (layout) return layout;
  if (pending.some((each) => each.type === type)) throw containsItself(type);
  const own = { type, field: '' };
  pending.push(own);
  try {
    layout = place(type, (field) => {
      own.field = field;
    });
  } finally {
    pending.pop();
  }
  layouts.set(type, layout);
  return layout;
}

function place(type: Struct, enter: (field: string) => void): Layout {
  const fields: Field[] = [];
  let end = 0; // in bits, since bit-fields share bytes
  let largest = 0;
  let align = 1;
  for (const name of Object.keys(type.fields)) {
    enter(name);
    const field = typeOfField(type, name);
    if (type.kind === 'union') end = 0;
    if (field.kind === 'bits') {
      const bit = bitPlace(end, field);
      fields.push({ name, type: field, offset: Math.floor(bit / 8), shift: bit % 8 });
      end = bit + field.width;
      align = Math.max(align, field.base.size);
    } else {
      const offset = alignUp(Math.ceil(end / 8), alignof(field));
      fields.push({ name, type: field, offset, shift: 0 });
      end = (offset + sizeof(field)) * 8;
      align = Math.max(align, alignof(field));
    }
    largest = Math.max(largest, end);
    if (largest > LARGEST * 8) throw outOfRange(type.name, 'at most 2^47 bytes', largest / 8);
  }
  return Object.freeze({
    size: alignUp(Math.ceil(largest / 8), align),
    align,
    fields: Object.freeze(fields.map((field) => Object.freeze(field))),
  });
}

/** The next bit, or the next unit of the declared type where the field would cross into it. */
function bitPlace(next: number, field: Bits): number {
  const unit = field.base.size * 8;
  return (next % unit) + field.width > unit ? alignUp(next, unit) : next;
}

function typeOfField(type: Struct, name: string): AnyType {
  let field: unknown;
  try {
    field = (type.fields as Record<string, unknown>)[name];
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const expected = 'a type that is declared by now: lay a struct out after all that its fields name';
    throw Object.assign(invalidType(`${type.name}.${name}`, expected, undefined), { cause: error });
  }
  if (!isType(field)) throw invalidType(`${type.name}.${name}`, 'a type of mirrorspace/layout', field);
  return field;
}

function containsItself(type: Struct): RangeError {
  const from = pending.findIndex((each) => each.type === type);
  const path = pending.slice(from).map((each) => `${each.type.name}.${each.field}`);
  const [first = type.name] = path;
  const expected = `a pointer: ${type.name} contains itself by value (${path.join(' -> ')} -> ${type.name})`;
  return outOfRange(first, expected, type.name);
}

function addressable(type: unknown, name: string): Exclude<AnyType, Bits> {
  if (!isType(type)) throw invalidType(name, 'a type of mirrorspace/layout', type);
  if (type.kind === 'bits') throw invalidType(name, 'a type with a size, which a bit-field is not', type);
  return type;
}
