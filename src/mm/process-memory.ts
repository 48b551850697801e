/**
 * The state behind an {@link AddressSpace}, which its verbs work on: the kernel's `struct mm_struct`. Internal.
 *
 * @module
 */

import { outOfRange, StateError } from '../errors.ts';
import type { Address } from './address.ts';
import type { AddressSpace } from './address-space.ts';
import type { ResolvedOptions } from './space-options.ts';
import type { VmArea } from './vm-area.ts';
import { VmaTree } from './vma-tree.ts';

/** An error number by name: the answer of what the kernel has return one. */
export type Errno =
  | 'EACCES'
  | 'EAGAIN'
  | 'EBADF'
  | 'EEXIST'
  | 'EFAULT'
  | 'EINVAL'
  | 'ENOMEM'
  | 'EOPNOTSUPP'
  | 'EOVERFLOW'
  | 'EPERM';

export class ProcessMemory {
  readonly space: AddressSpace;
  readonly options: ResolvedOptions;
  areas: VmaTree;
  brk: Address | undefined;
  #askingDriver = false;

  constructor(space: AddressSpace, options: ResolvedOptions) {
    this.space = space;
    this.options = options;
    this.areas = new VmaTree(options.taskSize);
    this.brk = options.brk;
  }

  /** Whether RLIMIT_AS allows that many bytes more. */
  mayExpand(bytes: number): boolean {
    return this.areas.bytes + bytes <= this.options.addressSpaceLimit;
  }

  /** Runs code of a driver, from which nothing here may be changed. */
  askDriver<T>(ask: () => T): T {
    this.#askingDriver = true;
    try {
      return ask();
    } finally {
      this.#askingDriver = false;
    }
  }

  /** Called by every verb first. */
  checkIdle(verb: string): void {
    if (this.#askingDriver)
      throw new StateError(
        'busy',
        `${verb} was called from a driver's fileOperations: the address space can't be changed while it is`,
      );
  }

  /** The same VMAs again, as {@link AddressSpace.snapshot} gave them. */
  restore(areas: readonly VmArea[], brk: Address | undefined): void {
    const { pageSize, taskSize } = this.options;
    for (const { start, end } of areas)
      if (start % pageSize !== 0 || end % pageSize !== 0)
        throw outOfRange('vmas', `multiples of ${pageSize}, the page size`, start % pageSize ? start : end);
    const tree = new VmaTree(taskSize, areas);
    this.areas = tree;
    this.brk = brk;
  }
}
