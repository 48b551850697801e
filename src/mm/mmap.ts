/**
 * The verb mmap: `ksys_mmap_pgoff`, `do_mmap` and `__mmap_region` of mm/mmap.c and mm/vma.c. All checks come
 * before the first change, in the kernel's order, since that order decides which error a caller sees.
 *
 * @module
 */

import { type Address, alignDown, alignUp } from './address.ts';
import type { MappedFile } from './driver.ts';
import { getUnmappedArea, shmemGetUnmappedArea } from './get-unmapped-area.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
} from './map-flags.ts';
import { bytesIn, unmap } from './munmap.ts';
import { populate } from './populate.ts';
import type { Errno, ProcessMemory } from './process-memory.ts';
import {
  VM_ACCESS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
  VmArea,
} from './vm-area.ts';
import { MAP_PRIVATE, MAP_SHARED } from './vma.ts';
import { mergeNew } from './vma-merge.ts';

export interface MmapRequest {
  /** The hint, or with MAP_FIXED and MAP_FIXED_NOREPLACE the address. Default 0: anywhere. */
  readonly address?: Address;
  /** In bytes; rounded up to pages. */
  readonly length: number;
  /** PROT_ bits. */
  readonly prot: number;
  /** MAP_ bits: one of MAP_SHARED, MAP_PRIVATE and MAP_SHARED_VALIDATE, and others. */
  readonly flags: number;
  /** What is mapped; not looked at with MAP_ANONYMOUS, and needed without. */
  readonly file?: MappedFile | undefined;
  /** Of the first byte in the file; whole pages. Default 0. */
  readonly offset?: number;
}

/** The flags that MAP_SHARED_VALIDATE knows for any file: LEGACY_MAP_MASK of linux/mman.h. */
const LEGACY_FLAGS = 0xfc07f9f3;

/** A mapping that would be made now. */
interface PlannedMap {
  readonly area: VmArea;
  /** MAP_ bits as they work out. */
  readonly flags: number;
}

export function mmap(process: ProcessMemory, request: MmapRequest): Address | Errno {
  const planned = planMmap(process, request);
  if (typeof planned === 'string') return planned;
  const { area, flags } = planned;
  const { start, end } = area;
  if (!unmap(process, start, end)) return 'ENOMEM';
  if (!mergeNew(process.areas, area)) {
    const { fileOperations } = area.file ?? {};
    const added = fileOperations?.mmap && process.askDriver(() => fileOperations.mmap!(area));
    process.areas.insert(added ? area.with({ vmFlags: area.vmFlags | added }) : area);
  }
  if (flags & (MAP_LOCKED | MAP_POPULATE)) populate(process, start, end);
  return start;
}

/** Everything but the change. */
export function planMmap(process: ProcessMemory, request: MmapRequest): PlannedMap | Errno {
  const { pageSize, mmapMinAddr, maxMapCount } = process.options;
  const { prot, offset = 0 } = request;
  let { address = 0, flags } = request;
  if (offset % pageSize !== 0) return 'EINVAL';
  const file = flags & MAP_ANONYMOUS ? undefined : request.file;
  if (!file && !(flags & MAP_ANONYMOUS)) return 'EBADF';
  if (request.length === 0) return 'EINVAL';
  if (flags & MAP_FIXED_NOREPLACE) flags |= MAP_FIXED;
  if (!(flags & MAP_FIXED)) {
    address = alignDown(address, pageSize);
    if (address !== 0 && address < mmapMinAddr) address = alignUp(mmapMinAddr, pageSize);
  }
  const length = alignUp(request.length, pageSize);
  if (offset + length > Number.MAX_SAFE_INTEGER) return file ? 'EOVERFLOW' : 'ENOMEM';
  if (process.areas.size > maxMapCount) return 'ENOMEM';

  let vmFlags = (prot & VM_ACCESS) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (flags & MAP_GROWSDOWN) vmFlags |= VM_GROWSDOWN;
  if (flags & MAP_LOCKED) vmFlags |= VM_LOCKED;
  if (flags & MAP_STACK) vmFlags |= VM_NOHUGEPAGE;
  const where = { file, address, length, offset: file ? offset : 0, flags, vmFlags };
  const start = getUnmappedArea(process, where);
  if (typeof start === 'string') return start;
  const end = start + length;
  if (flags & MAP_FIXED_NOREPLACE && process.areas.firstIn(start, end)) return 'EEXIST';

  const typed = file ? flagsOfFile(file, flags, prot, vmFlags) : flagsOfAnonymous(flags, vmFlags);
  if (typeof typed === 'string') return typed;
  vmFlags = typed;
  if (flags & MAP_NORESERVE) vmFlags |= VM_NORESERVE;

  if (!process.mayExpand(length - bytesIn(process, start, end))) return 'ENOMEM';
  if ((vmFlags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE) vmFlags |= VM_ACCOUNT;

  // Shared anonymous memory is a nameless file of its own, of which each mapping has another.
  const backing = file ?? (vmFlags & VM_MAYSHARE ? sharedAnonymous(length) : undefined);
  let pageOffset = start / pageSize;
  if (backing) pageOffset = file ? offset / pageSize : 0;
  const kind = { vmFlags, file: backing, pageOffset, name: backing?.name ?? '', anonVma: undefined };
  return { area: new VmArea(start, end, kind, pageSize), flags };
}

function flagsOfFile(file: MappedFile, flags: number, prot: number, vmFlags: number): number | Errno {
  const { access = 'read-write' } = file;
  const type = flags & MAP_TYPE;
  const writable = access !== 'read';
  let result = vmFlags;
  if (type === MAP_SHARED_VALIDATE && flags & ~(LEGACY_FLAGS | MAP_TYPE)) return 'EOPNOTSUPP';
  if (type === MAP_SHARED || type === MAP_SHARED_VALIDATE) {
    if ((prot & VM_WRITE) !== 0 && !writable) return 'EACCES';
    result |= VM_SHARED | VM_MAYSHARE;
    if (!writable) result &= ~(VM_MAYWRITE | VM_SHARED);
  } else if (type !== MAP_PRIVATE) return 'EINVAL';
  if (access === 'write') return 'EACCES';
  return result & VM_GROWSDOWN ? 'EINVAL' : result;
}

function flagsOfAnonymous(flags: number, vmFlags: number): number | Errno {
  const type = flags & MAP_TYPE;
  if (type === MAP_PRIVATE) return vmFlags;
  if (type !== MAP_SHARED || vmFlags & VM_GROWSDOWN) return 'EINVAL';
  return vmFlags | VM_SHARED | VM_MAYSHARE;
}

function sharedAnonymous(size: number): MappedFile {
  return { name: '/dev/zero', size, fileOperations: { getUnmappedArea: shmemGetUnmappedArea } };
}
