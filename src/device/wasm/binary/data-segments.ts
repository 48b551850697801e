/**
 * The data section (core specification 3.0, section 5.5.14 "Data Section"). An active segment is written to
 * its address by every instantiation; a passive one only where `memory.init` says so. Segments are described by
 * where their bytes lie in the file, and nothing is copied.
 *
 * @module
 */

import { type GlobalInfo, readConstant } from './constant.ts';
import type { ByteReader } from './reader.ts';
import type { MemoryType } from './types.ts';

export interface DataSegment {
  readonly index: number;
  readonly mode: 'active' | 'passive';
  /** Which memory an active segment goes to. */
  readonly memory: number;
  /** Where an active segment goes; undefined when passive, or when only instantiating would tell. */
  readonly address: number | undefined;
  readonly size: number;
  /** Where in the file its bytes begin. */
  readonly fileOffset: number;
}

/** What segments refer to. */
export interface SegmentContext {
  readonly memories: readonly MemoryType[];
  readonly globals: readonly GlobalInfo[];
}

/** Reads the section; `announced` is what the data count section says, where there is one. */
export function readDataSegments(
  reader: ByteReader,
  { memories, globals }: SegmentContext,
  announced: number | undefined,
): DataSegment[] {
  const start = reader.position;
  const count = reader.count('data segments', 2);
  if (announced !== undefined && announced !== count) {
    throw reader.malformed(`${count} data segments, and ${announced} are announced`, start);
  }
  const segments: DataSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = reader.position;
    // 0: active in memory 0; 1: passive; 2: active in the memory that follows.
    const flags = reader.unsigned();
    if (flags > 2) throw reader.malformed(`data segment ${index} is of the unknown kind ${flags}`, at);
    const mode = flags === 1 ? 'passive' : 'active';
    const memory = flags === 2 ? reader.unsigned() : 0;
    let address: number | undefined;
    if (mode === 'active') {
      const type = memories[memory];
      if (type === undefined) {
        throw reader.malformed(`data segment ${index} goes to memory ${memory}, which is not there`, at);
      }
      const offset = readConstant(reader, globals);
      // An i32 is an address without a sign; a 64-bit memory has i64 offsets, which are not computed.
      if (offset !== undefined && !type.is64) address = offset >>> 0;
    }
    const size = reader.unsigned();
    const fileOffset = reader.skip(size);
    segments.push({ index, mode, memory, address, size, fileOffset });
  }
  return segments;
}
