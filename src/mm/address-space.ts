/**
 * The model of one process's address space: VMAs and the system calls that change them, as Linux 6.18 and 7.0
 * have them, with nothing behind them. A call gives what the kernel would give, and throws a
 * {@link SystemError} with the kernel's `errno` where the kernel would fail. The verbs are a file each.
 *
 * It is the process of one thread that has never forked; what it does not know (swap files, seals, userfaultfd,
 * memory policies, sealing by mseal) is as if unused.
 *
 * @module
 */

import { invalidType, outOfRange, SystemError } from '../errors.ts';
import type { Address } from './address.ts';
import { brk } from './brk.ts';
import type { GapTree } from './gap-tree.ts';
import { madvise } from './madvise.ts';
import { type MmapRequest, mmap, planMmap } from './mmap.ts';
import { mprotect } from './mprotect.ts';
import { type MremapRequest, mremap } from './mremap.ts';
import { munmap } from './munmap.ts';
import { type Errno, ProcessMemory } from './process-memory.ts';
import { type AddressSpaceOptions, type ResolvedOptions, resolveOptions } from './space-options.ts';
import type { VmaSource } from './unmapped-area.ts';
import { VM_GROWSDOWN, VM_SHADOW_STACK, VmArea } from './vm-area.ts';

/** The VMAs of a moment. Valid for the address space that gave it. */
export interface AddressSpaceSnapshot {
  /** In ascending order. */
  readonly vmas: readonly VmArea[];
  readonly brk: Address | undefined;
}

/** As a {@link VmaSource} it is what drivers search with `vmUnmappedArea`. */
export class AddressSpace implements VmaSource {
  /** What it was made with, defaults filled in. */
  readonly options: ResolvedOptions;
  readonly #memory: ProcessMemory;

  /** An empty one. @throws TypeError, RangeError */
  constructor(options: AddressSpaceOptions = {}) {
    this.options = resolveOptions(options);
    this.#memory = new ProcessMemory(this, this.options);
  }

  /**
   * Maps memory and gives its address.
   *
   * @throws SystemError `EINVAL`, `ENOMEM`, `EEXIST`, `EBADF`, `EACCES`, `EPERM`, `EOVERFLOW`, `EOPNOTSUPP`:
   * nothing has changed. TypeError, RangeError: an argument that is no number of bytes, or no bits. What a
   * driver throws comes through.
   */
  mmap(request: MmapRequest): Address {
    const args = checkMmap(request);
    this.#memory.checkIdle('mmap');
    return checked(mmap(this.#memory, request), 'mmap', args);
  }

  /**
   * The address that {@link mmap} would give now, without mapping anything.
   *
   * @throws SystemError as mmap where no place is found. TypeError, RangeError
   */
  getUnmappedArea(request: MmapRequest): Address {
    const args = checkMmap(request);
    this.#memory.checkIdle('getUnmappedArea');
    const planned = planMmap(this.#memory, request);
    return checked(typeof planned === 'string' ? planned : planned.area.start, 'mmap', args);
  }

  /**
   * Unmaps [address, address + length), length rounded up to pages; holes are no error.
   *
   * @throws SystemError `EINVAL`; `ENOMEM` where it would make one VMA too many. Nothing has changed. TypeError,
   * RangeError
   */
  munmap(address: Address, length: number): void {
    checkBytes('address', address);
    checkBytes('length', length);
    this.#memory.checkIdle('munmap');
    checked(munmap(this.#memory, address, length), 'munmap', [address, length]);
  }

  /**
   * Gives every page of the range the protection `prot` (PROT_ bits).
   *
   * @throws SystemError `EINVAL`: nothing has changed. `ENOMEM` at a hole or where there would be too many VMAs,
   * `EACCES` at a file's VMA that may not be so: what lies below has changed, as in the kernel. TypeError,
   * RangeError
   */
  mprotect(address: Address, length: number, prot: number): void {
    checkBytes('address', address);
    checkBytes('length', length);
    checkBits('prot', prot);
    this.#memory.checkIdle('mprotect');
    checked(mprotect(this.#memory, address, length, prot), 'mprotect', [address, length, prot]);
  }

  /**
   * Resizes or moves a mapping and gives its address.
   *
   * @throws SystemError `EINVAL`, `EFAULT`, `ENOMEM`. With MREMAP_FIXED what was at the new address may be gone
   * by then, as in the kernel; otherwise nothing has changed. TypeError, RangeError
   */
  mremap(request: MremapRequest): Address {
    const { address, oldLength, newLength, flags = 0, newAddress = 0 } = checkObject('request', request);
    checkBytes('request.address', address);
    checkBytes('request.oldLength', oldLength);
    checkBytes('request.newLength', newLength);
    checkBits('request.flags', flags);
    checkBytes('request.newAddress', newAddress);
    this.#memory.checkIdle('mremap');
    const result = mremap(this.#memory, request);
    return checked(result, 'mremap', [address, oldLength, newLength, flags, newAddress]);
  }

  /**
   * Moves the end of the heap and gives it as it is then: where it can't be moved there, as it was. (The system
   * call; the function of the C library turns that into an error.) TypeError, RangeError
   */
  brk(address: Address): Address {
    checkBytes('address', address);
    this.#memory.checkIdle('brk');
    return brk(this.#memory, address);
  }

  /**
   * Advice that VMAs remember (MADV_DONTFORK, MADV_DONTDUMP, MADV_HUGEPAGE and their like), and
   * MADV_POPULATE_WRITE.
   *
   * @throws SystemError `EINVAL`; `ENOMEM` where there are holes, after the rest was advised; `EAGAIN` where
   * there would be too many VMAs. TypeError, RangeError
   */
  madvise(address: Address, length: number, advice: number): void {
    checkBytes('address', address);
    checkBytes('length', length);
    checkBits('advice', advice);
    this.#memory.checkIdle('madvise');
    checked(madvise(this.#memory, address, length, advice), 'madvise', [address, length, advice]);
  }

  /** The VMA that contains the address. */
  find(address: Address): VmArea | undefined {
    checkBytes('address', address);
    return this.#memory.areas.at(address);
  }

  /** The first VMA that ends above the address: the kernel's `find_vma`. */
  areaAbove(address: Address): VmArea | undefined {
    checkBytes('address', address);
    return this.#memory.areas.find(address);
  }

  /** All of them, in ascending order. */
  vmas(): VmArea[] {
    return [...this.#memory.areas];
  }

  /** Number of VMAs: what `maxMapCount` limits. */
  get mapCount(): number {
    return this.#memory.areas.size;
  }

  /** Sum of their sizes in bytes: what `addressSpaceLimit` limits. */
  get size(): number {
    return this.#memory.areas.bytes;
  }

  /** The state now, to come back to with {@link AddressSpace.restore}. */
  snapshot(): AddressSpaceSnapshot {
    return { vmas: this.vmas(), brk: this.#memory.brk };
  }

  /** Puts back what {@link AddressSpace.snapshot} gave, or any VMAs that are in order and disjoint. @throws TypeError, RangeError */
  restore(snapshot: AddressSpaceSnapshot): void {
    checkObject('snapshot', snapshot);
    if (!Array.isArray(snapshot.vmas)) throw invalidType('snapshot.vmas', 'an array', snapshot.vmas);
    for (const vma of snapshot.vmas)
      if (!(vma instanceof VmArea)) throw invalidType('snapshot.vmas', 'an array of VmArea', vma);
    if (snapshot.brk !== undefined) checkBytes('snapshot.brk', snapshot.brk);
    this.#memory.checkIdle('restore');
    this.#memory.restore(snapshot.vmas, snapshot.brk);
  }

  /** The ranges of all VMAs, for searches. Change the address space by its verbs, never by this tree. */
  get ranges(): GapTree {
    return this.#memory.areas.ranges;
  }

  /** {@link VmaSource.guardBefore} */
  guardBefore(start: Address): number {
    const { areas } = this.#memory;
    if (!areas.guarded) return 0;
    const vmFlags = areas.startingAt(start)?.vmFlags ?? 0;
    if (vmFlags & VM_GROWSDOWN) return this.options.stackGuardGap;
    return vmFlags & VM_SHADOW_STACK ? this.options.pageSize : 0;
  }

  /** {@link VmaSource.mmapMinAddr} */
  get mmapMinAddr(): Address {
    return this.options.mmapMinAddr;
  }
}

/** The arguments as an error shows them. */
function checkMmap(request: MmapRequest): (number | string)[] {
  const { address = 0, length, prot, flags, offset = 0, file } = checkObject('request', request);
  checkBytes('request.address', address);
  checkBytes('request.length', length);
  checkBits('request.prot', prot);
  checkBits('request.flags', flags);
  checkBytes('request.offset', offset);
  if (file !== undefined) checkObject('request.file', file);
  return [address, length, prot, flags, file?.name ?? -1, offset];
}

function checkObject<T>(name: string, value: T): T {
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value);
  return value;
}

function checkBytes(name: string, value: number): void {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isSafeInteger(value) || value < 0)
    throw outOfRange(name, 'a safe integer, not negative', value);
}

function checkBits(name: string, value: number): void {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff)
    throw outOfRange(name, 'bits below 2 ** 31', value);
}

function checked(result: number | Errno, syscall: string, args: readonly (number | string)[]): number {
  if (typeof result === 'string') throw new SystemError(syscall, args, result);
  return result;
}
