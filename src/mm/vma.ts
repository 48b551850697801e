/**
 * A virtual memory area: one stretch of an address space whose pages are all of one kind. The numbers of
 * protection and flags are Linux's own (uapi/asm-generic/mman-common.h), so that they can be passed on.
 *
 * @module
 */

import type { Range } from './address.ts';

/** Pages can't be accessed. */
export const PROT_NONE = 0;
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const PROT_EXEC = 0x4;

/** Stores are seen by everyone who maps the same thing. */
export const MAP_SHARED = 0x01;
/** Stores are seen here only: copy on write. */
export const MAP_PRIVATE = 0x02;

/**
 * What the area is for, as far as its line in /proc/PID/maps tells: `file` anything with a path or an inode
 * (memfds and shared anonymous memory too: the kernel backs these by files), `heap` what brk gave, `stack`
 * a stack, `special` the kernel's own (vdso, vvar, uprobes), `anonymous` the rest.
 */
export type VmaKind = 'file' | 'heap' | 'stack' | 'special' | 'anonymous';

/** Half-open [start, end), in bytes. */
export interface Vma extends Range {
  /** PROT_ bits. */
  readonly prot: number;
  /** MAP_PRIVATE or MAP_SHARED. */
  readonly flags: number;
  /** Of `start` in the file, in bytes. NaN where the file offset itself is above 2^53. */
  readonly offset: number;
  /** Major and minor number of the file system as the kernel prints them: `fe:00`. `00:00` without a file. */
  readonly device: string;
  /** Decimal, `0` without a file. Text, because it identifies and some file systems use all 64 bits. */
  readonly inode: string;
  /** Path, `[heap]`, `[anon:name]` and so on; empty where there is none. Without a trailing ` (deleted)`. */
  readonly name: string;
  /** The file has no name any more. */
  readonly deleted: boolean;
  readonly kind: VmaKind;
}

/** `r-xp` as in /proc/PID/maps. */
export function formatProtection(vma: Pick<Vma, 'prot' | 'flags'>): string {
  const { prot, flags } = vma;
  return [
    prot & PROT_READ ? 'r' : '-',
    prot & PROT_WRITE ? 'w' : '-',
    prot & PROT_EXEC ? 'x' : '-',
    flags & MAP_SHARED ? 's' : 'p',
  ].join('');
}
