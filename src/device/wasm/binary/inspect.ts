/**
 * What a module wants, offers and brings along, read from its bytes without compiling it (core specification
 * 3.0, section 5.5 "Modules"). The engine's own `WebAssembly.Module.imports` and `exports` give names and kinds
 * only; a device needs signatures, to type launches, memory limits, to say what is wrong before linking fails
 * with less, and data segments, which nothing in JavaScript shows. Function bodies, tables' contents and custom
 * sections are not looked into: the engine validates them.
 *
 * @module
 */

import { type GlobalInfo, readConstant } from './constant.ts';
import { type DataSegment, readDataSegments } from './data-segments.ts';
import { type ByteReader, quoted } from './reader.ts';
import { openSection, readSections, sectionId } from './sections.ts';
import {
  type GlobalType,
  type MemoryType,
  readGlobalType,
  readMemoryType,
  readTypes,
  type Signature,
  skipTableType,
} from './types.ts';

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

export type ModuleImport = { readonly module: string; readonly name: string } & (
  | { readonly kind: 'function'; readonly signature: Signature }
  | { readonly kind: 'memory'; readonly memory: MemoryType }
  | { readonly kind: 'global'; readonly global: GlobalType }
  | { readonly kind: 'table' | 'tag' }
);

export type ModuleExport = { readonly name: string } & (
  | { readonly kind: 'function'; readonly signature: Signature }
  | { readonly kind: 'memory'; readonly memory: MemoryType }
  | { readonly kind: 'global'; readonly global: GlobalInfo }
  | { readonly kind: 'table' | 'tag' }
);

export interface ModuleInfo {
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  /** Memories that the module makes itself instead of importing them. */
  readonly definedMemories: readonly MemoryType[];
  /** By index, imported ones first. */
  readonly globals: readonly GlobalInfo[];
  /** Whether instantiating it runs code. */
  readonly hasStart: boolean;
  /** By index, as `memory.init` counts them. */
  readonly dataSegments: readonly DataSegment[];
  /** From the lowest to past the highest byte that active segments of known address place; half-open. */
  readonly staticData: { readonly start: number; readonly end: number } | undefined;
}

/** The index spaces: imports first, then what the module defines (2.5.1 "Indices"). */
interface Spaces {
  readonly types: readonly Signature[];
  readonly functions: Signature[];
  readonly memories: MemoryType[];
  readonly globals: GlobalInfo[];
}

const kinds: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

export function inspectModule(bytes: Uint8Array): ModuleInfo {
  const sections = readSections(bytes);
  const read = <T>(id: number, absent: T, decode: (reader: ByteReader) => T): T => {
    const reader = openSection(bytes, sections, id);
    if (reader === undefined) return absent;
    const value = decode(reader);
    reader.finish();
    return value;
  };

  const types = read(sectionId.type, [], readTypes);
  const spaces: Spaces = { types, functions: [], memories: [], globals: [] };
  const imports = read(sectionId.import, [], (r) => readImports(r, spaces));
  read(sectionId.function, undefined, (r) => {
    for (let left = r.count('functions'); left > 0; left--) spaces.functions.push(readTypeUse(r, types));
    return undefined;
  });
  const definedMemories = read(sectionId.memory, [], readMemories);
  for (const memory of definedMemories) spaces.memories.push(memory);
  read(sectionId.global, undefined, (r) => readGlobals(r, spaces.globals));
  const exports = read(sectionId.export, [], (r) => readExports(r, spaces));
  const hasStart = read(sectionId.start, false, (r) => {
    lookUp(r, spaces.functions, r.unsigned(), 'function');
    return true;
  });
  const announced = read<number | undefined>(sectionId.dataCount, undefined, (r) => r.unsigned());
  const dataSegments = read(sectionId.data, [], (r) => readDataSegments(r, spaces, announced));
  if (announced !== undefined && announced !== 0 && dataSegments.length === 0) {
    const reader = openSection(bytes, sections, sectionId.dataCount)!;
    throw reader.malformed(`${announced} data segments are announced and there are none`);
  }

  return {
    imports,
    exports,
    definedMemories,
    globals: spaces.globals,
    hasStart,
    dataSegments,
    staticData: hullOf(dataSegments),
  };
}

function readImports(reader: ByteReader, spaces: Spaces): ModuleImport[] {
  const count = reader.count('imports', 4);
  const imports: ModuleImport[] = [];
  for (let i = 0; i < count; i++) {
    const module = reader.name();
    const name = reader.name();
    const kind = readKind(reader);
    switch (kind) {
      case 'function': {
        const signature = readTypeUse(reader, spaces.types);
        spaces.functions.push(signature);
        imports.push({ module, name, kind, signature });
        break;
      }
      case 'memory': {
        const memory = readMemoryType(reader);
        spaces.memories.push(memory);
        imports.push({ module, name, kind, memory });
        break;
      }
      case 'global': {
        const global = readGlobalType(reader);
        spaces.globals.push({ ...global, value: undefined });
        imports.push({ module, name, kind, global });
        break;
      }
      case 'table':
        skipTableType(reader);
        imports.push({ module, name, kind });
        break;
      case 'tag':
        if (reader.byte() !== 0) throw reader.malformed('an unknown tag attribute', reader.position - 1);
        readTypeUse(reader, spaces.types);
        imports.push({ module, name, kind });
        break;
    }
  }
  return imports;
}

function readExports(reader: ByteReader, spaces: Spaces): ModuleExport[] {
  const count = reader.count('exports', 3);
  const exports: ModuleExport[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const start = reader.position;
    const name = reader.name();
    if (seen.has(name)) throw reader.malformed(`${quoted(name)} is exported twice`, start);
    seen.add(name);
    const kind = readKind(reader);
    const index = reader.unsigned();
    switch (kind) {
      case 'function':
        exports.push({ name, kind, signature: lookUp(reader, spaces.functions, index, kind) });
        break;
      case 'memory':
        exports.push({ name, kind, memory: lookUp(reader, spaces.memories, index, kind) });
        break;
      case 'global':
        exports.push({ name, kind, global: lookUp(reader, spaces.globals, index, kind) });
        break;
      default:
        exports.push({ name, kind });
    }
  }
  return exports;
}

function readMemories(reader: ByteReader): MemoryType[] {
  const memories: MemoryType[] = [];
  for (let left = reader.count('memories', 2); left > 0; left--) memories.push(readMemoryType(reader));
  return memories;
}

function readGlobals(reader: ByteReader, globals: GlobalInfo[]): undefined {
  for (let left = reader.count('globals', 3); left > 0; left--) {
    const type = readGlobalType(reader);
    const value = readConstant(reader, globals);
    globals.push({ ...type, value: type.type === 'i32' ? value : undefined });
  }
  return undefined;
}

function readKind(reader: ByteReader): ExternalKind {
  const code = reader.byte();
  const kind = kinds[code];
  if (kind === undefined) {
    throw reader.malformed(`there is no import or export of kind ${code}`, reader.position - 1);
  }
  return kind;
}

function readTypeUse(reader: ByteReader, types: readonly Signature[]): Signature {
  return lookUp(reader, types, reader.unsigned(), 'type');
}

function lookUp<T>(reader: ByteReader, space: readonly T[], index: number, what: string): T {
  const found = space[index];
  if (found === undefined) {
    throw reader.malformed(`${what} ${index} is used, and there are ${space.length}`);
  }
  return found;
}

function hullOf(segments: readonly DataSegment[]): ModuleInfo['staticData'] {
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const segment of segments) {
    if (segment.mode === 'passive' || segment.address === undefined || segment.size === 0) continue;
    start = Math.min(start, segment.address);
    end = Math.max(end, segment.address + segment.size);
  }
  return end === 0 ? undefined : { start, end };
}
