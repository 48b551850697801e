/**
 * The verb brk: `SYSCALL_DEFINE1(brk)` and `do_brk_flags` of mm/mmap.c and mm/vma.c. It never fails: it answers
 * the break as it is afterwards, which is the old one where the new one can't be.
 *
 * @module
 */

import { type Address, alignUp } from './address.ts';
import { unmap } from './munmap.ts';
import type { ProcessMemory } from './process-memory.ts';
import { VM_ACCOUNT, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_READ, VM_WRITE, VmArea } from './vm-area.ts';
import { mergeNew } from './vma-merge.ts';

const HEAP_FLAGS = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT;

export function brk(process: ProcessMemory, wanted: Address): Address {
  const { pageSize, taskSize, brkStart, maxMapCount, mmapMinAddr, rawIo } = process.options;
  const { areas, brk: old } = process;
  if (brkStart === undefined || old === undefined) return 0;
  if (wanted < brkStart || wanted > taskSize) return old;
  const from = alignUp(old, pageSize);
  const to = alignUp(wanted, pageSize);
  if (to < from) {
    const area = areas.firstIn(to, from);
    // Someone else has unmapped the heap, or mapped something behind it.
    if (!area || area.start >= from || !unmap(process, to, from)) return old;
  } else if (to > from) {
    if (to > taskSize || (from < mmapMinAddr && !rawIo)) return old;
    const above = areas.find(from);
    if (above && to + pageSize > Math.max(0, above.start - process.space.guardBefore(above.start)))
      return old;
    if (!process.mayExpand(to - from) || areas.size > maxMapCount) return old;
    const kind = {
      vmFlags: HEAP_FLAGS,
      file: undefined,
      pageOffset: from / pageSize,
      name: '[heap]',
      anonVma: undefined,
    };
    const area = new VmArea(from, to, kind, pageSize);
    if (!mergeNew(areas, area, true)) areas.insert(area);
  }
  process.brk = wanted;
  return wanted;
}
