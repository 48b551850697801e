/**
 * The two pages that a probe works on: of the arena at addresses of our choice, far from each other; of memory that the
 * driver itself has allocated; or of memory that is nobody's in particular.
 *
 * @module
 */
import { UnsupportedError } from '../../errors.ts';
import { addressOf, viewMemory } from '../../ffi/library.ts';
import { punchHole } from '../../linux/memfd.ts';
import { MAP_SHARED, mmapNoReplace, munmap, PROT_READ, PROT_WRITE, pageSize } from '../../linux/mmap.ts';
import { type Address, alignDown, type Range } from '../../mm/address.ts';
import type { HostRange } from '../device.ts';
import type { DriverMemory } from './driver-memory.ts';
import type { Handle } from './icd/loader.ts';

/** Places that are tried for each of the two pages, over the whole window. */
const PLACES = 64;

export interface ProbePage {
  readonly address: Address;
  readonly words: BigUint64Array;
}

export interface ProbeMemory {
  readonly pages: readonly [ProbePage, ProbePage];
  /** For a refusal: what such memory is called, and what a driver lacks that does not reach it. */
  readonly what: string;
  readonly missing: string;
  /** Calls `body` while the host has both pages: always, but for coarse-grained memory. */
  onHost<T>(body: () => T): T;
  /** The host has them by calls only. */
  readonly coarse: boolean;
  /** Before a launch of a kernel. */
  tell(kernel: Handle): void;
  /** To be called once, when nobody uses it any more. */
  giveBack(): void;
}

const ALWAYS_ON_HOST: Pick<ProbeMemory, 'coarse' | 'onHost'> = { coarse: false, onHost: (body) => body() };

/** Throws UnsupportedError where nothing is free in the window. */
export function arenaPages(arenaFd: number, window: Range): ProbeMemory {
  const page = pageSize();
  const giveBack = ({ address }: ProbePage): void => {
    munmap(address, page);
    punchHole(arenaFd, address, page);
  };
  const low = mapPage(arenaFd, window, 1, PLACES);
  const high = low && mapPage(arenaFd, window, PLACES + 1, 2 * PLACES);
  if (!high) {
    if (low) giveBack(low);
    throw new UnsupportedError(
      'address space',
      'Nothing is free in the window of the OpenCL device, where it would have been probed: give it another window',
    );
  }
  return {
    pages: [low, high],
    what: 'addresses of our choice',
    missing: 'plain pointers',
    ...ALWAYS_ON_HOST,
    tell: () => {},
    giveBack: () => [low, high].forEach(giveBack),
  };
}

/** Maps a page of the arena at the first of the places that is free. */
function mapPage(fd: number, { start, end }: Range, from: number, to: number): ProbePage | undefined {
  const page = pageSize();
  for (let place = from; place < to; place++) {
    const address = alignDown(start + ((end - start) / (2 * PLACES)) * place, page);
    if (address < start || address + page > end) continue;
    if (mmapNoReplace(address, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, address)) return pageAt(address);
  }
  return undefined;
}

/** Pages of ArrayBuffers, as the C library places them: a small one in its heap, a large one in a mapping of its own. */
export function systemPages(): ProbeMemory {
  const page = pageSize();
  const [low, high] = [page, 64 * page].map((size): ProbePage => {
    const words = new BigUint64Array(size / 8).subarray(0, page / 8);
    return { address: addressOf(words), words };
  }) as [ProbePage, ProbePage];
  return {
    pages: [low, high],
    what: 'memory that nobody allocated for it',
    missing: 'system SVM',
    ...ALWAYS_ON_HOST,
    tell: () => {},
    giveBack: () => {},
  };
}

/** Throws SystemError where the driver gives no memory. */
export function driverPages(memory: DriverMemory): ProbeMemory {
  const page = pageSize();
  const low = pageAt(memory.allocate(page, page));
  let high: ProbePage;
  try {
    high = pageAt(memory.allocate(page, page));
  } catch (error) {
    memory.release(low.address);
    throw error;
  }
  return {
    pages: [low, high],
    what: 'memory of its own clSVMAlloc',
    missing: 'SVM',
    coarse: memory.coarse,
    onHost: (body) => memory.onHost([low, high].map(hostRange), body),
    tell: (kernel) => memory.tell(kernel),
    giveBack: () => {
      for (const { address } of [low, high]) memory.release(address);
    },
  };
}

const hostRange = ({ address }: ProbePage): HostRange => ({
  start: address,
  end: address + pageSize(),
  access: 'readwrite',
});

const pageAt = (address: Address): ProbePage => ({
  address,
  words: new BigUint64Array(viewMemory(address, pageSize())),
});
