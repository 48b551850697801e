/**
 * The verb mprotect: `do_mprotect_pkey` and `mprotect_fixup` of mm/mprotect.c. It goes from VMA to VMA, so where
 * it fails on the way (a hole, a VMA that may not be written) what lies below has its new protection already:
 * that is the kernel's behaviour too.
 *
 * @module
 */

import { type Address, alignUp } from './address.ts';
import { PROT_GROWSDOWN, PROT_GROWSUP } from './map-flags.ts';
import { populate } from './populate.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import {
  VM_ACCESS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from './vm-area.ts';
import { modifyFlags } from './vma-merge.ts';

/** The bits that allow an access lie four above those that grant it. */
const MAY_SHIFT = 4;

export function mprotect(process: ProcessMemory, address: Address, length: number, prot: number): 0 | Errno {
  const { pageSize } = process.options;
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP) || address % pageSize !== 0) return 'EINVAL';
  if (length === 0) return 0;
  const end = address + alignUp(length, pageSize);
  if (end > Number.MAX_SAFE_INTEGER) return 'ENOMEM';
  if (prot & ~(VM_ACCESS | PROT_GROWSDOWN | PROT_GROWSUP | PROT_SEM)) return 'EINVAL';

  const first = process.areas.firstIn(address, end);
  if (!first) return 'ENOMEM';
  let start = address;
  if (grows === PROT_GROWSDOWN) {
    start = first.start;
    if (!(first.vmFlags & VM_GROWSDOWN)) return 'EINVAL';
  } else if (first.start > address) return 'ENOMEM';
  // No architecture here has stacks that grow up.
  else if (grows === PROT_GROWSUP) return 'EINVAL';

  for (let at = start; at < end; ) {
    const area = process.areas.at(at);
    if (!area) return 'ENOMEM';
    const until = Math.min(end, area.end);
    const vmFlags = (area.vmFlags & ~VM_ACCESS) | (prot & VM_ACCESS);
    if (vmFlags & ~(vmFlags >> MAY_SHIFT) & VM_ACCESS) return 'EACCES';
    const changed = protect(process, area, at, until, vmFlags);
    if (!changed) return 'ENOMEM';
    // It may have become one with the VMA above, which has that protection already.
    at = Math.max(until, changed.end);
  }
  return 0;
}

/** PROT_SEM of some architectures: accepted, without effect. */
const PROT_SEM = 0x8;

function protect(
  process: ProcessMemory,
  area: VmArea,
  start: Address,
  end: Address,
  wanted: number,
): VmArea | undefined {
  const old = area.vmFlags;
  if (wanted === old) return area;
  let vmFlags = wanted;
  if (wanted & VM_WRITE) {
    // A private mapping that becomes writable is memory that may be needed.
    if (!(old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))) vmFlags |= VM_ACCOUNT;
  } else if (old & VM_ACCOUNT && !area.file && !area.anonVma) vmFlags &= ~VM_ACCOUNT;
  const { areas, options } = process;
  const changed = modifyFlags(areas, area, start, end, vmFlags, options.maxMapCount);
  if (changed && vmFlags & VM_WRITE && (old & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED)
    populate(process, start, end);
  return changed && areas.at(start);
}
