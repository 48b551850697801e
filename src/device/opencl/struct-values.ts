/**
 * The bytes of a structure that a launch gives by value: those under an accessor, or of fields as a plain object. All is
 * checked here, as arguments are. Pure.
 *
 * @module
 */
import { type ArgumentContext, isAddressed, packArgument } from '../../engine/kernel-arguments.ts';
import { invalidType, outOfRange } from '../../errors.ts';
import { array } from '../../layout/fields.ts';
import { layoutOf, sizeof } from '../../layout/rules.ts';
import type { AnyType, ArrayType, Elements, Struct } from '../../layout/types.ts';

/** A place of its own for each type: structures are made there, and copied out. */
interface Workplace {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** One element. */
  readonly whole: Elements<unknown>;
}

type Part = Record<string, unknown> & Elements<unknown>;

const workplaces = new WeakMap<Struct, Workplace>();

/** A copy of the structure's bytes. Throws TypeError or RangeError with the field; StateError for freed memory. */
export function structBytes(
  name: string,
  type: Struct,
  value: unknown,
  context: ArgumentContext,
): Uint8Array<ArrayBuffer> {
  const { bytes, whole } = workplaceOf(type);
  bytes.fill(0);
  setElement(name, type, whole, 0, value, context);
  return bytes.slice();
}

function workplaceOf(type: Struct): Workplace {
  let workplace = workplaces.get(type);
  if (!workplace) {
    const bytes = new Uint8Array(sizeof(type));
    const one = array(type, 1).in({ address: 0, size: bytes.length, bytes });
    workplace = { bytes, whole: one.at(0) as unknown as Elements<unknown> };
    workplaces.set(type, workplace);
  }
  return workplace;
}

function isAccessor(value: object): boolean {
  const { address, move } = value as { address?: unknown; move?: unknown };
  return typeof address === 'number' && typeof move === 'function';
}

function setFields(name: string, type: Struct, at: Part, value: unknown, context: ArgumentContext): void {
  if (typeof value !== 'object' || value === null)
    throw invalidType(name, `an accessor of ${type.name}, or an object of its fields`, value);
  const { fields } = layoutOf(type);
  const names = fields.map((field) => field.name);
  for (const key of Object.keys(value))
    if (!names.includes(key)) throw outOfRange(name, `fields of ${type.name} (${names.join(', ')})`, key);
  const given = fields.filter((field) => Object.hasOwn(value, field.name));
  const missing = fields.find((field) => !given.includes(field));
  if (missing && (type.kind === 'struct' || given.length === 0))
    throw invalidType(`${name}.${missing.name}`, `given, as ${type.name} has that field`, undefined);
  for (const field of given) {
    const own = `${name}.${field.name}`;
    const one = (value as Record<string, unknown>)[field.name];
    const set = (bare: unknown): void => {
      at[field.name] = bare;
    };
    setValue(own, field.type, one, set, () => at[field.name] as Part, context);
  }
}

/** Stores a value of any type: `set` takes what an accessor takes, `part` is the accessor of what has parts. */
function setValue(
  name: string,
  type: AnyType,
  value: unknown,
  set: (bare: unknown) => void,
  part: () => Part,
  context: ArgumentContext,
): void {
  if (type.kind === 'pointer') set(packArgument(name, 'pointer', value, context));
  else if (type.kind === 'scalar' && (type.name === 'u64' || type.name === 'i64'))
    set(wide(name, type.name, value, context));
  else if (
    type.kind === 'scalar' ||
    type.kind === 'bits' ||
    (Object(value) === value && isAccessor(value as object))
  )
    named(name, value, set);
  else if (type.kind === 'array') setElements(name, type, part(), value, context);
  else setFields(name, type, part(), value, context);
}

/** OpenCL C has no pointers in a kernel's structures: an address goes there as a number. */
function wide(name: string, kind: 'u64' | 'i64', value: unknown, context: ArgumentContext): bigint {
  const address = isAddressed(value) ? packArgument(name, 'pointer', value, context) : value;
  return packArgument(name, kind, address, context) as bigint;
}

function setElements(
  name: string,
  { element, length }: ArrayType,
  at: Part,
  value: unknown,
  context: ArgumentContext,
): void {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value))
    throw invalidType(name, `an accessor, or an array of ${length} elements`, value);
  const list = value as ArrayLike<unknown>;
  if (list.length !== length) throw outOfRange(`${name}.length`, `${length}`, list.length);
  for (let i = 0; i < length; i++) setElement(`${name}[${i}]`, element as AnyType, at, i, list[i], context);
}

function setElement(
  name: string,
  type: AnyType,
  at: Elements<unknown>,
  index: number,
  value: unknown,
  context: ArgumentContext,
): void {
  setValue(
    name,
    type,
    value,
    (bare) => at.set(index, bare),
    () => at.get(index) as Part,
    context,
  );
}

/** The accessor refuses a value by its own names; here it is an argument's. */
function named(name: string, value: unknown, set: (bare: unknown) => void): void {
  try {
    set(value);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError)
      error.message = `${name}: ${error.message}`;
    throw error;
  }
}
