/**
 * Who chooses the address of a mapping, and how: `__get_unmapped_area` of mm/mmap.c and the searches it calls,
 * with those of x86-64 (arch/x86/kernel/sys_x86_64.c) as the default one. The hint is taken if the place is
 * free; else the search runs from the top, and if that fails once more from the bottom.
 *
 * The three searches that kernel code gives to files are exported, so that a file's `fileOperations` can name
 * them: {@link defaultGetUnmappedArea}, {@link thpGetUnmappedArea}, {@link shmemGetUnmappedArea}.
 *
 * @module
 */

import { invalidType } from '../errors.ts';
import { type Address, alignDown, alignUp, GiB } from './address.ts';
import type { AddressSpace } from './address-space.ts';
import type { AreaRequest } from './driver.ts';
import { MAP_32BIT, MAP_ABOVE4G, MAP_FIXED } from './map-flags.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import { unmappedArea, unmappedAreaTopdown } from './unmapped-area.ts';
import { VM_SHADOW_STACK } from './vm-area.ts';
import { MAP_SHARED } from './vma.ts';

/** The address at which `request` would be mapped now. Length and hint are whole pages already. */
export function getUnmappedArea(process: ProcessMemory, request: AreaRequest): Address | Errno {
  const { taskSize, pageSize, mmapMinAddr, rawIo, hugePageSize } = process.options;
  const { file, address, length, flags } = request;
  if (length > taskSize) return 'ENOMEM';
  const ofFile = file?.fileOperations?.getUnmappedArea;
  let found: Address | undefined;
  if (ofFile) found = process.askDriver(() => ofFile.call(file.fileOperations, process.space, request));
  else if (!file && flags & MAP_SHARED) found = shmemGetUnmappedArea(process.space, request);
  else if (!file && address === 0 && hugePageSize > 0 && length % hugePageSize === 0)
    found = thpGetUnmappedArea(process.space, request);
  else found = defaultGetUnmappedArea(process.space, request);
  if (found === undefined) return 'ENOMEM';
  if (typeof found !== 'number' || Number.isNaN(found))
    throw invalidType('fileOperations.getUnmappedArea()', 'an address or undefined', found);
  if (found > taskSize - length) return 'ENOMEM';
  if (!(found >= 0) || found % pageSize !== 0) return 'EINVAL';
  if (found < mmapMinAddr && !rawIo) return 'EPERM';
  // The kernel trusts its drivers here: their answer would replace what lies there.
  const asked = (flags & MAP_FIXED) !== 0 && found === address;
  if (ofFile && !isKernels(ofFile) && !asked && process.areas.firstIn(found, found + length)) return 'EEXIST';
  return found;
}

/** `mm_get_unmapped_area`: the hint, else from the top down to the first page, else up from the legacy base. */
export function defaultGetUnmappedArea(space: AddressSpace, request: AreaRequest): Address | undefined {
  const { options } = space;
  return options.layout === 'legacy' ? bottomUp(space, request) : topDown(space, request);
}

/**
 * `thp_get_unmapped_area`: so placed that huge pages fit, if there is room for that: at an address that is
 * congruent to the offset modulo the size of a huge page.
 */
export function thpGetUnmappedArea(space: AddressSpace, request: AreaRequest): Address | undefined {
  return (
    alignedToHugePages(space, request, space.options.hugePageSize) ?? defaultGetUnmappedArea(space, request)
  );
}

/** `shmem_get_unmapped_area`: shared memory, aligned where the system gives it huge pages and it is that long. */
export function shmemGetUnmappedArea(space: AddressSpace, request: AreaRequest): Address | undefined {
  const { shmemHugePageSize: size, pageSize, taskSize } = space.options;
  const { address, length, flags } = request;
  const found = defaultGetUnmappedArea(space, request);
  if (found === undefined || size === 0 || flags & MAP_FIXED || found === address) return found;
  const offset = request.offset % size;
  if (length < size || (offset !== 0 && offset + length < 2 * size) || found % size === offset) return found;
  const inflated = length + size - pageSize;
  if (inflated > taskSize) return found;
  const wide = { ...request, file: undefined, length: inflated, offset: 0 };
  const place = defaultGetUnmappedArea(space, wide);
  if (place === undefined) return found;
  const aligned = place + modulo(offset - place, size);
  return aligned > taskSize - length ? found : aligned;
}

/** Those of the kernel itself are known not to overlap. */
export function isKernels(search: unknown): boolean {
  return (
    search === defaultGetUnmappedArea || search === thpGetUnmappedArea || search === shmemGetUnmappedArea
  );
}

function alignedToHugePages(space: AddressSpace, request: AreaRequest, size: number): Address | undefined {
  if (size === 0) return undefined;
  const { length, offset, address } = request;
  const end = offset + length;
  const aligned = alignUp(offset, size);
  if (end <= aligned || end - aligned < size) return undefined;
  const place = defaultGetUnmappedArea(space, { ...request, length: length + size });
  // The hint was free: it is taken as it is.
  if (place === undefined || place === address) return place || undefined;
  const rest = modulo(offset - place, size);
  return rest === 0 && space.options.layout === 'topdown' ? place + size : place + rest;
}

function topDown(space: AddressSpace, request: AreaRequest): Address | undefined {
  const { pageSize, taskSize, mmapBase, defaultMapWindow } = space.options;
  const { length, flags, vmFlags } = request;
  if (flags & MAP_FIXED) return request.address;
  if (flags & MAP_32BIT) return bottomUp(space, request);
  const hint = alignDown(request.address, pageSize);
  const inside = hint <= taskSize - length && hint > defaultMapWindow === hint + length > defaultMapWindow;
  if (hint !== 0 && inside && isClear(space, hint, length)) return hint;
  const found = unmappedAreaTopdown(space, {
    length,
    lowLimit: flags & MAP_ABOVE4G ? 4 * GiB : pageSize,
    // A hint above the default window opens what lies above it.
    highLimit: mmapBase + (hint > defaultMapWindow ? taskSize - defaultMapWindow : 0),
    startGap: vmFlags & VM_SHADOW_STACK ? pageSize : 0,
  });
  return found ?? bottomUp(space, { ...request, vmFlags: 0 });
}

function bottomUp(space: AddressSpace, request: AreaRequest): Address | undefined {
  const { pageSize, taskSize, legacyMmapBase, defaultMapWindow, map32BitBase } = space.options;
  const { length, flags, vmFlags } = request;
  if (flags & MAP_FIXED) return request.address;
  const low32 = (flags & MAP_32BIT) !== 0;
  const lowLimit = low32 ? map32BitBase : legacyMmapBase;
  const highLimit = low32 ? 2 * GiB : request.address > defaultMapWindow ? taskSize : defaultMapWindow;
  if (length > highLimit) return undefined;
  const hint = alignUp(request.address, pageSize);
  if (hint !== 0 && hint <= highLimit - length && isClear(space, hint, length)) return hint;
  const startGap = vmFlags & VM_SHADOW_STACK ? pageSize : 0;
  return unmappedArea(space, { length, lowLimit, highLimit, startGap });
}

/** Free, and out of the guard gap of the VMA above. x86 has none above a VMA. */
function isClear(space: AddressSpace, start: Address, length: number): boolean {
  const above = space.areaAbove(start);
  return !above || start + length <= Math.max(0, above.start - space.guardBefore(above.start));
}

function modulo(value: number, size: number): number {
  return value - Math.floor(value / size) * size;
}
