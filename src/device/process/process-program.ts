/**
 * A loaded module as its owner sees it: kernels by name; and what may be given to `load`.
 *
 * @module
 */
import { access, constants } from 'node:fs/promises';
import { ARGUMENT_KINDS } from '../../engine/kernel-arguments.ts';
import type { LoadedKernel } from '../../engine/ring-queue.ts';
import { invalidType, outOfRange, ProgramError } from '../../errors.ts';
import type { ArgumentKind, Kernel, Program } from '../device.ts';
import { programBytes } from '../program-bytes.ts';
import type { ModuleExports } from './host-messages.ts';

export class ProcessProgram implements Program {
  readonly kernels: readonly string[];
  readonly #owner: object;
  readonly #exports: ModuleExports;
  readonly #first: number;

  constructor(owner: object, exports: ModuleExports, first: number) {
    this.#owner = owner;
    this.#exports = exports;
    this.#first = first;
    this.kernels = exports.kernels.map(({ name }) => name);
  }

  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds> {
    if (typeof name !== 'string') throw invalidType('name', 'a string', name);
    const { kernels, others } = this.#exports;
    const index = this.kernels.indexOf(name);
    if (index === -1) {
      const other = others.find((each) => each.name === name);
      throw new ProgramError(
        'unknown-kernel',
        other
          ? `'${name}' is no kernel: it is ${other.what}`
          : `the program has no kernel '${name}'; it has ${this.kernels.join(', ')}`,
      );
    }
    checkKinds(name, kinds, kernels[index]!.length - 2);
    const kernel: LoadedKernel = { name, kinds: [...kinds], id: this.#first + index, owner: this.#owner };
    return Object.freeze(kernel) as unknown as Kernel<Kinds>;
  }
}

/** `least`: parameters that the function declares after begin and end; those with defaults are not counted. */
function checkKinds(kernel: string, kinds: unknown, least: number): void {
  if (!Array.isArray(kinds)) throw invalidType('kinds', "an array of kinds such as 'pointer'", kinds);
  for (const [i, kind] of kinds.entries()) {
    const expected = ARGUMENT_KINDS.map((each) => `'${each}'`).join(', ');
    if (typeof kind !== 'string') throw invalidType(`kinds[${i}]`, `one of ${expected}`, kind);
    if (!ARGUMENT_KINDS.includes(kind as ArgumentKind))
      throw outOfRange(`kinds[${i}]`, `one of ${expected}`, kind);
  }
  if (kinds.length < least) {
    throw outOfRange(
      'kinds',
      `${least} kinds, as kernel '${kernel}' has that many parameters after begin and end`,
      kinds.length,
    );
  }
}

/**
 * Where the cores import a program from: a file: or data: URL, or source text as bytes. Throws TypeError, RangeError, or
 * ProgramError where there is no such file.
 */
export async function sourceUrl(source: URL | Uint8Array | ArrayBuffer): Promise<string> {
  const bytes = programBytes(source);
  if (bytes) return `data:text/javascript;base64,${Buffer.from(bytes.buffer).toString('base64')}`;
  if (!(source instanceof URL))
    throw invalidType(
      'program',
      'a file URL, a Uint8Array, an ArrayBuffer, or { library, functions }',
      source,
    );
  if (source.protocol === 'data:') return source.href;
  if (source.protocol !== 'file:') throw outOfRange('program', 'a file: or data: URL', source.href);
  try {
    await access(source, constants.R_OK);
  } catch (cause) {
    throw new ProgramError('not-found', `the program ${source.href} could not be read: ${String(cause)}`, {
      cause,
    });
  }
  return source.href;
}
