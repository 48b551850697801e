/**
 * The arena: one sparse memory file in which the offset of a byte is its virtual address, sealed against resizing, so
 * that nobody can truncate it under others (that would be SIGBUS). Its length costs nothing; pages exist once touched,
 * and go when a hole is punched.
 *
 * @module
 */

import { SystemError } from '../errors.ts';
import {
  addSeals,
  close,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  memfdCreate,
  tryFtruncate,
} from '../linux/memfd.ts';

/** All of a 47-bit address space. */
export const FULL_ARENA_SIZE = 2 ** 47;
/** Below this an arena would not even serve a 32-bit device. */
const LEAST_SIZE = 2 ** 30;

export class Arena {
  readonly fd: number;
  /** Buffers lie below this address. Less than 2^47 only where RLIMIT_FSIZE forbids longer files. */
  readonly size: number;

  constructor(name: string) {
    this.fd = memfdCreate(`mirrorspace-${name}`);
    let size = FULL_ARENA_SIZE;
    try {
      while (size >= LEAST_SIZE && !tryFtruncate(this.fd, size)) size /= 2;
      if (size < LEAST_SIZE) {
        throw new SystemError('ftruncate', ['arena', LEAST_SIZE], 'EFBIG', 'Raise RLIMIT_FSIZE (ulimit -f)');
      }
      addSeals(this.fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    } catch (error) {
      close(this.fd);
      throw error;
    }
    this.size = size;
  }

  close(): void {
    close(this.fd);
  }
}
