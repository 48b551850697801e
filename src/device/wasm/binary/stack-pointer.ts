/**
 * The stack pointer of a module that LLVM has made (clang, rustc, zig): a mutable i32 global, the first of the module, that
 * the linker starts at the top of one stack in linear memory. Over shared memory each core needs a stack of its own, so
 * the device sets that global on each core, and for that it must be exported. Where it is not, an export is added here.
 *
 * How it is known: the linker's own symbols are exported, or a custom section names the global or the tools ("name",
 * "producers", "target_features": tool-conventions, Linking.md and ProducersSection.md). A module that was stripped of all
 * that, and has code that makes room below such a global, is refused rather than guessed at. AssemblyScript's modules
 * have none of it, and no stack in memory.
 *
 * @module
 */
import { ProgramError } from '../../../errors.ts';
import type { ModuleInfo } from './inspect.ts';
import { type ByteReader, copyOf } from './reader.ts';
import { openSection, readSections, type Section, sectionId } from './sections.ts';
import { concatenate, unsigned } from './write.ts';

export const STACK_POINTER = '__stack_pointer';

/** Symbols that wasm-ld defines, and that programs export. */
const LINKER_SYMBOLS = [
  '__data_end',
  '__heap_base',
  '__heap_end',
  '__global_base',
  '__dso_handle',
  '__wasm_call_ctors',
];
const GLOBAL_NAMES = 7;

/**
 * The module with its stack pointer exported as `__stack_pointer`; the same bytes where it is already, or where there is
 * none. Throws ProgramError, reason `stack`, where there seems to be one and nothing says so.
 */
export function exportStackPointer(bytes: Uint8Array, info: ModuleInfo): Uint8Array {
  if (info.exports.some(({ name }) => name === STACK_POINTER)) return bytes;
  const sections = readSections(bytes);
  const custom = customSections(bytes, sections);
  const named = custom.get('name') && namedGlobal(bytes, custom.get('name')!);
  if (named !== undefined && isStackPointer(info, named)) return addExport(bytes, sections, named);
  // By convention it is the first global, and a module of ours imports none.
  if (!isStackPointer(info, 0)) return bytes;
  const linked =
    info.exports.some(({ name }) => LINKER_SYMBOLS.includes(name)) ||
    custom.has('target_features') ||
    custom.has('producers');
  if (linked) return addExport(bytes, sections, 0);
  if (!makesRoom(bytes, sections)) return bytes;
  throw new ProgramError(
    'stack',
    'the module seems to keep a stack in memory, as clang, rustc and zig make them, and does not say which global is its pointer, so the cores would share one stack. Link it with -Wl,--export=__stack_pointer, or do not strip its custom sections (-Wl,--strip-all)',
  );
}

/** A stack grows down from an address that is a multiple of 16. */
function isStackPointer({ globals }: ModuleInfo, index: number): boolean {
  const global = globals[index];
  if (global?.type !== 'i32' || !global.mutable || global.value === undefined) return false;
  return global.value !== 0 && global.value % 16 === 0;
}

/** The content of each custom section, by its name. */
function customSections(bytes: Uint8Array, sections: readonly Section[]): Map<string, Section> {
  const found = new Map<string, Section>();
  for (const section of sections) {
    if (section.id !== sectionId.custom) continue;
    const reader = openSection(bytes, [section], sectionId.custom)!;
    try {
      const name = reader.name();
      found.set(name, { ...section, contentStart: reader.position });
    } catch {
      // A custom section's content is nobody's business: an engine ignores what is malformed there.
    }
  }
  return found;
}

/** The global that the name section calls `__stack_pointer`. */
function namedGlobal(bytes: Uint8Array, section: Section): number | undefined {
  const reader: ByteReader = openSection(bytes, [section], sectionId.custom)!;
  try {
    while (reader.remaining > 0) {
      const kind = reader.byte();
      const size = reader.unsigned();
      if (kind !== GLOBAL_NAMES) {
        reader.skip(size);
        continue;
      }
      for (let left = reader.count('names', 2); left > 0; left--) {
        const index = reader.unsigned();
        if (reader.name() === STACK_POINTER) return index;
      }
    }
  } catch {
    // As above.
  }
  return undefined;
}

/** Whether linked code does `global.get 0; i32.const n; i32.sub`, n a multiple of 16, as functions with a frame begin. */
function makesRoom(bytes: Uint8Array, sections: readonly Section[]): boolean {
  const code = sections.find(({ id }) => id === sectionId.code);
  if (!code) return false;
  for (let at = code.contentStart; at < code.end; at++) {
    if (bytes[at] !== 0x23) continue;
    // 0 in five bytes: the compiler left room for the linker's relocation, which AssemblyScript does not.
    const index = at + 5;
    if (bytes[index] !== 0 || bytes.subarray(at + 1, index).some((byte) => byte !== 0x80)) continue;
    if (bytes[index + 1] !== 0x41 || bytes[index + 2]! % 16 !== 0) continue;
    const size = endOfNumber(bytes, index + 2);
    if (size < code.end - 1 && bytes[size + 1] === 0x6b) return true;
  }
  return false;
}

/** The last byte of a LEB128 number, or where it is longer than any. */
function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < start + 4 && bytes[at]! >= 0x80) at++;
  return at;
}

function addExport(bytes: Uint8Array, sections: readonly Section[], index: number): Uint8Array {
  const section = sections.find(({ id }) => id === sectionId.export)!;
  const reader = openSection(bytes, sections, sectionId.export)!;
  const count = reader.count('exports', 3);
  const name = [...new TextEncoder().encode(STACK_POINTER)];
  const content = concatenate([
    Uint8Array.from(unsigned(count + 1)),
    bytes.subarray(reader.position, section.end),
    Uint8Array.from([...unsigned(name.length), ...name, 3, ...unsigned(index)]),
  ]);
  return concatenate([
    copyOf(bytes, 0, section.start),
    Uint8Array.from([sectionId.export, ...unsigned(content.length)]),
    content,
    bytes.subarray(section.end),
  ]);
}
