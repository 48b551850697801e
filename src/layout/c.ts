/**
 * C11 declarations, for the host's compiler and for clang's wasm32. Every declaration asserts its own sizes and
 * offsets, so a compiler that lays it out otherwise refuses it. A pointer of 8 bytes is a union with a word, which has
 * that size where C's pointers have 4 bytes as well; being little endian, its low half is the pointer.
 *
 * @module
 */
import { type Dialect, declare, pointerTo } from './c-declarator.ts';
import { declared, unusedName } from './declared.ts';
import { layoutOf } from './rules.ts';
import type { Struct, Type } from './types.ts';

const scalars = {
  i8: 'int8_t',
  i16: 'int16_t',
  i32: 'int32_t',
  i64: 'int64_t',
  u8: 'uint8_t',
  u16: 'uint16_t',
  u32: 'uint32_t',
  u64: 'uint64_t',
  f32: 'float',
  f64: 'double',
  bool: 'bool',
} as const;

/**
 * Declares the types, and all that they hold or point to, in C11: `struct Node *left` is `node->left`, an element of an
 * array of pointers `node->children[i].pointer`. Where C's pointers have 4 bytes, storing `left` leaves the upper half
 * as it is; clear it through `left_word` in memory that is not zero.
 *
 * Throws RangeError where two structs have one name.
 */
export function toC(...types: Type[]): string {
  const structs = declared(types);
  return [
    '#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n',
    structs.map(({ kind, name }) => `typedef ${kind} ${name} ${name};\n`).join(''),
    ...structs.map(define),
  ].join('\n');
}

function define(type: Struct): string {
  const { size, align, fields } = layoutOf(type);
  const dialect: Dialect = {
    scalars,
    space: '',
    pointer(target, name, array) {
      if (array) return `union { ${pointerTo(target, 'pointer', dialect)}; uint64_t word; } ${name}${array}`;
      const word = unusedName(type, `${name}_word`);
      return `union { ${pointerTo(target, name, dialect)}; uint64_t ${word}; }`;
    },
  };
  const tag = `${type.kind} ${type.name}`;
  const members = fields.map((field) => `  ${declare(field.type, field.name, dialect)};\n`);
  const offsets = fields
    .filter((field) => field.type.kind !== 'bits')
    .map(({ name, offset }) => check(`offsetof(${tag}, ${name}) == ${offset}`));
  return [
    `${tag} {\n`,
    ...members,
    '};\n',
    check(`sizeof(${tag}) == ${size}`),
    check(`_Alignof(${tag}) == ${align}`),
    ...offsets,
  ].join('');
}

function check(condition: string): string {
  return `_Static_assert(${condition}, "${condition}");\n`;
}
