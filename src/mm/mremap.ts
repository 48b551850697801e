/**
 * The verb mremap: `do_mremap` of mm/mremap.c as it is since Linux 6.17. What decides between its forms is
 * whether a new address is given (MREMAP_FIXED, or MREMAP_DONTUNMAP with a hint) and whether the size changes.
 *
 *     same size, no new address   nothing happens
 *     smaller                     the tail is unmapped
 *     larger                      in place if the VMA ends there and the next bytes are free, else moved
 *     MREMAP_FIXED                the target is unmapped, then the range is moved there; of the same size it may
 *                                 span several VMAs
 *     MREMAP_DONTUNMAP            moved, and the old range stays, empty
 *
 * A move that fails after the target was unmapped, or in the middle of several VMAs, stays half done: the
 * kernel's behaviour too.
 *
 * @module
 */

import { type Address, alignUp } from './address.ts';
import { isKernels } from './get-unmapped-area.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from './map-flags.ts';
import { moveArea, placeFor } from './mremap-move.ts';
import { unmap } from './munmap.ts';
import { populate } from './populate.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import { VM_DONTEXPAND, VM_LOCKED, VM_MAYSHARE, VM_PFNMAP, VM_SHARED, type VmArea } from './vm-area.ts';
import { mergeNew } from './vma-merge.ts';

export interface MremapRequest {
  /** Start of the range, a page boundary. */
  readonly address: Address;
  /** In bytes, rounded up to pages. 0 maps shared memory a second time. */
  readonly oldLength: number;
  /** In bytes, rounded up to pages. */
  readonly newLength: number;
  /** MREMAP_ bits. Default 0. */
  readonly flags?: number;
  /** With MREMAP_FIXED where to; with MREMAP_DONTUNMAP alone a hint. Default 0. */
  readonly newAddress?: Address;
}

/** A move of one VMA, or of a part of one; lengths in whole pages. */
export interface Move {
  readonly address: Address;
  readonly oldLength: number;
  readonly newLength: number;
  readonly flags: number;
  readonly newAddress: Address;
}

export function mremap(process: ProcessMemory, request: MremapRequest): Address | Errno {
  const { pageSize } = process.options;
  const { address, flags = 0, newAddress = 0 } = request;
  const oldLength = alignUp(request.oldLength, pageSize);
  const newLength = alignUp(request.newLength, pageSize);
  const move = { address, oldLength, newLength, flags, newAddress };
  const wrong = checkParameters(process, move);
  if (wrong) return wrong;
  if (flags & MREMAP_FIXED && oldLength === newLength) return moveSeveral(process, move);
  const refused = checkArea(process, move, process.areas.at(address));
  if (refused) return refused;
  return hasNewAddress(move) ? moveTo(process, move) : resizeAt(process, move);
}

function hasNewAddress({ flags }: Move): boolean {
  return (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
}

function checkParameters(process: ProcessMemory, move: Move): Errno | undefined {
  const { pageSize, taskSize, maxMapCount } = process.options;
  const { address, oldLength, newLength, flags, newAddress } = move;
  if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) return 'EINVAL';
  if (address % pageSize !== 0 || newLength === 0 || newLength > taskSize) return 'EINVAL';
  if (!hasNewAddress(move)) return undefined;
  if (newAddress > taskSize - newLength || newAddress % pageSize !== 0) return 'EINVAL';
  if (!(flags & MREMAP_MAYMOVE)) return 'EINVAL';
  if (flags & MREMAP_DONTUNMAP && oldLength !== newLength) return 'EINVAL';
  if (address + oldLength > newAddress && newAddress + newLength > address) return 'EINVAL';
  // Both ends may split a VMA, and a move needs four to spare.
  if (process.areas.size + 2 >= maxMapCount - 3) return 'ENOMEM';
  return undefined;
}

/** What concerns the VMA at the address. */
function checkArea(process: ProcessMemory, move: Move, area: VmArea | undefined): Errno | undefined {
  const { address, newLength, flags } = move;
  if (!area) return 'EFAULT';
  if (newLength <= move.oldLength && !hasNewAddress(move)) return undefined;
  if (move.oldLength === 0 && !(area.vmFlags & (VM_SHARED | VM_MAYSHARE))) return 'EINVAL';
  const fixedSize = (area.vmFlags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0;
  if (flags & MREMAP_DONTUNMAP && fixedSize) return 'EINVAL';
  // What a shrink cuts off may reach over the end of the VMA, and nothing else may.
  const oldLength = Math.min(move.oldLength, newLength);
  if (oldLength > area.end - address) return 'EFAULT';
  if (newLength === oldLength) return undefined;
  if (fixedSize) return 'EFAULT';
  return process.mayExpand(newLength - oldLength) ? undefined : 'ENOMEM';
}

function resizeAt(process: ProcessMemory, move: Move): Address | Errno {
  const { areas } = process;
  const { address, oldLength, newLength, flags } = move;
  if (newLength === oldLength) return address;
  if (newLength < oldLength)
    return unmap(process, address + newLength, address + oldLength) ? address : 'ENOMEM';
  const area = areas.at(address)!;
  const end = address + newLength;
  if (area.end - address === oldLength && end <= process.options.taskSize && !areas.firstIn(area.end, end)) {
    // An extension of a VMA is a new range that can be merged with it, and with the next one as well.
    const extension = area.within(area.end, end);
    if (!mergeNew(areas, extension)) return 'ENOMEM';
    if (area.vmFlags & VM_LOCKED) populate(process, area.end, end);
    return address;
  }
  if (!(flags & MREMAP_MAYMOVE)) return 'ENOMEM';
  const newAddress = placeFor(process, area, move);
  if (typeof newAddress === 'string') return newAddress;
  return moveArea(process, area, { ...move, newAddress });
}

/** `mremap_to`: the target given by the caller is made free first. */
function moveTo(process: ProcessMemory, given: Move): Address | Errno {
  const { address, oldLength, newLength, flags } = given;
  let { newAddress } = given;
  const { areas } = process;
  if (flags & MREMAP_FIXED && !unmap(process, newAddress, newAddress + newLength)) return 'ENOMEM';
  if (newLength < oldLength && !unmap(process, address + newLength, address + oldLength)) return 'ENOMEM';
  const move = { ...given, oldLength: Math.min(oldLength, newLength) };
  if (flags & MREMAP_DONTUNMAP && !process.mayExpand(oldLength)) return 'ENOMEM';
  const area = areas.at(address);
  if (!area) return 'EFAULT';
  const place = placeFor(process, area, move);
  if (typeof place === 'string') return place;
  newAddress = place;
  return moveArea(process, area, { ...move, newAddress });
}

/** `remap_move`: one VMA after the other, with the holes between them kept. */
function moveSeveral(process: ProcessMemory, move: Move): Address | Errno {
  const { address, oldLength } = move;
  const end = address + oldLength;
  let target = move.newAddress;
  let result: Address | Errno = 'EFAULT';
  let previousEnd: Address | undefined;
  let area = process.areas.firstIn(address, end);
  while (area) {
    if (previousEnd === undefined && address < area.start) return 'EFAULT';
    const from = Math.max(area.start, address);
    const length = Math.min(area.end, end) - from;
    const newAddress = target + (previousEnd === undefined ? 0 : area.start - previousEnd);
    previousEnd = area.end;
    const part = { address: from, oldLength: length, newLength: length, flags: move.flags, newAddress };
    // A driver that chooses its own address can't be asked for several.
    const ofFile = area.file?.fileOperations?.getUnmappedArea;
    if (ofFile && !isKernels(ofFile) && (from > address || area.end < end)) return 'EFAULT';
    const moved = checkArea(process, part, area) ?? moveTo(process, part);
    if (typeof moved === 'string') return moved;
    if (result === 'EFAULT') result = moved;
    target = moved + length;
    // The moved part may have merged with what it came from: beyond the range there is nothing to look for.
    area = previousEnd < end ? process.areas.firstIn(previousEnd, end) : undefined;
  }
  return result;
}
