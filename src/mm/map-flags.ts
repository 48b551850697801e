/**
 * The numbers that callers of mmap, mremap, mprotect and madvise pass: those of Linux on x86-64 and arm64
 * (uapi/asm-generic/mman.h, mman-common.h; the two marked x86 exist there only). Protections and the two
 * sharing types are in vma.ts.
 *
 * @module
 */

/** The bits that say how stores are shared. */
export const MAP_TYPE = 0x0f;
/** MAP_SHARED that refuses flags which the file does not know (EOPNOTSUPP). */
export const MAP_SHARED_VALIDATE = 0x03;
/** Exactly there, whatever was there before is unmapped. */
export const MAP_FIXED = 0x10;
/** No file: zeros. */
export const MAP_ANONYMOUS = 0x20;
/** In the first 2 GiB: x86 only. */
export const MAP_32BIT = 0x40;
/** Not in the first 4 GiB, unless the hint says so: x86 only, Linux 6.5. */
export const MAP_ABOVE4G = 0x80;
/** A stack: other mappings keep 256 pages away from its lower end. */
export const MAP_GROWSDOWN = 0x0100;
export const MAP_LOCKED = 0x2000;
/** Not counted against what the machine can commit. */
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
/** A thread's stack: no huge pages (since Linux 6.7). */
export const MAP_STACK = 0x20000;
/** Exactly there, or EEXIST. */
export const MAP_FIXED_NOREPLACE = 0x100000;

/** With mprotect on a stack: from the lower end of its VMA. */
export const PROT_GROWSDOWN = 0x01000000;
export const PROT_GROWSUP = 0x02000000;

export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
/** The old range stays mapped, without its pages. */
export const MREMAP_DONTUNMAP = 4;

export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_DONTDUMP = 16;
export const MADV_DODUMP = 17;
export const MADV_WIPEONFORK = 18;
export const MADV_KEEPONFORK = 19;
/** Faults the pages of the range in, as stores would. */
export const MADV_POPULATE_WRITE = 23;
