/**
 * The verb munmap: `do_vmi_munmap` of mm/vma.c. VMAs across the edges are split; holes are no error.
 *
 * @module
 */

import { type Address, alignUp } from './address.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';

export function munmap(process: ProcessMemory, address: Address, length: number): 0 | Errno {
  const { pageSize, taskSize } = process.options;
  if (address % pageSize !== 0 || address > taskSize || length > taskSize - address) return 'EINVAL';
  const end = address + alignUp(length, pageSize);
  if (end === address) return 'EINVAL';
  return unmap(process, address, end) ? 0 : 'ENOMEM';
}

/**
 * Empties [start, end). False, and nothing done, where that would make two VMAs of one while there are as many
 * as there may be.
 */
export function unmap(process: ProcessMemory, start: Address, end: Address): boolean {
  const { areas, options } = process;
  let area = areas.firstIn(start, end);
  if (!area) return true;
  if (area.start < start && end < area.end && areas.size >= options.maxMapCount) return false;
  while (area) {
    const rest = [];
    if (area.start < start) rest.push(area.within(area.start, start));
    if (end < area.end) rest.push(area.within(end, area.end));
    areas.replace(area, ...rest);
    area = areas.firstIn(area.end, end);
  }
  return true;
}

/** How many bytes of [start, end) are mapped. */
export function bytesIn(process: ProcessMemory, start: Address, end: Address): number {
  let bytes = 0;
  for (let area = process.areas.firstIn(start, end); area; area = process.areas.firstIn(area.end, end))
    bytes += Math.min(area.end, end) - Math.max(area.start, start);
  return bytes;
}
