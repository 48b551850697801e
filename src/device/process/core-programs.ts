/**
 * The programs of one core of a process device: modules that it has imported, their kernels by number; and the kernels
 * that every device has, copy and fill.
 *
 * @module
 */
import type { CoreKernel } from '../../engine/core-loop.ts';
import type { LoadFailure } from '../../engine/thread-messages.ts';
import { transferKernels } from '../../engine/transfer-kernels.ts';
import type { CoreModule, ModuleExports } from './child-messages.ts';
import type { MirroredMemory } from './kernel/mirrored-memory.ts';
import { viewIn } from './kernel/views.ts';
import { type Bracket, openKernels } from './native/core-library.ts';
import type { NativeDeclaration } from './native/declaration.ts';

export class CorePrograms {
  readonly #kernels: (CoreKernel | undefined)[];
  readonly #memory: MirroredMemory;
  readonly #bracket: Bracket;

  constructor(memory: MirroredMemory, bracket: Bracket) {
    this.#memory = memory;
    this.#bracket = bracket;
    this.#kernels = transferKernels((address, length) => viewIn(memory, Uint8Array, address, length));
  }

  kernel(id: number): CoreKernel | undefined {
    return this.#kernels[id];
  }

  /** Imports a module, or opens a library; gives what it has, or why it could not be taken in. Never rejects. */
  async take({ url, first, expected, native }: CoreModule): Promise<ModuleExports | LoadFailure> {
    if (native) return this.#open(native, first);
    let module: Record<string, unknown>;
    try {
      module = await settled(import(url), url);
    } catch (error) {
      return importFailure(error);
    }
    const exports = exportsOf(module);
    const names = exports.kernels.map(({ name }) => name);
    if (names.length === 0) {
      const others = exports.others.map(({ name, what }) => `'${name}' is ${what}`).join(', ');
      return {
        reason: 'no-kernels',
        message: `${url} exports no kernel, a function of (begin, end, ...args)${others ? `; ${others}` : ''}`,
      };
    }
    if (expected && names.join() !== expected.join()) {
      return {
        reason: 'changed',
        message: `${url} has changed: it exported ${expected.join(', ')}, and now ${names.join(', ')}`,
      };
    }
    for (const [i, name] of names.entries()) this.#kernels[first + i] = module[name] as CoreKernel;
    return exports;
  }

  #open(native: NativeDeclaration, first: number): ModuleExports | LoadFailure {
    const kernels = openKernels(native, this.#memory, this.#bracket);
    if (!Array.isArray(kernels)) return kernels;
    for (const [i, kernel] of kernels.entries()) this.#kernels[first + i] = kernel;
    return {
      kernels: native.functions.map(({ name, parameters }) => ({ name, length: parameters.length })),
      others: [],
    };
  }
}

export function isFailure(answer: ModuleExports | LoadFailure): answer is LoadFailure {
  return 'message' in answer;
}

/** The import, or a rejection where it never settles: nothing is left in the event loop that could settle it. */
function settled<T>(loading: Promise<T>, url: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const stuck = (): void => reject(new Error(`a top-level await of ${url} never settles`));
    process.once('beforeExit', stuck);
    loading.then(resolve, reject).finally(() => process.off('beforeExit', stuck));
  });
}

function importFailure(error: unknown): LoadFailure {
  if (!(error instanceof Error)) return { message: `it threw ${String(error)}` };
  // Node puts file and line in front of a syntax error's stack.
  const where = /^(?:file|data):\S*:\d+$/m.exec(error.stack ?? '')?.[0];
  const message = `${error.name}: ${error.message}${where && where.length < 300 ? ` (${where})` : ''}`;
  if (/^Unknown file extension "\.[cm]?tsx?"/.test(error.message)) {
    return {
      reason: 'compile',
      message: `this version of Node runs no TypeScript: compile it to JavaScript first, or use Node 22.18 or newer (${message})`,
    };
  }
  return { message, ...(error instanceof SyntaxError ? { reason: 'compile' } : {}) };
}

/** A namespace lists its names in the order of their code units, so all cores number kernels alike. */
function exportsOf(module: Record<string, unknown>): ModuleExports {
  const kernels: { name: string; length: number }[] = [];
  const others: { name: string; what: string }[] = [];
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'function') continue;
    const what = noKernel(value);
    if (what === undefined) kernels.push({ name, length: value.length });
    else others.push({ name, what });
  }
  return { kernels, others };
}

/** What a function is that can't be a kernel; undefined where it can. */
function noKernel(value: object): string | undefined {
  const source = Function.prototype.toString.call(value);
  if (/^class\b/.test(source)) return 'a class';
  const kind = Object.prototype.toString.call(value);
  if (kind === '[object AsyncFunction]')
    return 'an async function, and a kernel has to be done when it returns';
  return kind === '[object Function]' ? undefined : 'a generator';
}
