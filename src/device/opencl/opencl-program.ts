/**
 * A built program as its owner sees it: kernels by name, checked against what the driver says of their arguments; and
 * where a program's source comes from.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import type { LoadedKernel } from '../../engine/ring-queue.ts';
import { invalidType, outOfRange, ProgramError } from '../../errors.ts';
import type { ArgumentKind, Kernel, Program } from '../device.ts';
import { programBytes } from '../program-bytes.ts';
import type { DriverContext } from './driver-context.ts';
import * as CL from './icd/constants.ts';
import { infoNumber, infoText } from './icd/info.ts';
import type { Handle } from './icd/loader.ts';
import { matchKinds, type Parameter, type ParameterInfo, parameterOf } from './kernel-signature.ts';

/** A kernel of the driver, with what it takes. */
export interface DriverKernel {
  readonly handle: Handle;
  readonly parameters: readonly Parameter[];
  /** The most work-items of a group of it. */
  readonly maxGroup: number;
  /** What each argument was set to last: it stays set. */
  readonly last: (number | bigint | undefined)[];
}

/** What queues launch. */
export interface OpenClKernel extends LoadedKernel {
  readonly driver: DriverKernel;
}

const SPACES: Readonly<Record<number, ParameterInfo['space']>> = {
  [CL.CL_KERNEL_ARG_ADDRESS_GLOBAL]: 'global',
  [CL.CL_KERNEL_ARG_ADDRESS_CONSTANT]: 'constant',
  [CL.CL_KERNEL_ARG_ADDRESS_LOCAL]: 'local',
  [CL.CL_KERNEL_ARG_ADDRESS_PRIVATE]: 'private',
};

export class OpenClProgram implements Program {
  readonly kernels: readonly string[];
  readonly #owner: object;
  readonly #context: DriverContext;
  readonly #program: Handle;
  readonly #known = new Map<string, DriverKernel>();

  /** @internal Use {@link OpenClDevice.load}. */
  constructor(owner: object, context: DriverContext, program: Handle) {
    this.#owner = owner;
    this.#context = context;
    this.#program = program;
    this.kernels = context.kernelNames(program);
    if (this.kernels.length === 0)
      throw new ProgramError('no-kernels', 'the OpenCL C program has no function that is declared `kernel`');
  }

  /**
   * Throws ProgramError where there is none of that name, TypeError or RangeError where `kinds` are not what the driver
   * says that it takes, UnsupportedError where it takes what can't be given (structures by value, vectors, __local).
   */
  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds> {
    if (typeof name !== 'string') throw invalidType('name', 'a string', name);
    const id = this.kernels.indexOf(name);
    if (id === -1) {
      throw new ProgramError(
        'unknown-kernel',
        `the program has no kernel '${name}'; it has ${this.kernels.join(', ')}`,
      );
    }
    let driver = this.#known.get(name);
    if (!driver) {
      driver = describeKernel(this.#context, this.#program, name);
      this.#known.set(name, driver);
    }
    matchKinds(name, kinds, driver.parameters);
    const kernel: OpenClKernel = { name, kinds: [...kinds], id, owner: this.#owner, driver };
    return Object.freeze(kernel) as unknown as Kernel<Kinds>;
  }
}

/** Makes the driver's kernel, and asks what it takes: the program was built with -cl-kernel-arg-info. */
export function describeKernel(context: DriverContext, program: Handle, name: string): DriverKernel {
  const { cl, device } = context;
  const handle = context.kernel(program, name);
  const count = infoNumber('clGetKernelInfo', (...ask) =>
    cl.clGetKernelInfo(handle, CL.CL_KERNEL_NUM_ARGS, ...ask),
  );
  const parameters: Parameter[] = [];
  for (let i = 0; i < count; i++) {
    const ask = (what: number) =>
      [
        'clGetKernelArgInfo',
        (size: number, value: NodeJS.ArrayBufferView | null, needed: NodeJS.ArrayBufferView | null) =>
          cl.clGetKernelArgInfo(handle, i, what, size, value, needed),
      ] as const;
    parameters.push(
      parameterOf(name, {
        name: infoText(...ask(CL.CL_KERNEL_ARG_NAME)),
        type: infoText(...ask(CL.CL_KERNEL_ARG_TYPE_NAME)),
        space: SPACES[infoNumber(...ask(CL.CL_KERNEL_ARG_ADDRESS_QUALIFIER))] ?? 'private',
      }),
    );
  }
  const maxGroup = infoNumber('clGetKernelWorkGroupInfo', (...ask) =>
    cl.clGetKernelWorkGroupInfo(handle, device, CL.CL_KERNEL_WORK_GROUP_SIZE, ...ask),
  );
  return { handle, parameters, maxGroup, last: [] };
}

/** OpenCL C: the text itself, its UTF-8 bytes, or a file. */
export async function readSource(source: string | URL | Uint8Array | ArrayBuffer): Promise<string> {
  if (typeof source === 'string') return source;
  const bytes = programBytes(source);
  if (bytes) return Buffer.from(bytes.buffer).toString('utf8');
  if (!(source instanceof URL))
    throw invalidType(
      'program',
      'OpenCL C as a string, a Uint8Array or an ArrayBuffer, or a file URL',
      source,
    );
  if (source.protocol !== 'file:') throw outOfRange('program', 'a file: URL', source.href);
  try {
    return await readFile(source, 'utf8');
  } catch (cause) {
    throw new ProgramError('not-found', `the program ${source.href} could not be read: ${String(cause)}`, {
      cause,
    });
  }
}
