/**
 * The programs of one core: each module instantiated over the shared memory, its stack pointer set to this core's
 * stack, its exported kernels by number; and the kernels that every device has, copy and fill.
 *
 * @module
 */

import { BUILTIN_KERNEL } from '../../engine/control-layout.ts';
import type { CoreKernel } from '../../engine/core-loop.ts';
import type { CoreModule } from './child-messages.ts';
import { coreRegions } from './regions.ts';

export class CorePrograms {
  readonly #memory: WebAssembly.Memory;
  readonly #core: number;
  readonly #kernels: (CoreKernel | undefined)[] = [];

  constructor(memory: WebAssembly.Memory, core: number) {
    this.#memory = memory;
    this.#core = core;
    const bytes = new Uint8Array(memory.buffer);
    this.#kernels[BUILTIN_KERNEL.COPY] = (begin, end, target, source) => {
      bytes.copyWithin(Number(target) + begin, Number(source) + begin, Number(source) + end);
    };
    this.#kernels[BUILTIN_KERNEL.FILL] = (begin, end, target, length, ...words) => {
      fill(
        bytes.subarray(Number(target) + begin, Number(target) + end),
        patternOf(Number(length), words as bigint[]),
      );
    };
  }

  kernel(id: number): CoreKernel | undefined {
    return this.#kernels[id];
  }

  /** Instantiates; throws what instantiation throws (a link error, or a trap of the start function). */
  take(program: CoreModule): void {
    const instance = new WebAssembly.Instance(program.module, this.#imports(program.module));
    const stackPointer = instance.exports.__stack_pointer;
    if (stackPointer instanceof WebAssembly.Global) stackPointer.value = coreRegions(this.#core).stack.end;
    for (const { id, name } of program.kernels) this.#kernels[id] = instance.exports[name] as CoreKernel;
  }

  #imports(module: WebAssembly.Module): WebAssembly.Imports {
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      imports[from] ??= {};
      const group = imports[from];
      if (kind === 'memory') group[name] = this.#memory;
      else if (from === 'env' && name === 'abort') group[name] = this.#abort;
      else if (from === 'env' && name === 'seed') group[name] = Math.random;
      else if (from === 'env' && name === 'trace') group[name] = () => {};
    }
    return imports;
  }

  /** AssemblyScript's abort: its strings are UTF-16 with their byte length in front. */
  readonly #abort = (message: number, file: number, line: number, column: number): never => {
    throw new Error(
      `abort: ${this.#text(message) || 'no message'} at ${this.#text(file) || '?'}:${line}:${column}`,
    );
  };

  #text(pointer: number): string {
    const at = pointer >>> 0;
    if (at < 65536) return '';
    const data = new DataView(this.#memory.buffer);
    const length = Math.min(data.getUint32(at - 4, true), 400) >>> 1;
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(data.getUint16(at + 2 * i, true));
    return text;
  }
}

function patternOf(length: number, words: bigint[]): Uint8Array {
  return new Uint8Array(new BigInt64Array(words).buffer, 0, length);
}

/** Repeats the pattern over `target`, whose length is a multiple of its own. */
function fill(target: Uint8Array, pattern: Uint8Array): void {
  if (pattern.length === 1) {
    target.fill(pattern[0]!);
    return;
  }
  target.set(pattern);
  for (let done = pattern.length; done < target.length; done *= 2) {
    target.copyWithin(done, 0, Math.min(done, target.length - done));
  }
}
