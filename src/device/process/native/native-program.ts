/**
 * A loaded library as its owner sees it: its functions are kernels, whose kinds are those of their declarations.
 *
 * @module
 */
import type { LoadedKernel } from '../../../engine/ring-queue.ts';
import { invalidType, outOfRange, ProgramError } from '../../../errors.ts';
import type { ArgumentKind, Kernel, Program } from '../../device.ts';
import {
  launchKinds,
  type NativeDeclaration,
  type NativeFunctions,
  type NativeKinds,
} from './declaration.ts';

export class NativeProgram<Functions extends NativeFunctions = NativeFunctions> implements Program {
  readonly kernels: readonly string[];
  readonly #owner: object;
  readonly #kinds: readonly (readonly ArgumentKind[])[];
  readonly #first: number;

  /** @internal `device.load({ library, functions })` makes one. */
  constructor(owner: object, { functions }: NativeDeclaration, first: number) {
    this.#owner = owner;
    this.#first = first;
    this.#kinds = functions.map(launchKinds);
    this.kernels = functions.map(({ name }) => name);
  }

  /**
   * A function as a kernel. Its kinds are known; those given must be the same. Throws ProgramError where it was not
   * declared, TypeError or RangeError for other kinds.
   */
  kernel<Name extends keyof Functions & string>(name: Name): Kernel<NativeKinds<Functions[Name]>>;
  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds>;
  kernel(name: string, kinds?: readonly ArgumentKind[]): Kernel<never> {
    if (typeof name !== 'string') throw invalidType('name', 'a string', name);
    const index = this.kernels.indexOf(name);
    if (index === -1) {
      throw new ProgramError(
        'unknown-kernel',
        `function '${name}' was not declared to the device; those that were: ${this.kernels.join(', ')}`,
      );
    }
    const declared = this.#kinds[index]!;
    if (kinds !== undefined) {
      if (!Array.isArray(kinds)) throw invalidType('kinds', "an array of kinds such as 'pointer'", kinds);
      if (kinds.join() !== declared.join())
        throw outOfRange(
          'kinds',
          `[${declared.join(', ')}], as '${name}' was declared`,
          `[${kinds.join(', ')}]`,
        );
    }
    const kernel: LoadedKernel = {
      name,
      kinds: [...declared],
      id: this.#first + index,
      owner: this.#owner,
    };
    return Object.freeze(kernel) as unknown as Kernel<never>;
  }
}
