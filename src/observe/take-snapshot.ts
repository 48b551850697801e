/**
 * A picture of a mirror of this process, now: reads /proc/self/maps, and asks for each buffer what of it is in memory.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { invalidType, outOfRange } from '../errors.ts';
import { parseMaps } from '../mm/parse-maps.ts';
import { assembleSnapshot, type MirrorSnapshot, type MirrorToSee } from './snapshot.ts';

export interface SnapshotOptions {
  /** Into how many stretches a buffer is divided to say what of it is in memory, at most; 64 by default, up to 65536. */
  readonly stretches?: number;
}

const MOST_STRETCHES = 65536;

/** See {@link MirrorSnapshot}. Throws TypeError or RangeError, StateError where the mirror is closed. */
export function takeSnapshot(mirror: MirrorToSee, options: SnapshotOptions = {}): MirrorSnapshot {
  if (typeof mirror?.occupants !== 'function') throw invalidType('mirror', 'a mirror', mirror);
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { stretches = 64 } = options;
  if (typeof stretches !== 'number') throw invalidType('stretches', 'a number', stretches);
  if (!Number.isInteger(stretches) || stretches < 1 || stretches > MOST_STRETCHES)
    throw outOfRange('stretches', `an integer from 1 to ${MOST_STRETCHES}`, stretches);
  const { vmas } = parseMaps(readFileSync('/proc/self/maps', 'utf8'));
  return assembleSnapshot(mirror, { pid: process.pid, vmas, lowest: lowest(mirror.pageSize), stretches });
}

function lowest(pageSize: number): number {
  try {
    return Math.max(pageSize, Number(readFileSync('/proc/sys/vm/mmap_min_addr', 'utf8')));
  } catch {
    // Hidden in some containers: what nearly every kernel has.
    return 65536;
  }
}
