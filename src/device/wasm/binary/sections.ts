/**
 * A module as a sequence of sections (core specification 3.0, sections 5.5.2 "Sections" and 5.5.17 "Modules"):
 * preamble, then each section as its number, its size and its content. Content is not looked into here, so a
 * section that a reader does not care for costs nothing and a rewriter copies it byte for byte.
 *
 * @module
 */

import { invalidType, ProgramError } from '../../../errors.ts';
import { ByteReader } from './reader.ts';

/** Section numbers, as the specification gives them. */
export const sectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** The order in which sections must appear; two were added later, and stand where their readers need them. */
const order: readonly number[] = [
  sectionId.type,
  sectionId.import,
  sectionId.function,
  sectionId.table,
  sectionId.memory,
  sectionId.tag,
  sectionId.global,
  sectionId.export,
  sectionId.start,
  sectionId.element,
  sectionId.dataCount,
  sectionId.code,
  sectionId.data,
];

const names = new Map<number, string>(Object.entries(sectionId).map(([name, id]) => [id, name]));

export interface Section {
  readonly id: number;
  /** Where its number stands: the first byte that belongs to it. */
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

/** The bytes before the first section: magic and version. */
export const preambleSize = 8;

/** Every section in file order, custom ones included. */
export function readSections(bytes: Uint8Array): Section[] {
  if (!(bytes instanceof Uint8Array))
    throw invalidType('bytes', 'a Uint8Array of a WebAssembly module', bytes);
  checkPreamble(bytes);
  const reader = new ByteReader(bytes, 'the list of sections', preambleSize);
  const sections: Section[] = [];
  let last = -1;
  while (reader.remaining > 0) {
    const start = reader.position;
    const id = reader.byte();
    const size = reader.unsigned();
    const contentStart = reader.skip(size);
    if (id !== sectionId.custom) {
      const rank = order.indexOf(id);
      if (rank < 0) throw reader.malformed(`there is no section number ${id}`, start);
      if (rank === last) throw reader.malformed(`a second ${names.get(id)} section`, start);
      if (rank < last) throw reader.malformed(`the ${names.get(id)} section is out of order`, start);
      last = rank;
    }
    sections.push({ id, start, contentStart, end: reader.position });
  }
  return sections;
}

/** A cursor over one section's content, or undefined where the module has no such section. */
export function openSection(
  bytes: Uint8Array,
  sections: readonly Section[],
  id: number,
): ByteReader | undefined {
  const section = sections.find((s) => s.id === id);
  if (section === undefined) return undefined;
  return new ByteReader(bytes, `the ${names.get(id)} section`, section.contentStart, section.end);
}

function checkPreamble(bytes: Uint8Array): void {
  const starts = (...expected: number[]) => expected.every((byte, i) => bytes[i] === byte);
  if (!starts(0x00, 0x61, 0x73, 0x6d)) {
    const [first = 0] = bytes;
    // Text is what people pass by mistake: '(' and ';' open the text format, whitespace may precede them.
    const text = first === 0x28 || first === 0x3b;
    throw new ProgramError(
      'not-wasm',
      bytes.length === 0
        ? 'not a WebAssembly module: there are no bytes'
        : `not a WebAssembly module: at offset 0x0 it has ${shown(bytes)} instead of 00 61 73 6d${
            text ? '. This looks like the text format: assemble it first (wat2wasm)' : ''
          }`,
    );
  }
  if (!starts(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00)) {
    const component = bytes[6] === 0x01;
    throw new ProgramError(
      'not-wasm',
      `not a core WebAssembly module of version 1: at offset 0x4 it has ${shown(bytes.subarray(4))}${
        component ? '. This is a component; the core module inside it is what can be loaded' : ''
      }`,
    );
  }
}

function shown(bytes: Uint8Array): string {
  const first = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0'));
  return first.length === 0 ? 'nothing' : first.join(' ');
}
