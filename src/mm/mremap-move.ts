/**
 * The moving part of mremap: where to (`vrm_set_new_addr`), and the move itself (`move_vma`, `copy_vma`,
 * `dontunmap_complete` of mm/mremap.c and mm/vma.c).
 *
 * @module
 */

import type { Address } from './address.ts';
import { getUnmappedArea } from './get-unmapped-area.ts';
import { MAP_FIXED, MREMAP_DONTUNMAP, MREMAP_FIXED } from './map-flags.ts';
import type { Move } from './mremap.ts';
import { unmap } from './munmap.ts';
import { populate } from './populate.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import { VM_LOCKED, VM_MAYSHARE, VmArea } from './vm-area.ts';
import { MAP_SHARED } from './vma.ts';
import { insertMerging } from './vma-merge.ts';

/** Where the moved range goes: searched like a new mapping of the same file. */
export function placeFor(process: ProcessMemory, area: VmArea, move: Move): Address | Errno {
  const { pageSize } = process.options;
  const { address, newLength, newAddress, flags } = move;
  const given = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  return getUnmappedArea(process, {
    file: area.file,
    address: given ? newAddress : 0,
    length: newLength,
    offset: area.file ? (area.pageOffset + (address - area.start) / pageSize) * pageSize : 0,
    flags: (flags & MREMAP_FIXED ? MAP_FIXED : 0) | (area.vmFlags & VM_MAYSHARE ? MAP_SHARED : 0),
    vmFlags: 0,
  });
}

/** Moves `oldLength` bytes of `area` to `newAddress`, which is free, as `newLength` bytes there. */
export function moveArea(process: ProcessMemory, area: VmArea, move: Move): Address | Errno {
  const { areas, options } = process;
  const { address, oldLength, newLength, newAddress, flags } = move;
  const { pageSize, maxMapCount } = options;
  if (areas.size >= maxMapCount - 3) return 'ENOMEM';

  // Private memory that was never written has no pages to stay with: it is as if mapped there, and merges there.
  const untouched = !area.file && !area.anonVma;
  const pageOffset = untouched ? newAddress / pageSize : area.pageOffset + (address - area.start) / pageSize;
  const { vmFlags, file, name, anonVma } = area;
  const copy = { vmFlags, file, name, anonVma, pageOffset };
  const whole = area.start === address && area.end === address + oldLength;
  const moved = insertMerging(areas, new VmArea(newAddress, newAddress + newLength, copy, pageSize));

  const joined = moved.start <= address && address < moved.end;
  if (flags & MREMAP_DONTUNMAP) {
    const old = areas.at(address)!;
    areas.replace(
      old,
      old.with({
        vmFlags: old.vmFlags & ~VM_LOCKED,
        // All its pages have gone, and with them what they had in common with others.
        anonVma: whole && !joined ? undefined : old.anonVma,
      }),
    );
  } else if (oldLength > 0) unmap(process, address, address + oldLength);
  if (vmFlags & VM_LOCKED && newLength > oldLength)
    populate(process, newAddress + oldLength, newAddress + newLength);
  return newAddress;
}
