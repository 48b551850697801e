/**
 * Faulting pages in for writing, as far as VMAs notice: the first private page that is written gives its VMA an
 * {@link AnonVma}, shared with a neighbour that it could have been one with before an mprotect
 * (`__anon_vma_prepare` and `find_mergeable_anon_vma` of mm/rmap.c and mm/vma.c).
 *
 * @module
 */

import { type Address, alignUp } from './address.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import { AnonVma, VM_ACCESS, VM_IO, VM_PFNMAP, VM_SHARED, VM_WRITE, type VmArea } from './vm-area.ts';

/** What MAP_POPULATE and VM_LOCKED do: pages that can be written privately are. Holes are passed over. */
export function populate(process: ProcessMemory, start: Address, end: Address): void {
  for (let area = process.areas.firstIn(start, end); area; area = process.areas.firstIn(area.end, end))
    if ((area.vmFlags & (VM_WRITE | VM_SHARED)) === VM_WRITE) writeTo(process, area);
}

/** MADV_POPULATE_WRITE: from the bottom up, as far as it goes. */
export function populateWrite(process: ProcessMemory, start: Address, end: Address): 0 | Errno {
  for (let at = start; at < end; ) {
    const area = process.areas.at(at);
    if (!area) return 'ENOMEM';
    if (!(area.vmFlags & VM_WRITE) || area.vmFlags & (VM_IO | VM_PFNMAP)) return 'EINVAL';
    if (!(area.vmFlags & VM_SHARED)) writeTo(process, area);
    if (area.offset + Math.min(end, area.end) - area.start > endOfFile(process, area)) return 'EFAULT';
    at = area.end;
  }
  return 0;
}

/** A page behind the end of a file is there and can't be touched: SIGBUS. */
function endOfFile({ options }: ProcessMemory, { file }: VmArea): number {
  return file?.size === undefined ? Number.POSITIVE_INFINITY : alignUp(file.size, options.pageSize);
}

function writeTo({ areas }: ProcessMemory, area: VmArea): void {
  if (area.anonVma) return;
  const next = areas.startingAt(area.end);
  const previous = areas.endingAt(area.start);
  const anonVma =
    (next && wasOne(area, next) ? next.anonVma : undefined) ??
    (previous && wasOne(previous, area) ? previous.anonVma : undefined) ??
    new AnonVma();
  areas.replace(area, area.with({ anonVma }));
}

/** Protection apart, `below` and `above` could be one VMA. */
function wasOne(below: VmArea, above: VmArea): boolean {
  return (
    below.file === above.file &&
    ((below.vmFlags ^ above.vmFlags) & ~VM_ACCESS) === 0 &&
    below.endPageOffset === above.pageOffset
  );
}
