/**
 * The driver's entry points: what a file can do about its mappings. The kernel's `struct file_operations`, as
 * far as address spaces know it: `get_unmapped_area` chooses the address, `mmap` looks at the new VMA, marks it
 * or refuses it.
 *
 * @module
 */

import type { Address } from './address.ts';
import type { AddressSpace } from './address-space.ts';
import type { VmArea } from './vm-area.ts';

/** What is to be placed. */
export interface AreaRequest {
  readonly file: MappedFile | undefined;
  /** The caller's hint, rounded down to a page, or 0; with MAP_FIXED the address that is asked for. */
  readonly address: Address;
  /** In bytes, whole pages. */
  readonly length: number;
  /** Of the first byte in the file, in bytes. */
  readonly offset: number;
  /** MAP_ bits. */
  readonly flags: number;
  /** VM_ bits that the mapping will have. 0 where the kernel does not say (mremap). */
  readonly vmFlags: number;
}

/** Methods of a file that is mapped. All optional. */
export interface FileOperations {
  /**
   * Chooses the address of a mapping, where the kernel calls `get_unmapped_area`: for every mmap, those with
   * MAP_FIXED included, and for every mremap that may move. `undefined` stands for ENOMEM; what it throws comes
   * out of mmap, with nothing changed. The answer must be a page boundary (EINVAL) with `length` bytes of
   * address space above it (ENOMEM), and free (EEXIST: the kernel would not notice) unless it is `address` and
   * `flags` has MAP_FIXED. The space must not be changed from here.
   */
  getUnmappedArea?(space: AddressSpace, request: AreaRequest): Address | undefined;
  /**
   * Looks at a new VMA before it is put in. A number that is returned is VM_ bits to add (VM_IO, VM_PFNMAP,
   * VM_DONTEXPAND and so on). What it throws comes out of mmap, and the range is then free: what MAP_FIXED has
   * replaced is gone already, as in the kernel. Not called where the new range continues a VMA of the same
   * file and offset and becomes part of it. The space must not be changed from here.
   */
  mmap?(vma: VmArea): number | void;
}

/** An open file, as mmap is given one. VMAs merge only if theirs is the same object. */
export interface MappedFile {
  /** As /proc/PID/maps would show it. Default: nothing. */
  readonly name?: string;
  /** How it was opened. Without `'write'` a shared mapping can't be writable. Default `'read-write'`. */
  readonly access?: 'read' | 'write' | 'read-write';
  /** In bytes. Mapping beyond it is allowed, touching is not. Default: nobody knows, and all can be touched. */
  readonly size?: number;
  readonly fileOperations?: FileOperations;
}
