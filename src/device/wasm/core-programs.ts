/**
 * The programs of one core: each module instantiated over the shared memory, its stack pointer set to this core's
 * stack, its exported kernels by number; and the kernels that every device has, copy and fill.
 *
 * @module
 */
import type { CoreKernel } from '../../engine/core-loop.ts';
import { transferKernels } from '../../engine/transfer-kernels.ts';
import type { CoreModule } from './child-messages.ts';
import { coreRegions } from './regions.ts';

export class CorePrograms {
  readonly #memory: WebAssembly.Memory;
  readonly #core: number;
  readonly #kernels: (CoreKernel | undefined)[];

  constructor(memory: WebAssembly.Memory, core: number) {
    this.#memory = memory;
    this.#core = core;
    const bytes = new Uint8Array(memory.buffer);
    this.#kernels = transferKernels((address, length) => bytes.subarray(address, address + length));
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
