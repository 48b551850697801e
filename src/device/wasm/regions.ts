/**
 * The wasm device's own regions: what of its 4 GiB window it keeps for static data, stacks, thread-locals and scratch
 * memory. All of it lies below 4 MiB unless more scratch was asked for, and no buffer lies there. Between the regions
 * nothing is mapped, so that an overflowing stack faults instead of reaching its neighbour. Pure.
 *
 *     0        null guard      64 KiB, faults
 *     64 KiB   static data     up to 2 MiB
 *     2 MiB    core 0          128 KiB or more: guard page, stack, guard page, scratch, thread-locals
 *     ...      core n
 *
 * @module
 */
import { alignUp, GiB, KiB, MiB, type Range } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';

/** What a 32-bit linear memory can address, less the first 64 KiB, so that null pointers fault. */
export const WASM_WINDOW: Range = { start: 64 * KiB, end: 4 * GiB };

export const STATIC_DATA: Range = { start: 64 * KiB, end: 2 * MiB };
const CORES_START = 2 * MiB;
const LEAST_CORE_BYTES = 128 * KiB;
const STACK_END = 64 * KiB;
const GUARD = 4 * KiB;
/** For the thread-locals of all programs of a core. */
const TLS_BYTES = 4 * KiB;
/** What is left of the least that a core takes. */
export const DEFAULT_SCRATCH = LEAST_CORE_BYTES - STACK_END - GUARD - TLS_BYTES;
export const MOST_SCRATCH = 64 * MiB;

export const MOST_CORES = 16;

/** What a core takes of the window; `scratch` in bytes. */
function coreBytes(scratch: number): number {
  return Math.max(
    LEAST_CORE_BYTES,
    alignUp(STACK_END + GUARD + alignUp(scratch, 4 * KiB) + TLS_BYTES, 64 * KiB),
  );
}

/** The end of the part of the window that is the device's own memory, not the arena. */
export function ownEnd(cores: number, scratch = DEFAULT_SCRATCH): number {
  return CORES_START + Math.max(MOST_CORES * LEAST_CORE_BYTES, cores * coreBytes(scratch));
}

export interface CoreRegions {
  readonly stack: Range;
  readonly scratch: Range;
  /** Thread-locals; right behind the scratch memory. */
  readonly tls: Range;
}

export function coreRegions(core: number, scratch = DEFAULT_SCRATCH): CoreRegions {
  const start = CORES_START + core * coreBytes(scratch);
  const middle = start + STACK_END;
  const scratchEnd = middle + GUARD + alignUp(scratch, 4 * KiB);
  return {
    stack: { start: start + GUARD, end: middle },
    scratch: { start: middle + GUARD, end: scratchEnd },
    tls: { start: scratchEnd, end: scratchEnd + TLS_BYTES },
  };
}

/** What the device really uses: the pager answers faults here with pages of the device's own. */
export function ownRanges(cores: number, scratch = DEFAULT_SCRATCH): Range[] {
  const ranges: Range[] = [STATIC_DATA];
  for (let core = 0; core < cores; core++) {
    const regions = coreRegions(core, scratch);
    ranges.push(regions.stack, { start: regions.scratch.start, end: regions.tls.end });
  }
  return ranges;
}

/** What an address where the device has no memory, between what it has, is to those who fault there; in words. */
export function aboutOwn(address: number, cores: number, scratch = DEFAULT_SCRATCH): string | undefined {
  if (address < CORES_START || address >= ownEnd(cores, scratch)) return undefined;
  const core = Math.floor((address - CORES_START) / coreBytes(scratch));
  if (core >= cores) return "in the device's own memory, in a part that is not in use";
  const regions = coreRegions(core, scratch);
  if (address < regions.stack.start) return `below the stack of core ${core}, which is full`;
  if (address >= regions.stack.end && address < regions.scratch.start)
    return `past the stack of core ${core}`;
  return `past the scratch memory of core ${core}`;
}

/** What placement must keep clear of, by name. */
export function reservedRegions(cores: number, scratch = DEFAULT_SCRATCH): ReservedRegion[] {
  const regions: ReservedRegion[] = [{ ...STATIC_DATA, name: 'static data' }];
  const bytes = coreBytes(scratch);
  for (let core = 0; core < cores; core++) {
    const start = CORES_START + core * bytes;
    regions.push({ start, end: start + bytes, name: `core ${core} stack and scratch` });
  }
  const used = CORES_START + cores * bytes;
  const end = ownEnd(cores, scratch);
  if (used < end) regions.push({ start: used, end, name: 'device memory, unused' });
  return regions;
}
