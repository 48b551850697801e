/**
 * A loaded program as its owner sees it: kernels by name, checked against the module's own signatures; and where a
 * program's bytes come from.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import type { LoadedKernel } from '../../engine/ring-queue.ts';
import { invalidType, outOfRange, ProgramError } from '../../errors.ts';
import type { ArgumentKind, Kernel, Program } from '../device.ts';
import { programBytes } from '../program-bytes.ts';
import { type KernelExport, matchSignature } from './binary/index.ts';

export class WasmProgram implements Program {
  readonly kernels: readonly string[];
  readonly #owner: object;
  readonly #exports: ReadonlyMap<string, KernelExport>;
  readonly #ids: ReadonlyMap<string, number>;

  constructor(owner: object, kernels: readonly KernelExport[], ids: ReadonlyMap<string, number>) {
    this.#owner = owner;
    this.kernels = kernels.map(({ name }) => name);
    this.#exports = new Map(kernels.map((kernel) => [kernel.name, kernel]));
    this.#ids = ids;
  }

  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds> {
    if (typeof name !== 'string') throw invalidType('name', 'a string', name);
    const found = this.#exports.get(name);
    if (!found) {
      throw new ProgramError(
        'unknown-kernel',
        `the program has no kernel '${name}'; it has ${this.kernels.join(', ')}`,
      );
    }
    matchSignature(name, kinds, found.params);
    const kernel: LoadedKernel = { name, kinds: [...kinds], id: this.#ids.get(name)!, owner: this.#owner };
    return Object.freeze(kernel) as unknown as Kernel<Kinds>;
  }
}

/** The bytes of a program, copied; a file URL is read. */
export async function readSource(source: URL | Uint8Array | ArrayBuffer): Promise<Uint8Array> {
  const bytes = programBytes(source);
  if (bytes) return bytes;
  if (!(source instanceof URL))
    throw invalidType('program', 'a file URL, a Uint8Array or an ArrayBuffer', source);
  if (source.protocol !== 'file:') throw outOfRange('program', 'a file: URL', source.href);
  try {
    return Uint8Array.from(await readFile(source));
  } catch (cause) {
    throw new ProgramError('not-found', `the program ${source.href} could not be read: ${String(cause)}`, {
      cause,
    });
  }
}
