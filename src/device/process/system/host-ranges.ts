/**
 * Which of the host's addresses a device's process must not occupy itself, so that what the host has there, and will have
 * there soon, can be reached: its heap, its stack, and the place where the kernel puts its mappings. The kernel chooses
 * those places anew for each process, so one that lies in the way is rarely followed by another. Pure.
 *
 * @module
 */
import { hex } from '../../../errors.ts';
import { GiB, MiB, type Range } from '../../../mm/address.ts';
import type { Vma } from '../../../mm/vma.ts';

/** Where the kernel puts mappings that ask for no place, on x86-64 and arm64 with 47 and 48 bits: above this. */
const MAPPINGS = 0x7000_0000_0000;
/** New mappings go below those that are there; the heap grows upwards. */
const MAPPING_ROOM = 4 * GiB;
const HEAP_ROOM = 16 * MiB;

/** The ranges, by start. `host`: the mappings of its process, by start. */
export function hostRanges(host: readonly Vma[]): Range[] {
  const ranges: Range[] = [];
  let mapped: Range | undefined;
  for (const { kind, start, end } of host) {
    if (kind === 'heap') ranges.push({ start, end: end + HEAP_ROOM });
    else if (kind === 'stack') ranges.push({ start, end });
    else if (kind !== 'special' && start >= MAPPINGS)
      mapped = { start: mapped?.start ?? start - MAPPING_ROOM, end };
  }
  if (mapped) ranges.push(mapped);
  return ranges.sort((a, b) => a.start - b.start);
}

/** The first few of them, in words. */
export function rangesInWords(ranges: readonly Range[]): string {
  const some = ranges.slice(0, 4).map(({ start, end }) => `[${hex(start)}, ${hex(end)})`);
  return some.join(', ') + (ranges.length > some.length ? ', ...' : '');
}
