/**
 * Whether a module can run on the device, and if not, what to change. The engine would refuse much of this as
 * well, core by core and in words about linking; here it is refused once, before anything is placed, with the
 * flags of the compilers that people use: asc (AssemblyScript) and clang with wasm-ld, whose flags Rust and Zig
 * pass through. Flags are from `asc --help` (0.28) and LLVM's "WebAssembly lld port" manual.
 *
 * @module
 */

import { formatBytes, hex, ProgramError } from '../../../errors.ts';
import type { ModuleImport, ModuleInfo } from './inspect.ts';
import { type KernelExport, kernelsOf } from './kernels.ts';
import { quoted } from './reader.ts';
import { formatSignature, type MemoryType, type Signature, sameTypes } from './types.ts';

export interface DeviceLimits {
  /** Where a module's static data may lie; half-open. */
  readonly statics: { readonly start: number; readonly end: number };
}

/** What a module that meets the requirements turned out to be. */
export interface CheckedModule {
  /** The name under which it imports the mirrored memory. */
  readonly memory: { readonly module: string; readonly name: string };
  readonly kernels: readonly KernelExport[];
  /** All static data: active segments, and what `__global_base` to `__data_end` (or `__heap_base`) enclose where exported. */
  readonly statics: { readonly start: number; readonly end: number } | undefined;
}

/** 4 GiB in pages: the one size at which a linear memory and the window are the same thing. */
const windowPages = 65536;

/** Below it nothing is mapped, so that a null pointer faults. */
const nullEnd = 65536;

const NUMBER: Signature = { params: [], results: ['i32'] };

/** Functions that the device provides, by the module that they are imported from. */
export const providedFunctions: Readonly<Record<string, Readonly<Record<string, Signature>>>> = {
  /** What AssemblyScript's own code calls. */
  env: {
    abort: { params: ['i32', 'i32', 'i32', 'i32'], results: [] },
    seed: { params: [], results: ['f64'] },
    trace: { params: ['i32', 'i32', 'f64', 'f64', 'f64', 'f64', 'f64'], results: [] },
  },
  /** Which core runs the kernel, how many there are; address and bytes of the core's own scratch memory. */
  mirrorspace: { core: NUMBER, cores: NUMBER, scratch: NUMBER, scratchSize: NUMBER },
};

const memoryRemedy =
  'Compile with asc --importMemory --sharedMemory --initialMemory 65536 --maximumMemory 65536 --enable threads, ' +
  'or with clang -matomics -mbulk-memory -Wl,--import-memory,--shared-memory,--max-memory=4294967296';

const importRemedy =
  'A module may import one memory (asc names it env.memory) and the functions env.abort, env.seed and env.trace, ' +
  'and core, cores, scratch and scratchSize of mirrorspace. ' +
  'Under asc, console, Date and process are such imports: pass what they would give as an argument; under clang, ' +
  'define each missing function or link without --allow-undefined';

/** Throws a ProgramError that says what is wrong and how to compile instead. */
export function checkRequirements(info: ModuleInfo, limits: DeviceLimits): CheckedModule {
  const memory = checkMemory(info);
  checkImports(info.imports);
  const kernels = checkKernels(info);
  const statics = checkStatics(info, limits.statics);
  return { memory, kernels, statics };
}

function checkMemory({ imports, definedMemories }: ModuleInfo): CheckedModule['memory'] {
  const refuse = (what: string) => new ProgramError('memory', `${what}. ${memoryRemedy}`);
  const [own] = definedMemories;
  if (own !== undefined) {
    throw refuse(
      `the module defines a memory of its own (${describeMemory(own)}) instead of importing the mirrored one`,
    );
  }
  const [first, second] = imports.filter((entry) => entry.kind === 'memory');
  if (first === undefined) throw refuse('the module neither imports nor defines a memory');
  if (second !== undefined) {
    throw refuse(
      `the module imports several memories (${nameOf(first)}, ${nameOf(second)}); a device has one memory`,
    );
  }
  const { memory } = first;
  const imported = `the imported memory ${nameOf(first)} (${describeMemory(memory)})`;
  if (memory.is64) {
    throw refuse(`${imported} has 64-bit addresses; this is a 32-bit device: compile for wasm32`);
  }
  if (!memory.shared) throw refuse(`${imported} is not shared, and all cores run over one memory`);
  if (memory.max === undefined || memory.max < windowPages) {
    throw refuse(
      `${imported} ends before the device's window does: its maximum must be ${windowPages} pages (4 GiB)`,
    );
  }
  if (memory.max > windowPages || memory.min > windowPages) {
    throw refuse(`${imported} is larger than the device's window, ${windowPages} pages (4 GiB)`);
  }
  return { module: first.module, name: first.name };
}

function checkImports(imports: readonly ModuleImport[]): void {
  const complaints = imports.flatMap((entry) => {
    if (entry.kind === 'memory') return [];
    if (entry.kind !== 'function') return [`${nameOf(entry)} (a ${entry.kind})`];
    const has = formatSignature(entry.signature);
    const group = Object.hasOwn(providedFunctions, entry.module) ? providedFunctions[entry.module]! : {};
    const provided = Object.hasOwn(group, entry.name) ? group[entry.name] : undefined;
    if (provided === undefined) return [`${nameOf(entry)} ${has}`];
    if (
      sameTypes(provided.params, entry.signature.params) &&
      sameTypes(provided.results, entry.signature.results)
    ) {
      return [];
    }
    return [`${nameOf(entry)} as ${has}, where the device has ${formatSignature(provided)}`];
  });
  if (complaints.length === 0) return;
  const most = 20;
  const listed = complaints.slice(0, most).join('; ');
  const more = complaints.length > most ? `; and ${complaints.length - most} more` : '';
  throw new ProgramError(
    'imports',
    `the module imports what the device does not provide: ${listed}${more}. ${importRemedy}`,
  );
}

function checkKernels(info: ModuleInfo): KernelExport[] {
  const kernels = kernelsOf(info);
  if (kernels.length > 0) return kernels;
  const functions = info.exports
    .filter((entry) => entry.kind === 'function')
    .slice(0, 20)
    .map((entry) => `${quoted(entry.name)} ${formatSignature(entry.signature)}`);
  throw new ProgramError(
    'no-kernels',
    `the module exports no kernel, a function whose first two parameters are i32 begin and i32 end; ${
      functions.length === 0 ? 'it exports no function at all' : `it exports ${functions.join('; ')}`
    }. With asc write export function name(begin: i32, end: i32, ...): void in the entry file; ` +
      'with clang mark it __attribute__((export_name("name"))) or pass -Wl,--export=name, and -Wl,--no-entry',
  );
}

function checkStatics(info: ModuleInfo, room: DeviceLimits['statics']): CheckedModule['statics'] {
  const refuse = (what: string) => new ProgramError('static-data', what);
  for (const { index, mode, address, size } of info.dataSegments) {
    if (mode === 'active' && size > 0 && address === undefined) {
      throw refuse(
        `data segment ${index} (${formatBytes(size)}) has no constant address: it depends on an import, as ` +
          'position-independent code does. Compile without -fPIC and -shared',
      );
    }
  }
  // wasm-ld with shared memory makes segments passive, and a start function that places them once, guarded by
  // an atomic flag. That is as good as detaching, but only its symbols tell where.
  const base = constantExport(info, '__global_base');
  const end = constantExport(info, '__data_end') ?? constantExport(info, '__heap_base');
  const placesItself =
    info.hasStart && info.dataSegments.some(({ mode, size }) => mode === 'passive' && size > 0);
  if (placesItself && (base === undefined || end === undefined)) {
    throw refuse(
      'a start function places the static data (passive segments), so the file does not say where it lies. ' +
        'Compile with -Wl,--export=__global_base,--export=__data_end',
    );
  }
  const statics = enclose(info.staticData, base, end);
  if (statics === undefined) return undefined;

  const lowest = Math.max(nullEnd, room.start);
  const lies = `static data lies at [${hex(statics.start)}, ${hex(statics.end)})`;
  const size = statics.end - statics.start;
  if (statics.start < lowest) {
    throw refuse(
      `${lies}, ${
        statics.start < nullEnd
          ? 'in the first 64 KiB, which are never mapped so that a null pointer faults'
          : `below the device's room for it, which begins at ${hex(lowest)}`
      }. Compile with asc --memoryBase ${lowest}, or with clang -Wl,--global-base=${lowest}`,
    );
  }
  if (statics.end > room.end) {
    const fits = lowest + size <= room.end;
    throw refuse(
      `${lies}, beyond the device's room for it, which ends at ${hex(room.end)}. ${
        fits
          ? `Compile with asc --memoryBase ${lowest}, or with clang -Wl,--global-base=${lowest}`
          : `Its ${formatBytes(size)} do not fit in ${formatBytes(Math.max(0, room.end - lowest))}: ` +
            'keep large tables in buffers, or give the device more room for static data'
      }`,
    );
  }
  return statics;
}

/** Segments alone may say too little: asc --zeroFilledMemory and wasm-ld leave out what is zero. */
function enclose(hull: ModuleInfo['staticData'], base: number | undefined, end: number | undefined) {
  if (hull !== undefined) {
    return { start: Math.min(hull.start, base ?? hull.start), end: Math.max(hull.end, end ?? hull.end) };
  }
  return base !== undefined && end !== undefined && base < end ? { start: base, end } : undefined;
}

function constantExport(info: ModuleInfo, name: string): number | undefined {
  const found = info.exports.find((entry) => entry.name === name);
  if (found?.kind !== 'global' || found.global.mutable || found.global.value === undefined) return undefined;
  return found.global.value >>> 0;
}

function nameOf({ module, name }: { module: string; name: string }): string {
  return /^[\w$.-]+$/.test(module + name) && module.length + name.length < 80
    ? `${module}.${name}`
    : `${quoted(module)}.${quoted(name)}`;
}

function describeMemory({ min, max, shared, is64 }: MemoryType): string {
  const bounds = max === undefined ? `${min} pages or more` : `${min} to ${max} pages`;
  return `${bounds}${shared ? ', shared' : ''}${is64 ? ', 64-bit' : ''}`;
}
