/**
 * What a process's address space depends on besides its VMAs: where it ends, where searches begin, and the
 * limits. The defaults are those of 4-level page tables on x86-64 without randomisation.
 *
 * @module
 */

import { invalidType, outOfRange } from '../errors.ts';
import { type Address, isPowerOfTwo, KiB, MiB } from './address.ts';

export interface AddressSpaceOptions {
  /** Bytes, a power of two. Default 4096. */
  readonly pageSize?: number;
  /** End of the address space, at most 2^52. Default 2^47 - pageSize. */
  readonly taskSize?: Address;
  /**
   * End of what is given without a hint above it (x86-64 with 5-level page tables has 2^47 - pageSize).
   * Default: `taskSize`.
   */
  readonly defaultMapWindow?: Address;
  /** `'topdown'`: below `mmapBase`, then above `legacyMmapBase`. `'legacy'`: the latter only. Default `'topdown'`. */
  readonly layout?: 'topdown' | 'legacy';
  /**
   * Exclusive end of the top-down search. Linux randomises it and shows it nowhere; see {@link observeMmapBase}.
   * Default: 256 MiB below the default window.
   */
  readonly mmapBase?: Address;
  /** Start of the bottom-up search. Default: a third of the default window. */
  readonly legacyMmapBase?: Address;
  /** Start of the search for MAP_32BIT, which Linux moves by up to 32 MiB for every call. Default 1 GiB. */
  readonly map32BitBase?: Address;
  /** `vm.mmap_min_addr`. Default 65536. */
  readonly mmapMinAddr?: Address;
  /** MAP_FIXED below `mmapMinAddr` is allowed (CAP_SYS_RAWIO), and not EPERM. Default false. */
  readonly rawIo?: boolean;
  /** Kept free below a stack, in bytes. Default 256 pages. */
  readonly stackGuardGap?: number;
  /** `vm.max_map_count`. Default 65530. */
  readonly maxMapCount?: number;
  /** RLIMIT_AS in bytes. Default: none. */
  readonly addressSpaceLimit?: number;
  /** Size that large anonymous mappings are aligned to, in bytes; 0 for a kernel without them. Default 2 MiB. */
  readonly hugePageSize?: number;
  /** Same for shared memory where the system gives huge pages to it; 0, the default, where it does not. */
  readonly shmemHugePageSize?: number;
  /** Where the heap of brk begins. Default: there is none, and brk always fails. */
  readonly brkStart?: Address;
  /** The break now, at least `brkStart`. Default `brkStart`. */
  readonly brk?: Address;
}

export type ResolvedOptions = Required<Omit<AddressSpaceOptions, 'brk' | 'brkStart'>> & {
  readonly brkStart: Address | undefined;
  readonly brk: Address | undefined;
};

/** Addresses that the model can do sums with and stay exact. */
const HIGHEST = 2 ** 52;

/** @throws TypeError, RangeError */
export function resolveOptions(options: AddressSpaceOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { pageSize = 4 * KiB } = options;
  if (typeof pageSize !== 'number') throw invalidType('pageSize', 'a number', pageSize);
  if (!isPowerOfTwo(pageSize) || pageSize > 64 * KiB)
    throw outOfRange('pageSize', 'a power of two, at most 64 KiB', pageSize);
  const number = (name: keyof AddressSpaceOptions, fallback: number, least: number, most: number) => {
    const value = options[name] ?? fallback;
    if (typeof value !== 'number') throw invalidType(name, 'a number', value);
    if (!Number.isInteger(value) || value < least || value > most)
      throw outOfRange(name, `an integer from ${least} to ${most}`, value);
    return value;
  };
  const page = (name: keyof AddressSpaceOptions, fallback: number, least: number, most: number) => {
    const value = number(name, fallback, least, most);
    if (value % pageSize !== 0) throw outOfRange(name, `a multiple of ${pageSize}, the page size`, value);
    return value;
  };
  const taskSize = page('taskSize', 2 ** 47 - pageSize, pageSize, HIGHEST);
  const defaultMapWindow = page('defaultMapWindow', taskSize, pageSize, taskSize);
  const huge = (name: 'hugePageSize' | 'shmemHugePageSize', fallback: number) => {
    const value = page(name, fallback, 0, 2 ** 40);
    if (value !== 0 && !isPowerOfTwo(value)) throw outOfRange(name, 'a power of two, or 0', value);
    return value;
  };
  const { layout = 'topdown', rawIo = false } = options;
  if (layout !== 'topdown' && layout !== 'legacy')
    throw outOfRange('layout', "'topdown' or 'legacy'", layout);
  if (typeof rawIo !== 'boolean') throw invalidType('rawIo', 'a boolean', rawIo);
  const { brkStart } = options;
  if (brkStart === undefined && options.brk !== undefined)
    throw outOfRange('brk', 'given together with brkStart', options.brk);
  if (brkStart !== undefined) number('brkStart', 0, 0, taskSize);
  const down = (value: number) => Math.max(0, value - (value % pageSize));
  return {
    pageSize,
    taskSize,
    defaultMapWindow,
    layout,
    rawIo,
    mmapBase: page('mmapBase', down(defaultMapWindow - 256 * MiB), 0, taskSize),
    legacyMmapBase: page('legacyMmapBase', down(defaultMapWindow / 3 + pageSize - 1), 0, taskSize),
    map32BitBase: page('map32BitBase', 2 ** 30, 0, 2 ** 31),
    mmapMinAddr: number('mmapMinAddr', 64 * KiB, 0, taskSize),
    stackGuardGap: page('stackGuardGap', 256 * pageSize, 0, HIGHEST),
    maxMapCount: number('maxMapCount', 65530, 0, 2 ** 31 - 1),
    addressSpaceLimit:
      (options.addressSpaceLimit ?? Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY
        ? Number.POSITIVE_INFINITY
        : number('addressSpaceLimit', 0, 0, Number.MAX_SAFE_INTEGER),
    hugePageSize: huge('hugePageSize', 2 * MiB),
    shmemHugePageSize: huge('shmemHugePageSize', 0),
    brkStart,
    brk: brkStart === undefined ? undefined : number('brk', brkStart, brkStart, taskSize),
  };
}
