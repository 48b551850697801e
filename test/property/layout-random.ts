/**
 * Random structs for the tests of `mirrorspace/layout`: as descriptions, from which types are built and which the oracle
 * lays out by trying one bit after the other.
 *
 * @module
 */
import fc from 'fast-check';
import {
  array,
  bits,
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  pointer,
  pointer32,
  type ScalarName,
  type Struct,
  struct,
  type Type,
  u8,
  u16,
  u32,
  u64,
  union,
} from '../../src/layout/index.ts';

export type Description =
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  | { readonly kind: 'bits'; readonly base: ScalarName; readonly width: number }
  | { readonly kind: 'pointer'; readonly size: 4 | 8 }
  | { readonly kind: 'array'; readonly element: Description; readonly length: number }
  | { readonly kind: 'struct' | 'union'; readonly fields: readonly Description[] };

export type StructDescription = Extract<Description, { fields: unknown }>;

const scalars = { i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, bool };
const names = Object.keys(scalars) as ScalarName[];
export const widthOf = (name: ScalarName): number => (name === 'bool' ? 8 : Number(name.slice(1)));

const scalarFields = fc.constantFrom(...names).map((name) => ({ kind: 'scalar', name }) as const);
const bitFields = fc
  .constantFrom(...names.filter((name) => !name.startsWith('f')))
  .chain((base) =>
    fc
      .integer({ min: 1, max: base === 'bool' ? 1 : widthOf(base) })
      .map((width) => ({ kind: 'bits', base, width }) as const),
  );
const pointers = fc.constantFrom(4 as const, 8 as const).map((size) => ({ kind: 'pointer', size }) as const);

/** A struct or union with up to eight fields, up to three levels deep. */
export const structs: fc.Arbitrary<StructDescription> = level(3);

function level(depth: number): fc.Arbitrary<StructDescription> {
  const plain: fc.WeightedArbitrary<Description>[] = [
    { weight: 5, arbitrary: scalarFields },
    { weight: 2, arbitrary: pointers },
  ];
  if (depth > 1) plain.push({ weight: 2, arbitrary: level(depth - 1) });
  const element = fc.oneof(...plain);
  const arrays = fc
    .tuple(element, fc.integer({ min: 1, max: 5 }))
    .map(([each, length]) => ({ kind: 'array', element: each, length }) as const);
  const matrix = fc
    .tuple(arrays, fc.integer({ min: 1, max: 3 }))
    .map(([each, length]) => ({ kind: 'array', element: each, length }) as const);
  const field = fc.oneof(
    ...plain,
    { weight: 4, arbitrary: bitFields },
    { weight: 2, arbitrary: arrays },
    { weight: 1, arbitrary: matrix },
  );
  return fc
    .tuple(
      fc.constantFrom('struct', 'struct', 'struct', 'union'),
      fc.array(field, { minLength: 1, maxLength: 8 }),
    )
    .map(([kind, fields]) => ({ kind, fields }) as StructDescription);
}

/** A struct that was built, with the description of each field by name. */
export interface Built {
  readonly type: Struct;
  readonly fields: readonly { readonly name: string; readonly description: Description }[];
}

/** Builds types from descriptions; `all` has every struct, those inside of others too. */
export class Builder {
  readonly all: Built[] = [];

  build(description: StructDescription): Struct {
    const fields = description.fields.map((field, i) => ({ name: `f${i}`, description: field }));
    const types = Object.fromEntries(fields.map((field) => [field.name, this.#type(field.description)]));
    const name = `S${this.all.length}`;
    const type = description.kind === 'struct' ? struct(name, types) : union(name, types);
    this.all.push({ type, fields });
    return type;
  }

  #type(description: Description): Type {
    switch (description.kind) {
      case 'scalar':
        return scalars[description.name];
      case 'bits':
        return bits(scalars[description.base], description.width);
      case 'pointer': {
        const target = this.all.at(-1)?.type;
        if (target) return description.size === 8 ? pointer(target) : pointer32(target);
        return description.size === 8 ? pointer() : pointer32();
      }
      case 'array':
        return array(this.#type(description.element), description.length);
      default:
        return this.build(description);
    }
  }
}

/** Where a field lies, in bits. */
export interface Bits {
  readonly start: number;
  readonly width: number;
}

/** C's rules, read aloud: try bit after bit until the field may begin there. */
export function oracle(description: Description): { size: number; align: number; fields: Bits[] } {
  switch (description.kind) {
    case 'scalar':
      return { size: widthOf(description.name) / 8, align: widthOf(description.name) / 8, fields: [] };
    case 'pointer':
      return { size: description.size, align: description.size, fields: [] };
    case 'array': {
      const { size, align } = oracle(description.element);
      return { size: size * description.length, align, fields: [] };
    }
    case 'bits':
      return { size: Number.NaN, align: widthOf(description.base) / 8, fields: [] };
  }
  const fields: Bits[] = [];
  let next = 0;
  let end = 0;
  let align = 1;
  for (const field of description.fields) {
    const its = oracle(field);
    const width = field.kind === 'bits' ? field.width : its.size * 8;
    let start = description.kind === 'union' ? 0 : next;
    while (!mayBegin(field, start, its.align)) start++;
    fields.push({ start, width });
    next = start + width;
    end = Math.max(end, next);
    align = Math.max(align, its.align);
  }
  let size = 0;
  while (size * 8 < end || size % align !== 0) size++;
  return { size, align, fields };
}

function mayBegin(field: Description, start: number, align: number): boolean {
  if (field.kind !== 'bits') return start % (align * 8) === 0;
  const unit = widthOf(field.base);
  return Math.floor(start / unit) === Math.floor((start + field.width - 1) / unit);
}

/** A value that a field of a scalar, bit-field or pointer takes. */
export function valuesOf(description: Description): fc.Arbitrary<number | bigint | boolean> {
  switch (description.kind) {
    case 'pointer':
      return description.size === 4 ? fc.nat({ max: 2 ** 31 - 1 }).map((n) => 2 * n + 1) : fc.maxSafeNat();
    case 'scalar':
      if (description.name === 'f64') return fc.double();
      if (description.name === 'f32') return fc.float();
      return integers(description.name, widthOf(description.name));
    case 'bits':
      return integers(description.base, description.width);
    default:
      throw new Error('only values have values');
  }
}

function integers(name: ScalarName, width: number): fc.Arbitrary<number | bigint | boolean> {
  if (name === 'bool') return fc.boolean();
  const signed = name.startsWith('i');
  const min = signed ? -(1n << BigInt(width - 1)) : 0n;
  const max = (1n << BigInt(signed ? width - 1 : width)) - 1n;
  const all = fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max));
  return widthOf(name) === 64 ? all : all.map(Number);
}

/** Whether a field is read as one value. */
export function isValue(description: Description): boolean {
  return description.kind === 'scalar' || description.kind === 'bits' || description.kind === 'pointer';
}
