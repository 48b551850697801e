/**
 * Which exports are kernels, and whether a program declared one as it is. A kernel is an exported function
 * `name(begin, end, ...args)` over the items [begin, end). WebAssembly has no pointers and no signs, so the
 * declaration says more than the module does (`'pointer'`, `'u32'` and `'i32'` are all `i32` there); what the
 * two must agree on is how many parameters there are and how wide each is.
 *
 * @module
 */

import { invalidType, outOfRange } from '../../../errors.ts';
import type { ModuleInfo } from './inspect.ts';
import { formatSignature, type ValueType } from './types.ts';

const valueTypeOfKind = {
  pointer: 'i32',
  u32: 'i32',
  i32: 'i32',
  u64: 'i64',
  i64: 'i64',
  f32: 'f32',
  f64: 'f64',
} as const satisfies Record<string, ValueType>;

/** What a program may declare a kernel's parameter to be. */
export type ParameterKind = keyof typeof valueTypeOfKind;

export const parameterKinds: readonly ParameterKind[] = Object.keys(valueTypeOfKind) as ParameterKind[];

export interface KernelExport {
  readonly name: string;
  /** The parameters after `begin` and `end`. */
  readonly params: readonly ValueType[];
}

/**
 * The exported functions that take items. Names that begin with two underscores belong to compilers' run-time
 * systems (`__new`, `__wasm_init_tls`), which have functions of two integers too.
 */
export function kernelsOf(info: Pick<ModuleInfo, 'exports'>): KernelExport[] {
  const kernels: KernelExport[] = [];
  for (const entry of info.exports) {
    if (entry.kind !== 'function' || entry.name.startsWith('__')) continue;
    const [begin, end, ...params] = entry.signature.params;
    if (begin === 'i32' && end === 'i32') kernels.push({ name: entry.name, params });
  }
  return kernels;
}

/** How a parameter of a declared kind travels into the module. */
export function valueTypeOf(kind: ParameterKind): ValueType {
  return valueTypeOfKind[kind];
}

/** The declarations that fit a parameter of this type; none fit vectors and references. */
export function kindsFor(type: ValueType): ParameterKind[] {
  return parameterKinds.filter((kind) => valueTypeOfKind[kind] === type);
}

/**
 * Throws unless `declaredKinds` fits the kernel's own `params` (as {@link kernelsOf} gives them): a RangeError
 * for a wrong count or a kind that does not exist, a TypeError for a kind of the wrong type.
 */
export function matchSignature(
  kernelName: string,
  declaredKinds: readonly ParameterKind[],
  params: readonly ValueType[],
): void {
  if (!Array.isArray(declaredKinds)) {
    throw invalidType(
      `parameters of kernel '${kernelName}'`,
      'an array of kinds such as "pointer"',
      declaredKinds,
    );
  }
  const whole = `${kernelName}${formatSignature({ params: ['i32', 'i32', ...params], results: [] })}`;
  if (declaredKinds.length !== params.length) {
    throw outOfRange(
      `number of parameters of kernel '${kernelName}'`,
      `${params.length}: after begin and end the module has (${params.join(', ')}) and the program declares ` +
        `(${declaredKinds.join(', ')})`,
      declaredKinds.length,
    );
  }
  params.forEach((type, position) => {
    const kind: unknown = declaredKinds[position];
    const name = `parameter ${position} of kernel '${kernelName}'`;
    if (typeof kind !== 'string') throw invalidType(name, listed(parameterKinds), kind);
    if (!Object.hasOwn(valueTypeOfKind, kind)) throw outOfRange(name, listed(parameterKinds), kind);
    if (valueTypeOfKind[kind as ParameterKind] === type) return;
    const fitting = kindsFor(type);
    throw invalidType(
      name,
      fitting.length === 0
        ? `a number or an address in the module too, where it is ${type}, which cannot be passed (${whole})`
        : `declared as ${listed(fitting)}: the module has ${type} there (${whole}), and '${kind}' is ` +
            valueTypeOfKind[kind as ParameterKind],
      kind,
    );
  });
}

function listed(kinds: readonly ParameterKind[]): string {
  const quotedKinds = kinds.map((kind) => `'${kind}'`);
  const last = quotedKinds.pop();
  return quotedKinds.length === 0 ? `${last}` : `${quotedKinds.join(', ')} or ${last}`;
}
