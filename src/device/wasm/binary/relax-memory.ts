/**
 * A module that takes nothing for granted about its memory: the imported memory's minimum becomes 0. Where V8 knows that
 * a constant address lies below the minimum it emits a bare load or store, whose fault is the end of the process; of all
 * others it keeps a record, by which their faults become traps. A memory of 4 GiB still fits the import (core
 * specification 3.0, section 4.5.2 "Import Matching"), and the code is the same.
 *
 * @module
 */

import { copyOf } from './reader.ts';
import { openSection, readSections, sectionId } from './sections.ts';
import { readGlobalType, skipTableType } from './types.ts';

const kindOf = { function: 0, table: 1, memory: 2, global: 3 } as const;

export function relaxMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const relaxed = copyOf(bytes);
  const reader = openSection(bytes, readSections(bytes), sectionId.import);
  for (let left = reader?.count('imports', 4) ?? 0; reader && left > 0; left--) {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === kindOf.memory) {
      reader.byte();
      zeroNumber(relaxed, reader.position);
      break;
    }
    if (kind === kindOf.function) reader.unsigned();
    else if (kind === kindOf.table) skipTableType(reader);
    else if (kind === kindOf.global) readGlobalType(reader);
    else {
      reader.byte();
      reader.unsigned();
    }
  }
  return relaxed;
}

/** Makes a LEB128 number 0 and leaves it as long as it is, which the format allows (5.2.2 "Integers"). */
function zeroNumber(bytes: Uint8Array, at: number): void {
  for (; bytes[at]! >= 0x80; at++) bytes[at] = 0x80;
  bytes[at] = 0;
}
