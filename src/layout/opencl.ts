/**
 * OpenCL C declarations (1.2 and later). Pointers are `__global`, and 8 bytes on a device with 64-bit addresses: on any
 * other a check of each struct's size does not compile. OpenCL C has no bit-fields (OpenCL C 3.0, section 6.11), so their
 * bytes are named and functions read and write the bits; `bool` has no size there (6.3.1), so it is a `uchar`.
 *
 * @module
 */
import { type Dialect, declare, pointerTo } from './c-declarator.ts';
import { bitPlaces, declared, partsOf, unusedName } from './declared.ts';
import { checkOpenCLName } from './names.ts';
import { layoutOf, sizeof } from './rules.ts';
import type { AnyType, ScalarName, Struct, Type } from './types.ts';

const scalars = {
  i8: 'char',
  i16: 'short',
  i32: 'int',
  i64: 'long',
  u8: 'uchar',
  u16: 'ushort',
  u32: 'uint',
  u64: 'ulong',
  f32: 'float',
  f64: 'double',
  bool: 'uchar',
} as const;

const dialect: Dialect = {
  scalars,
  space: '__global ',
  pointer: (target, name, array) => pointerTo(target, `${name}${array}`, dialect),
};

/**
 * Declares the types, and all that they hold or point to, in OpenCL C. A bit-field `flags` of `Node` is read by
 * `Node_get_flags(node)` and written by `Node_set_flags(node, value)`, which is not atomic.
 *
 * Throws RangeError where two structs have one name, or a name is reserved in OpenCL C.
 */
export function toOpenCL(...types: Type[]): string {
  const structs = declared(types);
  for (const type of structs) {
    checkOpenCLName(type.name, 'name');
    for (const field of Object.keys(type.fields)) checkOpenCLName(field, `a field name of ${type.name}`);
  }
  const doubles = structs.some((type) => layoutOf(type).fields.some((field) => holdsDouble(field.type)));
  return [
    ...(doubles ? ['#ifdef cl_khr_fp64\n#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n#endif\n'] : []),
    structs.map(({ kind, name }) => `typedef ${kind} ${name} ${name};\n`).join(''),
    ...structs.map(define),
  ].join('\n');
}

function holdsDouble(type: AnyType): boolean {
  if (type.kind === 'array') return holdsDouble(type.element as AnyType);
  return type.kind === 'scalar' && type.name === 'f64';
}

function define(type: Struct): string {
  const { size, align } = layoutOf(type);
  const tag = `${type.kind} ${type.name}`;
  const bits = bitPlaces(type);
  const members: string[] = [];
  let end = 0;
  // Bytes in the place of bit-fields have no alignment, so what lies between them and the next field is spelt out.
  const pad = (until: number) => {
    if (bits.length === 0 || type.kind === 'union' || until <= end) return;
    members.push(`  uchar ${unusedName(type, `padding_${end}`)}[${until - end}];\n`);
  };
  for (const part of partsOf(type)) {
    pad(part.offset);
    if (part.kind === 'field') {
      members.push(`  ${declare(part.type, part.name, dialect)};\n`);
      end = part.offset + sizeOfPart(type, part.name);
    } else {
      const name = unusedName(type, `bits_${part.first}`);
      members.push(`  uchar ${name}[${part.end - part.offset}];\n`);
      end = part.end;
    }
  }
  pad(size);
  const aligned = bits.length > 0 ? ` __attribute__((aligned(${align})))` : '';
  return [
    `${tag} {\n`,
    ...members,
    `}${aligned};\n`,
    `typedef char ${type.name}_has_${size}_bytes[sizeof(${tag}) == ${size} ? 1 : -1];\n`,
    ...bits.map((place) => bitFunctions(type, place)),
  ].join('');
}

function sizeOfPart(type: Struct, name: string): number {
  const { fields } = layoutOf(type);
  return sizeof(fields.find((field) => field.name === name)!.type);
}

function bitFunctions(type: Struct, place: ReturnType<typeof bitPlaces>[number]): string {
  const { name, base, offset, bytes, shift, width } = place;
  const value = scalars[base as ScalarName];
  const tag = `${type.kind} ${type.name}`;
  const indices = Array.from({ length: bytes }, (_, i) => i);
  const load = indices.map((i) => `(ulong)at[${i}] << ${8 * i}`).join(' | ');
  const mask = `0x${((1n << BigInt(width)) - 1n).toString(16)}UL`;
  const read = base.startsWith('i')
    ? `(${value})((long)(bits << ${64 - shift - width}) >> ${64 - width})`
    : `(${value})(bits >> ${shift} & ${mask})`;
  const given = base === 'bool' ? '(ulong)(value != 0)' : `((ulong)value & ${mask})`;
  const stores = indices.map((i) => ` at[${i}] = (uchar)(bits >> ${8 * i});`).join('');
  return [
    `static inline ${value} ${type.name}_get_${name}(const __global ${tag} *from) {\n`,
    `  const __global uchar *at = (const __global uchar *)from + ${offset};\n`,
    `  ulong bits = ${load};\n`,
    `  return ${read};\n}\n`,
    `static inline void ${type.name}_set_${name}(__global ${tag} *to, ${value} value) {\n`,
    `  __global uchar *at = (__global uchar *)to + ${offset};\n`,
    `  ulong bits = ${load};\n`,
    `  bits = (bits & ~(${mask} << ${shift})) | (${given} << ${shift});\n`,
    ` ${stores}\n}\n`,
  ].join('');
}
