/**
 * What a set of declarations has to contain: all structs that the given types reach, those held by value before those
 * that hold them, each name once.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { layoutOf } from './rules.ts';
import { type AnyType, isType, type Struct, type Type } from './types.ts';

/** Structs and unions in the order in which C can define them. */
export function declared(types: readonly Type[]): Struct[] {
  const names = new Map<string, Struct>();
  const ordered: Struct[] = [];
  const later: Struct[] = [];

  const visit = (type: AnyType): void => {
    if (type.kind === 'array') visit(type.element as AnyType);
    else if (type.kind === 'pointer') {
      const target = pointee(type.target);
      if (target) later.push(target);
    } else if (type.kind === 'struct' || type.kind === 'union') define(type);
  };
  const define = (type: Struct): void => {
    const same = names.get(type.name);
    if (same === type) return;
    if (same) throw outOfRange('types', 'structs of different names: two are reached by this one', type.name);
    names.set(type.name, type);
    for (const field of layoutOf(type).fields) visit(field.type);
    ordered.push(type);
  };

  for (const type of types) {
    if (!isType(type)) throw invalidType('types', 'types of mirrorspace/layout', type);
    visit(type);
  }
  for (let next = later.pop(); next; next = later.pop()) define(next);
  if (ordered.length === 0) throw outOfRange('types', 'at least one struct or union', types.length);
  return ordered;
}

/** The struct that a pointer leads to, through arrays and further pointers. */
function pointee(target: unknown): Struct | undefined {
  if (!isType(target)) return undefined;
  if (target.kind === 'array') return pointee(target.element);
  if (target.kind === 'pointer') return pointee(target.target);
  return target.kind === 'struct' || target.kind === 'union' ? target : undefined;
}

/** `name`, with underscores where the struct has a field of that name. */
export function unusedName(type: Struct, name: string): string {
  let free = name;
  while (Object.hasOwn(type.fields, free)) free += '_';
  return free;
}

/** The bits of one bit-field, as code in the languages below takes them apart. */
export interface BitPlace {
  /** Bytes from the start of the struct. */
  readonly offset: number;
  /** How many bytes hold bits of it, 1 to 8. */
  readonly bytes: number;
  readonly shift: number;
  readonly width: number;
}

/** Fields of a struct, where each run of bit-fields is one part with the bytes that it takes. */
export type Part =
  | { readonly kind: 'field'; readonly name: string; readonly type: AnyType; readonly offset: number }
  | {
      readonly kind: 'bits';
      readonly offset: number;
      readonly end: number;
      readonly first: string;
    };

/** A struct's fields for a language without bit-fields. Of a union, each bit-field is a run of its own. */
export function partsOf(type: Struct): Part[] {
  const parts: Part[] = [];
  for (const { name, type: field, offset, shift } of layoutOf(type).fields) {
    if (field.kind !== 'bits') {
      parts.push({ kind: 'field', name, type: field, offset });
      continue;
    }
    const end = offset + Math.ceil((shift + field.width) / 8);
    const last = parts.at(-1);
    if (last?.kind === 'bits' && type.kind === 'struct') parts[parts.length - 1] = { ...last, end };
    else parts.push({ kind: 'bits', offset, end, first: name });
  }
  return parts;
}

/** Where each bit-field of a struct lies. */
export function bitPlaces(type: Struct): (BitPlace & { readonly name: string; readonly base: string })[] {
  return layoutOf(type).fields.flatMap(({ name, type: field, offset, shift }) => {
    if (field.kind !== 'bits') return [];
    const { width, base } = field;
    return [{ name, base: base.name, offset, shift, width, bytes: Math.ceil((shift + width) / 8) }];
  });
}
