/**
 * What of a shared library a process device is to call: the declarations of its functions, as a C header has them, and
 * their check at the door. A library can't be asked for the parameters of its functions; what is declared here is what is
 * called.
 *
 * @module
 */
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_ARGUMENTS } from '../../../engine/control-layout.ts';
import { ARGUMENT_KINDS } from '../../../engine/kernel-arguments.ts';
import { invalidType, outOfRange } from '../../../errors.ts';
import type { ArgumentKind } from '../../device.ts';

/**
 * A parameter of a native function. An {@link ArgumentKind} is an argument of the launch: `'pointer'` any pointer,
 * `'u32'` and `'i32'` all integers of up to 32 bits, `'u64'` and `'i64'` those of 64 (`size_t`, `long`). The others are
 * filled in on the device: `'item'` the number of the item, `'begin'` and `'end'` a part of the items, `{ symbol }` the
 * address of a function or variable of the library in the device's process, as a callback is given.
 */
export type NativeParameter = ArgumentKind | 'item' | 'begin' | 'end' | { readonly symbol: string };

/** What a native function gives; the narrow kinds are for C's `char`, `short` and `bool`. */
export type NativeResult = ArgumentKind | 'u8' | 'i8' | 'u16' | 'i16';

/** A function as a C header declares it. */
export interface NativeSignature {
  readonly parameters: readonly NativeParameter[];
  /**
   * Absent for `void`, or where nobody wants it. Otherwise the kernel has one more argument, the last: a pointer to where
   * the results are written, one for each item, without gaps. Null where one launch does not want them.
   */
  readonly result?: NativeResult;
}

export type NativeFunctions = Readonly<Record<string, NativeSignature>>;

/** A shared library, and which of its functions are kernels. */
export interface NativeSource<Functions extends NativeFunctions = NativeFunctions> {
  /** As dlopen takes it: a soname (`'libz.so.1'`) that the loader looks for, a path, or a file: URL. */
  readonly library: string | URL;
  readonly functions: Functions;
}

type LaunchKinds<Parameters extends readonly unknown[]> = Parameters extends readonly [
  infer First,
  ...infer Rest,
]
  ? First extends ArgumentKind
    ? readonly [First, ...LaunchKinds<Rest>]
    : LaunchKinds<Rest>
  : Parameters extends readonly []
    ? readonly []
    : readonly ArgumentKind[];

/** The kinds of a launch's arguments: the parameters that are not filled in on the device, then where results go. */
export type NativeKinds<Signature extends NativeSignature> = Signature extends {
  readonly result: NativeResult;
}
  ? readonly [...LaunchKinds<Signature['parameters']>, 'pointer']
  : LaunchKinds<Signature['parameters']>;

/** Checked, and as plain data. */
export interface NativeDeclaration {
  readonly library: string;
  readonly functions: readonly NativeFunctionDeclaration[];
}

export interface NativeFunctionDeclaration extends NativeSignature {
  readonly name: string;
}

const RESULTS: readonly NativeResult[] = [...ARGUMENT_KINDS, 'u8', 'i8', 'u16', 'i16'];
const FILLED_IN = ['item', 'begin', 'end'] as const;
const NAME = /^[A-Za-z_$][\w$.@]*$/;

/** Whether `load` was given a library, for better or worse, and not a module. */
export function isNativeSource(source: unknown): source is NativeSource {
  return typeof source === 'object' && source !== null && 'library' in source;
}

/** A copy that is checked. Throws TypeError or RangeError. */
export function checkNative({ library, functions }: NativeSource): NativeDeclaration {
  const path = libraryPath(library);
  if (typeof functions !== 'object' || functions === null || Array.isArray(functions))
    throw invalidType('functions', 'an object of signatures by name', functions);
  const entries = Object.entries(functions);
  if (entries.length === 0) throw outOfRange('functions', 'at least one function', 'none');
  return { library: path, functions: entries.map(([name, signature]) => checkFunction(name, signature)) };
}

/** The kinds of the arguments of a launch. */
export function launchKinds({ parameters, result }: NativeSignature): ArgumentKind[] {
  const kinds = parameters.filter((each): each is ArgumentKind => ARGUMENT_KINDS.includes(each as never));
  return result === undefined ? kinds : [...kinds, 'pointer'];
}

function libraryPath(library: unknown): string {
  if (library instanceof URL) {
    if (library.protocol !== 'file:')
      throw outOfRange('library', 'a soname, a path or a file: URL', library.href);
    return fileURLToPath(library);
  }
  if (typeof library !== 'string') throw invalidType('library', 'a soname, a path or a file: URL', library);
  if (library === '' || library.includes('\0'))
    throw outOfRange('library', 'a soname, a path or a file: URL', library);
  // Without a slash the loader looks for it; with one it is a path, relative to where this process works.
  return library.includes('/') && !isAbsolute(library) ? resolve(library) : library;
}

function checkFunction(name: string, signature: unknown): NativeFunctionDeclaration {
  const what = `functions.${name}`;
  if (!NAME.test(name)) throw outOfRange('functions', 'named by symbols of the library', name);
  if (typeof signature !== 'object' || signature === null)
    throw invalidType(what, 'a signature such as { parameters: [], result: "i32" }', signature);
  const { parameters, result } = signature as NativeSignature;
  if (!Array.isArray(parameters)) throw invalidType(`${what}.parameters`, 'an array of kinds', parameters);
  const copied = parameters.map((each, i) => checkParameter(`${what}.parameters[${i}]`, each));
  if (result !== undefined) {
    const expected = `one of '${RESULTS.join("', '")}', or absent`;
    if (typeof result !== 'string') throw invalidType(`${what}.result`, expected, result);
    if (!RESULTS.includes(result)) throw outOfRange(`${what}.result`, expected, result);
  }
  checkParts(what, copied, result);
  const checked = { name, parameters: copied, ...(result === undefined ? {} : { result }) };
  const count = launchKinds(checked).length;
  if (count > MAX_ARGUMENTS)
    throw outOfRange(`${what}.parameters`, `at most ${MAX_ARGUMENTS} arguments of a launch`, count);
  return checked;
}

function checkParameter(what: string, parameter: unknown): NativeParameter {
  const expected = `one of '${[...ARGUMENT_KINDS, ...FILLED_IN].join("', '")}', or { symbol: name }`;
  if (typeof parameter === 'object' && parameter !== null) {
    const { symbol } = parameter as { symbol?: unknown };
    if (typeof symbol !== 'string') throw invalidType(`${what}.symbol`, 'the name of a symbol', symbol);
    if (!NAME.test(symbol)) throw outOfRange(`${what}.symbol`, 'the name of a symbol', symbol);
    return { symbol };
  }
  if (typeof parameter !== 'string') throw invalidType(what, expected, parameter);
  if (![...ARGUMENT_KINDS, ...FILLED_IN].includes(parameter as never))
    throw outOfRange(what, expected, parameter);
  return parameter as NativeParameter;
}

/** A function takes parts of the items (both ends, and then it is not called item by item), or is called for each. */
function checkParts(what: string, parameters: readonly NativeParameter[], result: unknown): void {
  const [begins, ends] = [parameters.includes('begin'), parameters.includes('end')];
  if (begins !== ends)
    throw outOfRange(
      `${what}.parameters`,
      "with both of 'begin' and 'end', or none",
      begins ? 'begin' : 'end',
    );
  if (!begins) return;
  if (parameters.includes('item'))
    throw outOfRange(`${what}.parameters`, "without 'item' where there are 'begin' and 'end'", 'item');
  if (result !== undefined)
    throw outOfRange(
      `${what}.result`,
      "absent where there are 'begin' and 'end': store results through a pointer",
      result,
    );
}
