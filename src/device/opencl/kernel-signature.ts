/**
 * What an OpenCL C kernel takes, from the driver's own argument info, and whether the kinds that a caller names fit. Pure.
 *
 * @module
 */
import { invalidType, outOfRange, UnsupportedError } from '../../errors.ts';
import type { ArgumentKind } from '../device.ts';

/** A parameter as clGetKernelArgInfo describes it. */
export interface ParameterInfo {
  readonly name: string;
  /** `uint`, `float*`. */
  readonly type: string;
  readonly space: 'global' | 'constant' | 'local' | 'private';
}

/** A parameter that can be given a value of one of `kinds`. */
export interface Parameter extends ParameterInfo {
  readonly kinds: readonly ArgumentKind[];
  /** It is a pointer to memory, set by clSetKernelArgSVMPointer; else a number of `size` bytes. */
  readonly pointer: boolean;
  readonly size: number;
}

const ARGUMENT_KINDS: readonly ArgumentKind[] = ['pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64'];

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

/** The parameter, where this device can give it a value; throws UnsupportedError where not. */
export function parameterOf(kernel: string, info: ParameterInfo): Parameter {
  if (info.space === 'global' || info.space === 'constant')
    return { ...info, kinds: ['pointer'], pointer: true, size: 8 };
  const kinds =
    info.space === 'private' && Object.hasOwn(SCALARS, info.type) ? SCALARS[info.type] : undefined;
  if (kinds) return { ...info, kinds, pointer: false, size: /32/.test(kinds[0]!) ? 4 : 8 };
  throw new UnsupportedError(
    'such a kernel argument',
    `Kernel '${kernel}' takes ${info.space === 'local' ? '__local ' : ''}${info.type} ${info.name}: arguments are pointers to __global or __constant memory and int, uint, long, ulong, float or double. Pass a pointer to a structure in a buffer; declare __local memory inside of the kernel`,
  );
}

/** Throws TypeError or RangeError where `kinds` are not what the kernel takes. */
export function matchKinds(
  kernel: string,
  kinds: unknown,
  parameters: readonly Parameter[],
): asserts kinds is readonly ArgumentKind[] {
  if (!Array.isArray(kinds)) throw invalidType('kinds', "an array of kinds such as 'pointer'", kinds);
  const taken = parameters.map(({ type, name }) => `${type} ${name}`).join(', ');
  if (kinds.length !== parameters.length)
    throw outOfRange(
      'kinds',
      `${parameters.length} kinds, as kernel '${kernel}' takes (${taken})`,
      kinds.length,
    );
  for (const [i, kind] of kinds.entries()) {
    const all = ARGUMENT_KINDS.map((each) => `'${each}'`).join(', ');
    if (typeof kind !== 'string') throw invalidType(`kinds[${i}]`, `one of ${all}`, kind);
    if (!ARGUMENT_KINDS.includes(kind as ArgumentKind))
      throw outOfRange(`kinds[${i}]`, `one of ${all}`, kind);
    const { type, name, kinds: fit } = parameters[i]!;
    if (!fit.includes(kind as ArgumentKind)) {
      const expected = fit.map((each) => `'${each}'`).join(' or ');
      throw invalidType(`kinds[${i}]`, `${expected}, as kernel '${kernel}' has ${type} ${name}`, kind);
    }
  }
}
