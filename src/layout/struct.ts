/**
 * Structs and unions. Fields are an object of types in the order of C's declaration; a getter defers a type that is
 * declared later or is the struct itself: `get next() { return pointer(Node); }`. Names are checked when the struct is
 * made, types when it is first laid out.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { locate } from './access.ts';
import type { LayoutMemory, PiecedMemory } from './memory.ts';
import { checkName } from './names.ts';
import { isType, register, type Struct } from './types.ts';

/**
 * A C struct. Throws TypeError or RangeError where it has no fields, or where a name is no identifier or is reserved in
 * C or AssemblyScript.
 */
// The fields are no more than an object here, since TypeScript could not infer a getter that names the struct itself
// against a stricter type; a field that is no type reads as `never`, and is a TypeError at run time.
export function struct<const N extends string, F extends object>(name: N, fields: F): Struct<N, F> {
  return compose('struct', name, fields);
}

/** A C union: all fields begin at its first byte. Otherwise as {@link struct}. */
export function union<const N extends string, F extends object>(name: N, fields: F): Struct<N, F> {
  return compose('union', name, fields);
}

function compose<N extends string, F extends object>(
  kind: 'struct' | 'union',
  name: N,
  fields: F,
): Struct<N, F> {
  checkName(name);
  if (typeof fields !== 'object' || fields === null)
    throw invalidType('fields', 'an object of types', fields);
  const given = Object.getOwnPropertyDescriptors(fields) as Record<PropertyKey, PropertyDescriptor>;
  const keys = Reflect.ownKeys(given);
  if (keys.length === 0) throw outOfRange(`fields of ${name}`, 'at least one field', keys.length);
  for (const key of keys) {
    checkName(key, name);
    const { get, value } = given[key]!;
    if (!get && !isType(value)) throw invalidType(`${name}.${key}`, 'a type of mirrorspace/layout', value);
  }
  const type: Struct<N, F> = register({
    kind,
    name,
    fields: Object.freeze(Object.defineProperties({}, given)) as F,
    in: (memory: LayoutMemory | PiecedMemory): never => locate(type, memory) as never,
  });
  return type;
}
