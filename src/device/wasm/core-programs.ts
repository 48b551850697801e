/**
 * The programs of one core: each module instantiated over the shared memory, its stack pointer set to this core's
 * stack, its exported kernels by number; and the kernels that every device has, copy and fill.
 *
 * @module
 */
import type { CoreKernel } from '../../engine/core-loop.ts';
import { transferKernels } from '../../engine/transfer-kernels.ts';
import { alignUp } from '../../mm/address.ts';
import type { CoreModule } from './child-messages.ts';
import { type CoreRegions, coreRegions } from './regions.ts';

/** Which core this is, and what memory it has for itself. */
export interface CoreMemory {
  readonly core: number;
  readonly cores: number;
  /** Bytes. */
  readonly scratch: number;
}

export class CorePrograms {
  readonly #memory: WebAssembly.Memory;
  readonly #core: CoreMemory;
  readonly #regions: CoreRegions;
  /** Thread-locals lie below this. */
  #tlsUsed: number;
  #reader: ((address: number) => number) | undefined;
  readonly #kernels: (CoreKernel | undefined)[];

  constructor(memory: WebAssembly.Memory, core: CoreMemory) {
    this.#memory = memory;
    this.#core = core;
    this.#regions = coreRegions(core.core, core.scratch);
    this.#tlsUsed = this.#regions.tls.start;
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
    if (stackPointer instanceof WebAssembly.Global) stackPointer.value = this.#regions.stack.end;
    this.#placeThreadLocals(instance.exports);
    for (const { id, name } of program.kernels) this.#kernels[id] = instance.exports[name] as CoreKernel;
  }

  /** LLVM's thread-locals: a block for each core and program, which the program fills. */
  #placeThreadLocals({ __wasm_init_tls, __tls_size, __tls_align }: Record<string, unknown>): void {
    const size = constant(__tls_size) ?? 0;
    if (typeof __wasm_init_tls !== 'function' || size === 0) return;
    const start = alignUp(this.#tlsUsed, constant(__tls_align) ?? 16);
    const room = this.#regions.tls.end - start;
    if (size > room) {
      throw new RangeError(
        `its thread-locals take ${size} bytes, and ${Math.max(0, room)} are left of those that a core has for all programs`,
      );
    }
    __wasm_init_tls(start);
    this.#tlsUsed = start + size;
  }

  #imports(module: WebAssembly.Module): WebAssembly.Imports {
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      imports[from] ??= {};
      const group = imports[from];
      if (kind === 'memory') group[name] = this.#memory;
      else if (from === 'mirrorspace') group[name] = this.#functions[name]!;
      else if (from === 'env' && name === 'abort') group[name] = this.#abort;
      else if (from === 'env' && name === 'seed') group[name] = Math.random;
      else if (from === 'env' && name === 'trace') group[name] = () => {};
    }
    return imports;
  }

  /** What kernels may ask of their core; see `providedFunctions`. */
  get #functions(): Record<string, () => number> {
    const { core, cores } = this.#core;
    const { start, end } = this.#regions.scratch;
    return { core: () => core, cores: () => cores, scratch: () => start, scratchSize: () => end - start };
  }

  /** AssemblyScript's abort: its strings are UTF-16 with their byte length in front. */
  readonly #abort = (message: number, file: number, line: number, column: number): never => {
    throw new Error(
      `abort: ${this.#text(message) || 'no message'} at ${this.#text(file) || '?'}:${line}:${column}`,
    );
  };

  /** Read by WebAssembly: where the window is protected, a pointer that leads nowhere is a trap there, and death here. */
  #text(pointer: number): string {
    const at = pointer >>> 0;
    if (at < 65536) return '';
    this.#reader ??= byteReader(this.#memory);
    const read = this.#reader;
    const word = (from: number): number => read(from) | (read(from + 1) << 8);
    try {
      const length = Math.min((word(at - 4) | (word(at - 2) << 16)) >>> 0, 400) >>> 1;
      let text = '';
      for (let i = 0; i < length; i++) text += String.fromCharCode(word(at + 2 * i));
      return text;
    } catch {
      return '';
    }
  }
}

function constant(value: unknown): number | undefined {
  return value instanceof WebAssembly.Global ? Number(value.value) : undefined;
}

/** `(func (export "load") (param i32) (result i32) local.get 0 i32.load8_u)` over an imported shared memory. */
const READER = [
  '0061736d01000000', // magic, version
  '01060160017f017f', // the type of the function
  '02140103656e76066d656d6f72790203808004808004', // env.memory, 65536 pages, shared
  '03020100', // the function
  '070801046c6f61640000', // its export
  '0a0901070020002d00000b', // its body
].join('');

function byteReader(memory: WebAssembly.Memory): (address: number) => number {
  const module = new WebAssembly.Module(Uint8Array.from(Buffer.from(READER, 'hex')));
  return new WebAssembly.Instance(module, { env: { memory } }).exports.load as (address: number) => number;
}
