/**
 * A module without its static data. Instantiating a module writes its active data segments, so a second core's
 * instance would reset statics that the first has changed, and a restarted device likewise. Here every active
 * segment becomes an empty passive one, and its bytes are handed over to be placed once.
 *
 * This keeps the module's meaning (core specification 3.0, sections 4.7.2 "Instantiation" and 5.5.14 "Data
 * Section"): an active segment is written and then dropped, so that `memory.init` finds it empty; an empty
 * passive segment is found empty too. Indices stay, hence `memory.init` and `data.drop` of true passive segments
 * mean the same, and the number of segments stays, hence a data count section remains right; where there is
 * none no code refers to segments, and none is needed. All other sections are copied byte for byte.
 *
 * @module
 */

import { hex, ProgramError } from '../../../errors.ts';
import type { DataSegment } from './data-segments.ts';
import { inspectModule } from './inspect.ts';
import { copyOf } from './reader.ts';
import { readSections, sectionId } from './sections.ts';
import { concatenate, unsigned } from './write.ts';

export interface PlacedData {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface DetachedModule {
  /** The rewritten binary: instantiating it writes no byte of memory (before a start function runs). */
  readonly module: Uint8Array<ArrayBuffer>;
  /**
   * What the active segments held: disjoint, ascending, none empty. Where segments overlapped, the later one's
   * bytes are here, as instantiation would have left them; so these may be placed in any order.
   */
  readonly segments: PlacedData[];
}

/** Throws a ProgramError where a segment's address depends on an import, or it goes to a second memory. */
export function detachData(bytes: Uint8Array): DetachedModule {
  const sections = readSections(bytes);
  const { dataSegments } = inspectModule(bytes);
  const active = dataSegments.filter((segment) => segment.mode === 'active');
  const segments = disjoint(active.filter((segment) => segment.size > 0).map(extentOf)).map((extent) => ({
    address: extent.start,
    bytes: copyOf(bytes, extent.fileOffset, extent.fileOffset + (extent.end - extent.start)),
  }));
  if (active.length === 0) return { module: copyOf(bytes), segments };

  const data = sections.find((section) => section.id === sectionId.data)!;
  const content = encodePassive(bytes, dataSegments);
  return {
    module: concatenate([
      bytes.subarray(0, data.start),
      Uint8Array.from([sectionId.data, ...unsigned(content.length)]),
      content,
      bytes.subarray(data.end),
    ]),
    segments,
  };
}

/** A run of bytes: where it goes, and where in the file it comes from. */
interface Extent {
  readonly start: number;
  readonly end: number;
  readonly fileOffset: number;
}

function extentOf(segment: DataSegment): Extent {
  const { index, address, size, memory, fileOffset } = segment;
  if (memory !== 0) {
    throw new ProgramError(
      'static-data',
      `data segment ${index} goes to memory ${memory}; a device has one memory`,
    );
  }
  if (address === undefined) {
    throw new ProgramError(
      'static-data',
      `data segment ${index} (${size} bytes at file offset ${hex(fileOffset)}) has no constant address: it ` +
        'depends on an import, as position-independent code does. Compile without -fPIC and -shared',
    );
  }
  return { start: address, end: address + size, fileOffset };
}

/** Halves are made disjoint, then laid one over the other: n log n, however hostile the overlaps. */
function disjoint(extents: readonly Extent[]): readonly Extent[] {
  if (extents.length <= 1) return extents;
  const middle = extents.length >>> 1;
  return overlay(disjoint(extents.slice(0, middle)), disjoint(extents.slice(middle)));
}

/** Both lists are ascending and disjoint, and so is the result, in which `above` hides what lies below it. */
function overlay(below: readonly Extent[], above: readonly Extent[]): Extent[] {
  const merged: Extent[] = [];
  let next = 0;
  for (const { start, end, fileOffset } of below) {
    let at = start;
    while (at < end) {
      const cover = above[next];
      if (cover === undefined || cover.start >= end) {
        merged.push({ start: at, end, fileOffset: fileOffset + (at - start) });
        break;
      }
      if (cover.start > at) {
        merged.push({ start: at, end: cover.start, fileOffset: fileOffset + (at - start) });
      }
      at = Math.max(at, cover.end);
      // A cover that reaches past this extent may hide some of the next one as well.
      if (cover.end > end) break;
      merged.push(cover);
      next++;
    }
  }
  while (next < above.length) merged.push(above[next++]!);
  return merged;
}

function encodePassive(bytes: Uint8Array, segments: readonly DataSegment[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [Uint8Array.from(unsigned(segments.length))];
  for (const { mode, size, fileOffset } of segments) {
    const kept = mode === 'passive' ? size : 0;
    parts.push(Uint8Array.from([1, ...unsigned(kept)]), bytes.subarray(fileOffset, fileOffset + kept));
  }
  return concatenate(parts);
}
