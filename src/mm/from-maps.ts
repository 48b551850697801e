/**
 * An address space as /proc/PID/maps shows it: rebuilt from the parsed text, for searching in it and for trying
 * what a call would do. The text does not say all: which pages were written, advice, and what a file's own
 * operations are. So searches are exact, and merges with VMAs that were there before may differ.
 *
 * @module
 */

import type { Address } from './address.ts';
import { AddressSpace } from './address-space.ts';
import type { MappedFile } from './driver.ts';
import type { AddressSpaceOptions } from './space-options.ts';
import {
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_SHARED,
  VM_WRITE,
  VmArea,
} from './vm-area.ts';
import { MAP_SHARED, type Vma } from './vma.ts';

/**
 * The address space that holds these VMAs ({@link parseMaps}). The stack keeps its guard gap; the heap becomes
 * what brk moves unless the options say otherwise. A VMA beyond `taskSize` is left out.
 *
 * @throws RangeError if VMAs are not in order, overlap, or are not of whole pages
 */
export function addressSpaceOf(vmas: readonly Vma[], options: AddressSpaceOptions = {}): AddressSpace {
  const heap = vmas.filter(({ kind }) => kind === 'heap');
  const ofHeap = heap.length > 0 ? { brkStart: heap[0]!.start, brk: heap.at(-1)!.end } : {};
  const space = new AddressSpace({ ...ofHeap, ...options });
  const { pageSize, taskSize } = space.options;
  const files = new Map<string, MappedFile>();
  const areas = vmas
    .filter(({ end }) => end <= taskSize)
    .map((vma) => {
      const { start, end, kind, name } = vma;
      const file = kind === 'file' || kind === 'special' ? fileOf(files, vma) : undefined;
      const pageOffset = (file ? Math.max(0, vma.offset || 0) : start) / pageSize;
      return new VmArea(
        start,
        end,
        { vmFlags: flagsOf(vma), file, pageOffset, name, anonVma: undefined },
        pageSize,
      );
    });
  space.restore({ vmas: areas, brk: space.options.brk });
  return space;
}

/**
 * The `mmapBase` of a process, found by trying: let it map one page anywhere (`mmap(NULL, ...)`), and take its
 * VMAs after that. The page lies at the highest free place below the base. So either the base is its end, or
 * all is taken from there up to the base. undefined where the probe is not among the VMAs.
 */
export function observeMmapBase(vmas: readonly Vma[], probe: Address): Address | undefined {
  let at = vmas.findIndex(({ start, end }) => start <= probe && probe < end);
  if (at === -1) return undefined;
  while (vmas[at + 1]?.start === vmas[at]!.end && vmas[at + 1]!.kind !== 'stack') at++;
  return vmas[at]!.end;
}

/** One object for all VMAs of one file, since that is how they know that they could be one. */
function fileOf(files: Map<string, MappedFile>, { device, inode, name }: Vma): MappedFile {
  const key = `${device} ${inode} ${inode === '0' ? name : ''}`;
  const file = files.get(key) ?? { name };
  files.set(key, file);
  return file;
}

function flagsOf({ prot, flags, kind }: Vma): number {
  let vmFlags = prot | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (flags & MAP_SHARED) vmFlags |= VM_SHARED | VM_MAYSHARE;
  else if (prot & VM_WRITE) vmFlags |= VM_ACCOUNT;
  return kind === 'stack' ? vmFlags | VM_GROWSDOWN : vmFlags;
}
