/**
 * A shared library on a core: its functions bound, and made into kernels that are called for parts of the items. All
 * cores share the library, as threads of one process do: its variables are there once.
 *
 * @module
 */
import type { CoreKernel } from '../../../engine/core-loop.ts';
import type { LoadFailure } from '../../../engine/thread-messages.ts';
import { type BoundFunction, type NativeLibrary, openLibrary } from '../../../ffi/library.ts';
import type { MirroredMemory } from '../kernel/mirrored-memory.ts';
import { viewIn } from '../kernel/views.ts';
import type {
  NativeDeclaration,
  NativeFunctionDeclaration,
  NativeParameter,
  NativeResult,
} from './declaration.ts';

/** How a kind is passed: the C type, and how a result of it is stored. */
interface Passed {
  readonly type: string;
  readonly bytes: number;
  store(view: DataView, value: number | bigint): void;
}

const wide = (view: DataView, value: number | bigint): void => view.setBigUint64(0, BigInt(value), true);

const PASSED: Readonly<Record<NativeResult, Passed>> = {
  pointer: { type: 'uintptr_t', bytes: 8, store: wide },
  u64: { type: 'uint64_t', bytes: 8, store: wide },
  i64: { type: 'int64_t', bytes: 8, store: (view, value) => view.setBigInt64(0, BigInt(value), true) },
  u32: { type: 'uint32_t', bytes: 4, store: (view, value) => view.setUint32(0, Number(value), true) },
  i32: { type: 'int32_t', bytes: 4, store: (view, value) => view.setInt32(0, Number(value), true) },
  u16: { type: 'uint16_t', bytes: 2, store: (view, value) => view.setUint16(0, Number(value), true) },
  i16: { type: 'int16_t', bytes: 2, store: (view, value) => view.setInt16(0, Number(value), true) },
  u8: { type: 'uint8_t', bytes: 1, store: (view, value) => view.setUint8(0, Number(value)) },
  i8: { type: 'int8_t', bytes: 1, store: (view, value) => view.setInt8(0, Number(value)) },
  f32: { type: 'float', bytes: 4, store: (view, value) => view.setFloat32(0, Number(value), true) },
  f64: { type: 'double', bytes: 8, store: (view, value) => view.setFloat64(0, Number(value), true) },
};

/** What a core says before it enters a function of a library, and after it is back. */
export type Bracket = () => void;

/** The kernels of a library, in the order of its declaration; or why there are none. */
export function openKernels(
  { library, functions }: NativeDeclaration,
  memory: MirroredMemory,
  bracket: Bracket,
): CoreKernel[] | LoadFailure {
  let opened: NativeLibrary;
  // What runs when a library is loaded is its own code: it may never come back.
  bracket();
  try {
    opened = openLibrary(library);
  } catch (error) {
    const message = `library '${library}': ${messageOf(error)}`;
    return { message, reason: /cannot open shared object/.test(message) ? 'not-found' : 'instantiate' };
  } finally {
    bracket();
  }
  const kernels: CoreKernel[] = [];
  for (const declared of functions) {
    try {
      kernels.push(kernelOf(opened, declared, memory, bracket));
    } catch (error) {
      return { message: `library '${library}': ${messageOf(error)}`, reason: 'unknown-kernel' };
    }
  }
  return kernels;
}

function kernelOf(
  library: NativeLibrary,
  { name, parameters, result }: NativeFunctionDeclaration,
  memory: MirroredMemory,
  bracket: Bracket,
): CoreKernel {
  const types = parameters.map(typeOf);
  const passed = result === undefined ? undefined : PASSED[result];
  const call = library.bind(name, passed?.type ?? 'void', types);
  const fixed = parameters.map((each) => (typeof each === 'object' ? library.addressOf(each.symbol) : 0));
  const places = (which: (parameter: NativeParameter) => boolean): number[] =>
    parameters.flatMap((each, i) => (which(each) ? [i] : []));
  const launched = places(isArgument);
  const [items, begins, ends] = (['item', 'begin', 'end'] as const).map((kind) =>
    places((each) => each === kind),
  ) as [number[], number[], number[]];
  const prepare = (args: readonly (number | bigint)[]): (number | bigint)[] => {
    const values: (number | bigint)[] = [...fixed];
    for (const [argument, i] of launched.entries()) values[i] = args[argument]!;
    return values;
  };

  if (begins.length > 0) {
    return (begin, end, ...args) => {
      const values = prepare(args);
      for (const i of begins) values[i] = begin;
      for (const i of ends) values[i] = end;
      enter(call, values, bracket);
    };
  }
  return (begin, end, ...args) => {
    const values = prepare(args);
    const into = passed ? Number(args[launched.length]) : 0;
    for (let item = begin; item < end; item++) {
      for (const i of items) values[i] = item;
      // Before the call: nothing is called whose result has no place.
      const view =
        into === 0 ? undefined : viewIn(memory, DataView, into + item * passed!.bytes, passed!.bytes);
      const value = enter(call, values, bracket);
      if (view) passed!.store(view, value!);
    }
  };
}

function enter(
  call: BoundFunction,
  values: readonly (number | bigint)[],
  bracket: Bracket,
): number | bigint | undefined {
  bracket();
  const value = call(...values);
  bracket();
  return value;
}

const isArgument = (parameter: NativeParameter): boolean =>
  typeof parameter === 'string' && parameter in PASSED;

function typeOf(parameter: NativeParameter): string {
  if (typeof parameter === 'object') return PASSED.pointer.type;
  return isArgument(parameter) ? PASSED[parameter as NativeResult].type : 'uint64_t';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
