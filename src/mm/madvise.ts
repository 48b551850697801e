/**
 * The verb madvise, for advice that VMAs remember: `madvise_walk_vmas` and `madvise_update_vma` of mm/madvise.c.
 * Holes are passed over and then reported (ENOMEM), with the rest advised. What a fork or a core dump would do
 * is a flag of the VMA, so such advice splits and merges VMAs as mprotect does. MADV_POPULATE_WRITE is here as
 * well, since writing to memory decides what merges later. Other advice leaves no trace in the model: EINVAL.
 *
 * @module
 */

import { type Address, alignUp } from './address.ts';
import {
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WIPEONFORK,
} from './map-flags.ts';
import { populateWrite } from './populate.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import {
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_HUGEPAGE,
  VM_IO,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_SPECIAL,
  VM_WIPEONFORK,
  type VmArea,
} from './vm-area.ts';
import { modifyFlags } from './vma-merge.ts';

interface Advice {
  readonly set: number;
  readonly clear: number;
  /** EINVAL for such a VMA. */
  refuses?(area: VmArea): boolean;
}

const never = (bits: number) => (area: VmArea) => (area.vmFlags & bits) !== 0;

const ADVICE = new Map<number, Advice>([
  [MADV_NORMAL, { set: 0, clear: VM_RAND_READ | VM_SEQ_READ }],
  [MADV_RANDOM, { set: VM_RAND_READ, clear: VM_SEQ_READ }],
  [MADV_SEQUENTIAL, { set: VM_SEQ_READ, clear: VM_RAND_READ }],
  [MADV_DONTFORK, { set: VM_DONTCOPY, clear: 0 }],
  [MADV_DOFORK, { set: 0, clear: VM_DONTCOPY, refuses: never(VM_IO) }],
  [
    MADV_WIPEONFORK,
    {
      set: VM_WIPEONFORK,
      clear: 0,
      refuses: (area) => area.file !== undefined || (area.vmFlags & VM_SHARED) !== 0,
    },
  ],
  [MADV_KEEPONFORK, { set: 0, clear: VM_WIPEONFORK }],
  [MADV_DONTDUMP, { set: VM_DONTDUMP, clear: 0 }],
  [MADV_DODUMP, { set: 0, clear: VM_DONTDUMP, refuses: never(VM_SPECIAL) }],
  [MADV_HUGEPAGE, { set: VM_HUGEPAGE, clear: VM_NOHUGEPAGE, refuses: never(VM_SPECIAL) }],
  [MADV_NOHUGEPAGE, { set: VM_NOHUGEPAGE, clear: VM_HUGEPAGE, refuses: never(VM_SPECIAL) }],
]);

export function madvise(process: ProcessMemory, address: Address, length: number, advice: number): 0 | Errno {
  const { pageSize, hugePageSize, maxMapCount } = process.options;
  const known = ADVICE.get(advice);
  if (!known && advice !== MADV_POPULATE_WRITE) return 'EINVAL';
  // A kernel without huge pages does not know these two.
  if (hugePageSize === 0 && (advice === MADV_HUGEPAGE || advice === MADV_NOHUGEPAGE)) return 'EINVAL';
  if (address % pageSize !== 0) return 'EINVAL';
  const end = address + alignUp(length, pageSize);
  if (end > Number.MAX_SAFE_INTEGER) return 'EINVAL';
  if (end === address) return 0;
  if (!known) return populateWrite(process, address, end);

  let holes = false;
  for (let at = address; at < end; ) {
    const area = process.areas.find(at);
    if (!area) return 'ENOMEM';
    if (at < area.start) {
      holes = true;
      at = area.start;
      if (at >= end) break;
    }
    const until = Math.min(end, area.end);
    if (known.refuses?.(area)) return 'EINVAL';
    const vmFlags = (area.vmFlags & ~known.clear) | known.set;
    let changed: VmArea | undefined = area;
    if (vmFlags !== area.vmFlags) {
      changed = modifyFlags(process.areas, area, at, until, vmFlags, maxMapCount);
      // "A kernel resource was temporarily unavailable."
      if (!changed) return 'EAGAIN';
    }
    at = Math.max(until, changed.end);
  }
  return holes ? 'ENOMEM' : 0;
}
