/**
 * A built program as its owner sees it: kernels by name, checked against what the driver says of their arguments; and
 * where a program's source comes from.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import type { LoadedKernel } from '../../engine/ring-queue.ts';
import { invalidType, outOfRange, ProgramError } from '../../errors.ts';
import type { Program } from '../device.ts';
import { programBytes } from '../program-bytes.ts';
import type { OpenClArgumentKind, OpenClKernel } from './argument-kinds.ts';
import type { DriverContext } from './driver-context.ts';
import * as CL from './icd/constants.ts';
import { infoNumber } from './icd/info.ts';
import type { Handle } from './icd/loader.ts';
import { matchKinds, type Parameter, parameterOf } from './kernel-signature.ts';
import type { BuiltProgram } from './program-build.ts';

/** A kernel of the driver, with what it takes. */
export interface DriverKernel {
  readonly handle: Handle;
  readonly parameters: readonly Parameter[];
  /** The most work-items of a group of it. */
  readonly maxGroup: number;
  /** Bytes of local memory that its own variables take. */
  readonly localMemory: number;
  /** What each argument was set to last, where it is a number: it stays set. */
  readonly last: (number | bigint | undefined)[];
}

/** What queues launch. */
export interface LaunchableKernel extends Omit<LoadedKernel, 'kinds'> {
  readonly kinds: readonly OpenClArgumentKind[];
  readonly driver: DriverKernel;
}

export class OpenClProgram implements Program {
  readonly kernels: readonly string[];
  /** It was taken from the cache of binaries: nothing was compiled. */
  readonly fromCache: boolean;
  readonly #owner: object;
  readonly #context: DriverContext;
  readonly #built: BuiltProgram;
  readonly #known = new Map<string, DriverKernel>();

  /** @internal Use {@link OpenClDevice.load}. */
  constructor(owner: object, context: DriverContext, built: BuiltProgram) {
    this.#owner = owner;
    this.#context = context;
    this.#built = built;
    this.fromCache = built.fromCache;
    this.kernels = built.kernels.map(({ name }) => name);
  }

  /**
   * Besides the kinds of all devices: `'local'` for pointers to `local` memory, a struct or union of `mirrorspace/layout`
   * for one by value, of the name and the size that it has in the program. Throws ProgramError where there is no such
   * kernel, TypeError or RangeError where `kinds` are not what the driver says that it takes, UnsupportedError where it
   * takes what can't be given (images, samplers, vectors, small numbers).
   */
  kernel<const Kinds extends readonly OpenClArgumentKind[]>(name: string, kinds: Kinds): OpenClKernel<Kinds> {
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
      const { kernels, structs: places, handle } = this.#built;
      const structs = new Map(Object.entries(places));
      const parameters = kernels[id]!.parameters.map((info) => parameterOf(name, info, structs));
      driver = makeKernel(this.#context, handle, name, parameters);
      this.#known.set(name, driver);
    }
    matchKinds(name, kinds, driver.parameters);
    const kernel: LaunchableKernel = { name, kinds: [...kinds], id, owner: this.#owner, driver };
    return Object.freeze(kernel) as unknown as OpenClKernel<Kinds>;
  }
}

function makeKernel(
  context: DriverContext,
  program: Handle,
  name: string,
  parameters: readonly Parameter[],
): DriverKernel {
  const { cl, device } = context;
  const handle = context.kernel(program, name);
  const number = (what: number) =>
    infoNumber('clGetKernelWorkGroupInfo', (...ask) =>
      cl.clGetKernelWorkGroupInfo(handle, device, what, ...ask),
    );
  const maxGroup = number(CL.CL_KERNEL_WORK_GROUP_SIZE);
  // Before any argument is set: PoCL counts local arguments in.
  const localMemory = number(CL.CL_KERNEL_LOCAL_MEM_SIZE);
  return { handle, parameters, maxGroup, localMemory, last: [] };
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
