/**
 * A program as its owner sees it: kernels by name, each with the number that the device's cores know it by.
 *
 * @module
 */
import type { ArgumentKind, Kernel, Program } from '../device/device.ts';
import { invalidType, outOfRange, ProgramError } from '../errors.ts';
import { ARGUMENT_KINDS } from './kernel-arguments.ts';
import type { LoadedKernel } from './ring-queue.ts';

export class LoadedProgram implements Program {
  readonly kernels: readonly string[];
  readonly #owner: object;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #check: (name: string, kinds: readonly ArgumentKind[]) => void;

  /**
   * `owner` is the {@link RingDevice} that the kernels are launched on. `check` throws where the program declares other
   * arguments than these kinds; by default they only have to be kinds.
   */
  constructor(
    owner: object,
    ids: ReadonlyMap<string, number>,
    check: (name: string, kinds: readonly ArgumentKind[]) => void = checkKinds,
  ) {
    this.#owner = owner;
    this.#ids = ids;
    this.#check = check;
    this.kernels = [...ids.keys()];
  }

  kernel<const Kinds extends readonly ArgumentKind[]>(name: string, kinds: Kinds): Kernel<Kinds> {
    if (typeof name !== 'string') throw invalidType('name', 'a string', name);
    const id = this.#ids.get(name);
    if (id === undefined) {
      throw new ProgramError(
        'unknown-kernel',
        `the program has no kernel '${name}'; it has ${this.kernels.join(', ')}`,
      );
    }
    this.#check(name, kinds);
    const kernel: LoadedKernel = { name, kinds: [...kinds], id, owner: this.#owner };
    return Object.freeze(kernel) as unknown as Kernel<Kinds>;
  }
}

function checkKinds(_name: string, kinds: unknown): void {
  if (!Array.isArray(kinds)) throw invalidType('kinds', "an array of kinds such as 'pointer'", kinds);
  for (const [i, kind] of kinds.entries())
    if (!ARGUMENT_KINDS.includes(kind))
      throw outOfRange(`kinds[${i}]`, `one of '${ARGUMENT_KINDS.join("', '")}'`, kind);
}
