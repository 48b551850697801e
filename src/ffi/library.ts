/**
 * The foreign function interface: the only importer of koffi, loaded on first use so that `import 'mirrorspace'`
 * works where koffi has no binary. Everything above speaks in {@link NativeFunction}s, addresses as numbers and
 * views over foreign memory, so that another interface (node:ffi one day) can take koffi's place here.
 *
 * @module
 */
import { createRequire } from 'node:module';
import { UnsupportedError } from '../errors.ts';

type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;
let libc: ReturnType<Koffi['load']> | undefined;

function koffi(): Koffi {
  if (loaded) return loaded;
  try {
    // Synchronous on purpose: a library is opened on first use, from code that can't await.
    loaded = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new UnsupportedError(
      'koffi',
      `The foreign function interface could not be loaded: ${String(cause)}`,
      { cause },
    );
  }
  return loaded;
}

/** A C function; addresses and integers are numbers, and buffers are passed by pointer without a copy. */
export type NativeFunction = (...args: (number | NodeJS.ArrayBufferView | string | null)[]) => number;

/**
 * Declares a function of the C library by its C prototype, for example
 * `'int64_t mmap(uintptr_t, size_t, int, int, int, int64_t)'`. The symbol is looked up on the first call.
 */
export function libcFunction(prototype: string): NativeFunction {
  let bound: NativeFunction | undefined;
  return (...args) => {
    if (!bound) {
      libc ??= koffi().load(null);
      bound = libc.func(prototype) as unknown as NativeFunction;
    }
    return bound(...args);
  };
}

/** A shared library that is not the C library, by its soname. */
export interface NativeLibrary {
  /** Declares a function, as {@link libcFunction} does. The symbol is looked up now: throws where there is none. */
  func(prototype: string): NativeFunction;
  /** The same, run on a thread of libuv's pool: resolves with what it gives. Buffers are kept until then. */
  asyncFunc(prototype: string): (...args: Parameters<NativeFunction>) => Promise<number>;
  /**
   * A function by its name and the C types of its result and parameters. Throws where there is no such symbol.
   */
  bind(name: string, result: string, parameters: readonly string[]): BoundFunction;
  /** Where a symbol lies in this process. Throws where there is none. */
  addressOf(symbol: string): number;
}

/** A function whose 64-bit integers come as numbers where these are exact, else as bigints; nothing for `void`. */
export type BoundFunction = (...args: (number | bigint)[]) => number | bigint | undefined;

/** Opens a shared library as dlopen does. Throws where there is none, with the loader's words. */
export function openLibrary(name: string): NativeLibrary {
  const library = koffi().load(name);
  return {
    func: (prototype) => library.func(prototype) as unknown as NativeFunction,
    bind: (symbol, result, parameters) =>
      library.func(symbol, result, [...parameters]) as unknown as BoundFunction,
    addressOf: (symbol) => Number(koffi().address(library.symbol(symbol, 'char') as never)),
    asyncFunc: (prototype) => {
      const bound = library.func(prototype);
      return (...args) =>
        new Promise((resolve, reject) => {
          bound.async(...args, (error: unknown, result: number) => {
            if (error) reject(error);
            else resolve(result);
          });
        });
    },
  };
}

/** `errno` as the last foreign call of this thread left it; read it at once. */
export function lastErrno(): number {
  return koffi().errno();
}

/** The name of an error number: `2` is `'ENOENT'`. */
export function errnoName(value: number): string {
  const table = koffi().os.errno as Record<string, number>;
  for (const name in table) if (table[name] === value) return name === 'EWOULDBLOCK' ? 'EAGAIN' : name;
  return `errno ${value}`;
}

/**
 * An ArrayBuffer over foreign memory, at full speed. The caller answers for its lifetime: touching it after the
 * memory was unmapped ends the process. Zero lengths and address 0 abort inside koffi, so they are refused.
 */
export function viewMemory(address: number, length: number): ArrayBuffer {
  if (!(length > 0) || !(address > 0)) throw new RangeError(`no view of ${length} bytes at ${address}`);
  return koffi().view(address as never, length);
}

/** Where the bytes of a buffer lie in this process. */
export function addressOf(view: NodeJS.ArrayBufferView): number {
  return Number(koffi().address(view as never));
}
