/**
 * What an OpenCL C kernel takes, from the driver's own argument info, and whether the kinds that a caller names fit. Pure.
 *
 * @module
 */
import { invalidType, outOfRange, UnsupportedError } from '../../errors.ts';
import { layoutOf, sizeof } from '../../layout/rules.ts';
import { describeType, isType } from '../../layout/types.ts';
import type { ArgumentKind } from '../device.ts';
import type { LayoutStruct, OpenClArgumentKind } from './argument-kinds.ts';
import type { StructPlaces } from './struct-places.ts';

/** A parameter as clGetKernelArgInfo describes it. */
export interface ParameterInfo {
  readonly name: string;
  /** `uint`, `float*`, `struct Node`. */
  readonly type: string;
  readonly space: 'global' | 'constant' | 'local' | 'private';
  /** It is an image or a pipe: CL_KERNEL_ARG_ACCESS_QUALIFIER is not NONE. */
  readonly accessed: boolean;
}

/** A parameter that can be given a value. */
export interface Parameter extends ParameterInfo {
  /**
   * `pointer` is set by clSetKernelArgSVMPointer; `number` and `struct` by their bytes; `local` by a number of bytes and
   * no value.
   */
  readonly form: 'pointer' | 'number' | 'struct' | 'local';
  /** Kinds that are names; none for a structure. */
  readonly kinds: readonly (ArgumentKind | 'local')[];
  /** Bytes of the argument; 0 for local memory. */
  readonly size: number;
  /** Of a structure, by name: where the program has its fields; none where that is not known. */
  readonly fields?: StructPlaces['fields'];
}

const NAMED_KINDS = ['pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64', 'local'] as const;
const EXPECTED = `one of ${NAMED_KINDS.map((each) => `'${each}'`).join(', ')}, or a struct of mirrorspace/layout`;

/** Whole numbers differ by width: the sign is in the eye of the kernel. An address fits into 64 bits. */
const SCALARS: Readonly<Record<string, readonly ArgumentKind[]>> = {
  int: ['i32', 'u32'],
  uint: ['u32', 'i32'],
  'unsigned int': ['u32', 'i32'],
  long: ['i64', 'u64', 'pointer'],
  ulong: ['u64', 'i64', 'pointer'],
  'unsigned long': ['u64', 'i64', 'pointer'],
  float: ['f32'],
  double: ['f64'],
};

/** Types that are OpenCL C's own and no numbers that launches take. */
const SMALL = /^(bool|half|((un)?signed )?(char|short)|u(char|short)|size_t|ptrdiff_t|u?intptr_t)$/;
const VECTOR = /^(u?(char|short|int|long)|half|float|double)(2|3|4|8|16)$/;
const OPAQUE = /^(image[123]d\w*_t|sampler_t|queue_t|clk_event_t|event_t|reserve_id_t|ndrange_t)$/;

/** Whether a parameter is a structure by value, whose size argument info does not tell. */
export function isStructure({ type, space, accessed }: ParameterInfo): boolean {
  const own = Object.hasOwn(SCALARS, type) || SMALL.test(type) || VECTOR.test(type) || OPAQUE.test(type);
  return space === 'private' && !accessed && !own && /^((struct|union) )?[A-Za-z_]\w*$/.test(type);
}

/**
 * The parameter, where this device can give it a value; throws UnsupportedError where not. `structs` has the
 * structures that the program's kernels take.
 */
export function parameterOf(
  kernel: string,
  info: ParameterInfo,
  structs: ReadonlyMap<string, StructPlaces> = new Map(),
): Parameter {
  const { type, space, accessed } = info;
  if (accessed || OPAQUE.test(type))
    throw refused(kernel, info, 'an image, a sampler or another object of the driver, which has no address');
  if (space === 'local') return { ...info, form: 'local', kinds: ['local'], size: 0 };
  if (space !== 'private') return { ...info, form: 'pointer', kinds: ['pointer'], size: 8 };
  const kinds = Object.hasOwn(SCALARS, type) ? SCALARS[type] : undefined;
  if (kinds) return { ...info, form: 'number', kinds, size: /32/.test(kinds[0]!) ? 4 : 8 };
  const places = isStructure(info) ? structs.get(type) : undefined;
  if (places) return { ...info, form: 'struct', kinds: [], ...places };
  throw refused(
    kernel,
    info,
    isStructure(info)
      ? 'a structure whose size could not be found out: pass a pointer to one in a buffer'
      : 'not a number of 32 or 64 bits: put it into a structure, or pass a pointer to it in a buffer',
  );
}

function refused(kernel: string, { type, name }: ParameterInfo, what: string): UnsupportedError {
  return new UnsupportedError(
    'such a kernel argument',
    `Kernel '${kernel}' takes ${type} ${name}, which is ${what}. Arguments are pointers to __global, __constant or __local memory, int, uint, long, ulong, float or double, and structures by value`,
  );
}

/** Throws TypeError or RangeError where `kinds` are not what the kernel takes. */
export function matchKinds(
  kernel: string,
  kinds: unknown,
  parameters: readonly Parameter[],
): asserts kinds is readonly OpenClArgumentKind[] {
  if (!Array.isArray(kinds)) throw invalidType('kinds', "an array of kinds such as 'pointer'", kinds);
  const taken = parameters.map(({ type, name }) => `${type} ${name}`).join(', ');
  if (kinds.length !== parameters.length)
    throw outOfRange(
      'kinds',
      `${parameters.length} kinds, as kernel '${kernel}' takes (${taken})`,
      kinds.length,
    );
  for (const [i, kind] of kinds.entries()) matchKind(kernel, `kinds[${i}]`, kind, parameters[i]!);
}

function matchKind(kernel: string, at: string, kind: unknown, parameter: Parameter): void {
  const { form, type, name, kinds: fit } = parameter;
  const as = `as kernel '${kernel}' has ${type} ${name}`;
  if (typeof kind === 'string') {
    if (!NAMED_KINDS.includes(kind as never)) throw outOfRange(at, EXPECTED, kind);
    if (fit.includes(kind as ArgumentKind)) return;
  } else if (!isStruct(kind)) throw invalidType(at, EXPECTED, kind);
  else if (form === 'struct') {
    matchStruct(kernel, at, kind, parameter);
    return;
  }
  const expected =
    form === 'struct'
      ? `the struct '${structName(type)}' of mirrorspace/layout`
      : fit.map((each) => `'${each}'`).join(' or ');
  throw invalidType(at, `${expected}, ${as}`, kind);
}

/** By name, by size, and by the places of the fields where the program's are known. */
function matchStruct(kernel: string, at: string, kind: LayoutStruct, parameter: Parameter): void {
  const { type, name, size, fields = {} } = parameter;
  const as = `kernel '${kernel}' has ${type} ${name}`;
  if (kind.name !== structName(type) || (type.includes(' ') && !type.startsWith(`${kind.kind} `)))
    throw outOfRange(at, `a struct '${structName(type)}', since ${as}`, `${kind.kind} ${kind.name}`);
  const bytes = sizeof(kind);
  if (bytes !== size)
    throw outOfRange(
      at,
      `of ${size} bytes, since ${as}: declare it in the program as toOpenCL(${describeType(kind)}) does`,
      bytes,
    );
  if (Object.keys(fields).length === 0) return;
  for (const { name: field, offset, type: own } of layoutOf(kind).fields) {
    // Of bit-fields OpenCL C has none: the program names their bytes as it likes.
    if (own.kind === 'bits') continue;
    const place = Object.hasOwn(fields, field) ? fields[field] : undefined;
    // A `float3` has the place of three floats, and is longer than they are.
    const width = own.kind === 'scalar' || own.kind === 'pointer' ? sizeof(own) : undefined;
    if (place?.offset === offset && (width === undefined || width === place.size)) continue;
    const has = place
      ? `it at byte ${place.offset}, of ${place.size} bytes`
      : `${Object.keys(fields).join(', ')}`;
    throw outOfRange(
      at,
      `a struct with '${field}' where the program has it, since ${as}, which has ${has}: declare it as toOpenCL(${describeType(kind)}) does`,
      `${field} at byte ${offset}, of ${sizeof(own)} bytes`,
    );
  }
}

export function isStruct(kind: unknown): kind is LayoutStruct {
  return isType(kind) && (kind.kind === 'struct' || kind.kind === 'union');
}

/** `Node` of `struct Node`. */
function structName(type: string): string {
  return type.replace(/^(struct|union) /, '');
}
