/**
 * The ranges that kernels may have stored to since the last write-back, where both sides can read them: should the device
 * die, its host tells of what may be missing.
 *
 * @module
 */
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import { DeviceLost, hex } from '../../../errors.ts';
import type { Range } from '../../../mm/address.ts';
import { AREA, MOST_OPENED_RANGES, OPENED_LIST } from './area.ts';

/** To be called before the first store. Neighbours become one; past the end of the list the last range grows. */
export function noteOpened({ i32, f64 }: SharedMemory, { start, end }: Range): void {
  const count = i32[AREA.OPENED]!;
  const last = OPENED_LIST + 2 * (count - 1);
  if (count > 0 && (f64[last + 1] === start || count === MOST_OPENED_RANGES)) {
    f64[last] = Math.min(f64[last]!, start);
    f64[last + 1] = Math.max(f64[last + 1]!, end);
    return;
  }
  f64[last + 2] = start;
  f64[last + 3] = end;
  Atomics.store(i32, AREA.OPENED, count + 1);
}

export function clearOpened({ i32 }: SharedMemory): void {
  Atomics.store(i32, AREA.OPENED, 0);
}

/** The loss with the ranges that may not have been written back; undefined where there are none. */
export function lossOfStores({ i32, f64 }: SharedMemory, lost: DeviceLost): DeviceLost | undefined {
  const count = Math.min(Atomics.load(i32, AREA.OPENED), MOST_OPENED_RANGES);
  const unwritten = Array.from({ length: Math.max(0, count) }, (_, i) => ({
    start: f64[OPENED_LIST + 2 * i]!,
    end: f64[OPENED_LIST + 2 * i + 1]!,
  }));
  if (unwritten.length === 0) return undefined;
  const some = unwritten.slice(0, 4).map(({ start, end }) => `[${hex(start)}, ${hex(end)})`);
  const more = unwritten.length > some.length ? ', ...' : '';
  const reason = `${lost.reason}; what kernels stored to ${some.join(', ')}${more} may not have been written back`;
  return new DeviceLost(lost.device, reason, lost.exit, unwritten, lost.kernels);
}
