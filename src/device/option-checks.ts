/**
 * Checks of the options that every device takes: cores, window, reserved regions. Pure.
 *
 * @module
 */
import type { FaultMode } from '../engine/arena-window.ts';
import { hex, invalidType, outOfRange } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import type { ReservedRegion } from './device.ts';

export function checkCores(cores: number, most: number): void {
  if (typeof cores !== 'number') throw invalidType('cores', 'a number', cores);
  if (!Number.isInteger(cores) || cores < 1 || cores > most) {
    throw outOfRange('cores', `an integer from 1 to ${most}`, cores);
  }
}

/** Bytes of memory of its own for each core. */
export function checkScratch(scratch: number, most: number): void {
  if (typeof scratch !== 'number') throw invalidType('scratch', 'a number of bytes', scratch);
  if (!Number.isSafeInteger(scratch) || scratch < 1 || scratch > most)
    throw outOfRange('scratch', `from 1 to ${most} bytes`, scratch);
}

/** The window as a range; within `widest`, what the device reaches at all. */
export function checkWindow(window: readonly [low: number, high: number], widest: Range): Range {
  if (!Array.isArray(window) || window.length !== 2 || window.some((edge) => typeof edge !== 'number'))
    throw invalidType('window', 'two numbers, [low, high)', window);
  const [low, high] = window as readonly [number, number];
  if (
    !Number.isSafeInteger(low) ||
    !Number.isSafeInteger(high) ||
    low < widest.start ||
    high > widest.end ||
    low >= high
  ) {
    throw outOfRange(
      'window',
      `[low, high) within [${hex(widest.start)}, ${hex(widest.end)})`,
      `[${low}, ${high})`,
    );
  }
  return { start: low, end: high };
}

export function checkReserved(reserved: readonly ReservedRegion[]): readonly ReservedRegion[] {
  if (!Array.isArray(reserved)) throw invalidType('reserved', 'an array of { start, end, name }', reserved);
  for (const [i, region] of reserved.entries()) checkRegion(`reserved[${i}]`, region);
  return [...reserved];
}

function checkRegion(at: string, region: ReservedRegion): void {
  if (typeof region !== 'object' || region === null) throw invalidType(at, '{ start, end, name }', region);
  const { start, end, name } = region;
  if (typeof start !== 'number') throw invalidType(`${at}.start`, 'a number', start);
  if (typeof end !== 'number') throw invalidType(`${at}.end`, 'a number', end);
  if (typeof name !== 'string') throw invalidType(`${at}.name`, 'a string', name);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end)
    throw outOfRange(at, 'a range with 0 <= start < end', `[${start}, ${end})`);
}

export type { FaultMode };

export function checkFaults(faults: FaultMode): FaultMode {
  if (faults === 'auto' || faults === 'userfaultfd' || faults === 'trap') return faults;
  if (typeof faults !== 'string') throw invalidType('faults', "'auto', 'userfaultfd' or 'trap'", faults);
  throw outOfRange('faults', "'auto', 'userfaultfd' or 'trap'", faults);
}
