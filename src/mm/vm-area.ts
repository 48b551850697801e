/**
 * One VMA of an {@link AddressSpace}: what the kernel's `struct vm_area_struct` holds as far as it decides
 * where things go and what merges. Immutable; a change makes a new one, so that a list of VMAs once handed out
 * never changes under its holder.
 *
 * @module
 */

import type { Address, Range } from './address.ts';
import type { MappedFile } from './driver.ts';
import { MAP_PRIVATE, MAP_SHARED } from './vma.ts';

// The kernel's names. The numbers are the kernel's too, except for the shadow stack's, which has more than 32
// bits there.
export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
/** These four: what mprotect may allow. */
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
/** A stack; 256 pages below it are kept free. */
export const VM_GROWSDOWN = 0x100;
/** A shadow stack; one page below it is kept free. */
export const VM_SHADOW_STACK = 0x200;
/** A device's pages, without a `struct page`. */
export const VM_PFNMAP = 0x400;
export const VM_LOCKED = 0x2000;
/** Memory-mapped input and output. */
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
export const VM_DONTCOPY = 0x20000;
/** mremap can't grow it. */
export const VM_DONTEXPAND = 0x40000;
/** Its pages count as committed memory. */
export const VM_ACCOUNT = 0x100000;
export const VM_NORESERVE = 0x200000;
export const VM_WIPEONFORK = 0x2000000;
export const VM_DONTDUMP = 0x4000000;
export const VM_MIXEDMAP = 0x10000000;
export const VM_HUGEPAGE = 0x20000000;
export const VM_NOHUGEPAGE = 0x40000000;

export const VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC;
/** Never merged, never grown. */
export const VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP;

/**
 * What VMAs have in common whose private pages were written (the kernel's `anon_vma`). Two VMAs that have
 * different ones can't merge, and memory that has one keeps its page offset when mremap moves it.
 */
export class AnonVma {}

/** What tells VMAs apart besides their place. */
export interface VmAreaKind {
  /** VM_ bits. */
  readonly vmFlags: number;
  /** undefined for private anonymous memory. */
  readonly file: MappedFile | undefined;
  /**
   * The kernel's `vm_pgoff`, in pages. Of the first page in the file; for private anonymous memory the number
   * of the page at the address where it was mapped.
   */
  readonly pageOffset: number;
  /** As /proc/PID/maps would show it. */
  readonly name: string;
  readonly anonVma: AnonVma | undefined;
}

/** Half-open [start, end), in bytes. */
export class VmArea implements Range, VmAreaKind {
  readonly start: Address;
  readonly end: Address;
  readonly vmFlags: number;
  readonly file: MappedFile | undefined;
  readonly pageOffset: number;
  readonly name: string;
  readonly anonVma: AnonVma | undefined;
  readonly #pageSize: number;

  constructor(start: Address, end: Address, kind: VmAreaKind, pageSize: number) {
    this.start = start;
    this.end = end;
    this.vmFlags = kind.vmFlags;
    this.file = kind.file;
    this.pageOffset = kind.pageOffset;
    this.name = kind.name;
    this.anonVma = kind.anonVma;
    this.#pageSize = pageSize;
  }

  /** PROT_ bits. */
  get prot(): number {
    return this.vmFlags & VM_ACCESS;
  }

  /** MAP_SHARED or MAP_PRIVATE, as /proc/PID/maps tells them apart. */
  get flags(): number {
    return this.vmFlags & VM_MAYSHARE ? MAP_SHARED : MAP_PRIVATE;
  }

  /** Of `start` in the file, in bytes; 0 without a file. */
  get offset(): number {
    return this.file ? this.pageOffset * this.#pageSize : 0;
  }

  get size(): number {
    return this.end - this.start;
  }

  /** The same memory in other bounds; the page offset follows the start. */
  within(start: Address, end: Address): VmArea {
    const pageOffset = this.pageOffset + (start - this.start) / this.#pageSize;
    return new VmArea(start, end, { ...kindOf(this), pageOffset }, this.#pageSize);
  }

  with(change: Partial<Pick<VmAreaKind, 'vmFlags' | 'anonVma'>>): VmArea {
    return new VmArea(this.start, this.end, { ...kindOf(this), ...change }, this.#pageSize);
  }

  /** Page offset of the first page after it. */
  get endPageOffset(): number {
    return this.pageOffset + (this.end - this.start) / this.#pageSize;
  }
}

function kindOf({ vmFlags, file, pageOffset, name, anonVma }: VmAreaKind): VmAreaKind {
  return { vmFlags, file, pageOffset, name, anonVma };
}
