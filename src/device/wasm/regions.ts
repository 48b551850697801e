/**
 * The wasm device's own regions: what of its 4 GiB window it keeps for static data, stacks and scratch memory. All
 * of it lies below 4 MiB, where the window of no buffer begins. Between the regions nothing is mapped, so that an
 * overflowing stack faults instead of reaching its neighbour. Pure.
 *
 *     0        null guard      64 KiB, faults
 *     64 KiB   static data     up to 2 MiB
 *     2 MiB    core 0          128 KiB: guard page, stack, guard page, scratch
 *     ...      core n
 *
 * @module
 */
import { GiB, KiB, MiB, type Range } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';

/** What a 32-bit linear memory can address, less the first 64 KiB, so that null pointers fault. */
export const WASM_WINDOW: Range = { start: 64 * KiB, end: 4 * GiB };

export const STATIC_DATA: Range = { start: 64 * KiB, end: 2 * MiB };
const CORES_START = 2 * MiB;
const CORE_BYTES = 128 * KiB;
const GUARD = 4 * KiB;

export const MOST_CORES = 16;

/** The end of the part of the window that is the device's own memory, not the arena. */
export const OWN_END = CORES_START + MOST_CORES * CORE_BYTES;

export interface CoreRegions {
  readonly stack: Range;
  readonly scratch: Range;
}

export function coreRegions(core: number): CoreRegions {
  const start = CORES_START + core * CORE_BYTES;
  const middle = start + CORE_BYTES / 2;
  return {
    stack: { start: start + GUARD, end: middle },
    scratch: { start: middle + GUARD, end: start + CORE_BYTES },
  };
}

/** What the device really uses: the pager answers faults here with pages of the device's own. */
export function ownRanges(cores: number): Range[] {
  const ranges: Range[] = [STATIC_DATA];
  for (let core = 0; core < cores; core++) {
    const { stack, scratch } = coreRegions(core);
    ranges.push(stack, scratch);
  }
  return ranges;
}

/** What an address where the device has no memory, between what it has, is to those who fault there; in words. */
export function aboutOwn(address: number): string | undefined {
  if (address < CORES_START || address >= OWN_END) return undefined;
  const core = Math.floor((address - CORES_START) / CORE_BYTES);
  const { stack, scratch } = coreRegions(core);
  if (address < stack.start) return `below the stack of core ${core}, which is full`;
  if (address >= stack.end && address < scratch.start) return `past the stack of core ${core}`;
  return "in the device's own memory, in a part that is not in use";
}

/** What placement must keep clear of, by name. */
export function reservedRegions(cores: number): ReservedRegion[] {
  const regions: ReservedRegion[] = [{ ...STATIC_DATA, name: 'static data' }];
  for (let core = 0; core < MOST_CORES; core++) {
    const start = CORES_START + core * CORE_BYTES;
    if (core < cores)
      regions.push({ start, end: start + CORE_BYTES, name: `core ${core} stack and scratch` });
  }
  if (cores < MOST_CORES) {
    regions.push({ start: CORES_START + cores * CORE_BYTES, end: OWN_END, name: 'device memory, unused' });
  }
  return regions;
}
