/**
 * From OpenCL C to a program, with what its kernels take: compiled, or taken from the cache of binaries, which has both.
 *
 * @module
 */
import { ProgramError } from '../../errors.ts';
import type { BinaryCache } from './binary-cache.ts';
import type { DriverContext } from './driver-context.ts';
import * as CL from './icd/constants.ts';
import { infoNumber, infoNumbers, infoText } from './icd/info.ts';
import type { Handle } from './icd/loader.ts';
import { isStructure, type ParameterInfo } from './kernel-signature.ts';
import { fieldNames } from './struct-fields.ts';
import { placesFrom, placesSource, type StructPlaces } from './struct-places.ts';

/** What the driver says of a program that was built from source. */
export interface ProgramInfo {
  readonly kernels: readonly { readonly name: string; readonly parameters: readonly ParameterInfo[] }[];
  /** Of the structures that kernels take by value, by the name of the type. */
  readonly structs: Readonly<Record<string, StructPlaces>>;
}

export interface BuiltProgram extends ProgramInfo {
  readonly handle: Handle;
  /** Nothing was compiled. */
  readonly fromCache: boolean;
}

const SPACES: Readonly<Record<number, ParameterInfo['space']>> = {
  [CL.CL_KERNEL_ARG_ADDRESS_GLOBAL]: 'global',
  [CL.CL_KERNEL_ARG_ADDRESS_CONSTANT]: 'constant',
  [CL.CL_KERNEL_ARG_ADDRESS_LOCAL]: 'local',
  [CL.CL_KERNEL_ARG_ADDRESS_PRIVATE]: 'private',
};

/** Throws ProgramError with the build log, or OpenClError. */
export async function buildProgram(
  context: DriverContext,
  cache: BinaryCache | undefined,
  source: string,
  options: string,
): Promise<BuiltProgram> {
  // A driver finds no fault with a program of blanks, and refuses one of nothing by a number.
  if (source.trim() === '') throw noKernels();
  const key = cache?.keyOf(context.info, source, options);
  const entry = key === undefined ? undefined : await cache!.read(key);
  if (entry) {
    const handle = await context.buildBinary(entry.binary, options);
    if (handle !== undefined) return { ...entry.info, handle, fromCache: true };
  }
  const handle = await context.build(source, options);
  const kernels = describeKernels(context, handle);
  const structs = await structPlaces(context, source, options, kernels);
  // A program that can't be kept is none the worse.
  const binary = key === undefined ? undefined : await context.binaryOf(handle).catch(() => undefined);
  if (binary) await cache!.write(key!, { info: { kernels, structs }, binary });
  return { handle, kernels, structs, fromCache: false };
}

/** The program was built with -cl-kernel-arg-info. */
function describeKernels(context: DriverContext, program: Handle): ProgramInfo['kernels'] {
  const names = context.kernelNames(program);
  if (names.length === 0) throw noKernels();
  return names.map((name) => ({ name, parameters: describeKernel(context, program, name) }));
}

function noKernels(): ProgramError {
  return new ProgramError('no-kernels', 'the OpenCL C program has no function that is declared `kernel`');
}

function describeKernel(context: DriverContext, program: Handle, name: string): ParameterInfo[] {
  const { cl } = context;
  const handle = context.kernel(program, name);
  const count = infoNumber('clGetKernelInfo', (...ask) =>
    cl.clGetKernelInfo(handle, CL.CL_KERNEL_NUM_ARGS, ...ask),
  );
  return Array.from({ length: count }, (_, i) => {
    const ask = (what: number) =>
      [
        'clGetKernelArgInfo',
        (size: number, value: NodeJS.ArrayBufferView | null, needed: NodeJS.ArrayBufferView | null) =>
          cl.clGetKernelArgInfo(handle, i, what, size, value, needed),
      ] as const;
    return {
      name: infoText(...ask(CL.CL_KERNEL_ARG_NAME)),
      type: infoText(...ask(CL.CL_KERNEL_ARG_TYPE_NAME)),
      space: SPACES[infoNumber(...ask(CL.CL_KERNEL_ARG_ADDRESS_QUALIFIER))] ?? 'private',
      accessed: infoNumber(...ask(CL.CL_KERNEL_ARG_ACCESS_QUALIFIER)) !== CL.CL_KERNEL_ARG_ACCESS_NONE,
    };
  });
}

function requiredGroup(context: DriverContext, program: Handle, name: string): readonly number[] {
  const { cl, device } = context;
  const kernel = context.kernel(program, name);
  return infoNumbers('clGetKernelWorkGroupInfo', (...ask) =>
    cl.clGetKernelWorkGroupInfo(kernel, device, CL.CL_KERNEL_COMPILE_WORK_GROUP_SIZE, ...ask),
  );
}

/** None where the program does not compile with what asks for them: then such kernels can't be had. */
async function structPlaces(
  context: DriverContext,
  source: string,
  options: string,
  kernels: ProgramInfo['kernels'],
): Promise<Record<string, StructPlaces>> {
  const types = kernels.flatMap(({ parameters }) => parameters.filter(isStructure).map(({ type }) => type));
  const asked = [...new Set(types)];
  if (asked.length === 0) return {};
  const named = asked.map((type) => ({ type, fields: fieldNames(source, type) ?? [] }));
  const sizes = asked.map((type) => ({ type, fields: [] }));
  // Names that were read wrongly do not compile: the sizes are what is left.
  for (const structs of named.some(({ fields }) => fields.length > 0) ? [named, sizes] : [sizes]) {
    const program = await context.build(placesSource(source, structs), options).catch(() => undefined);
    if (program !== undefined)
      return placesFrom(structs, (kernel) => requiredGroup(context, program, kernel));
  }
  return {};
}
