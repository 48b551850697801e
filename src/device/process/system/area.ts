/**
 * The layout of the memory that a device process and the pager of its host share for system SVM: requests of the device,
 * the ranges that it is to drop, faults that the host can't answer, counters. The device makes it. Constants only.
 *
 *     0         words: lock, request, answer; the packet that each queue has acquired for
 *     512       a slot per core, and one for other threads, for a fault that is nobody's
 *     2048      counters, float64
 *     3072      ranges that are open for stores, pairs of float64
 *     4096      ranges to drop, pairs of float64
 *
 * @module
 */
import { MAX_CORES } from '../../../engine/control-layout.ts';

export const AREA_NAME = 'mirrorspace-system';
export const MOST_DROPS = 4096;
const DROPS = 4096;
export const AREA_BYTES = DROPS + MOST_DROPS * 16;

/** Words. */
export const AREA = {
  /** Held by the core that asks. */
  LOCK: 0,
  /** Counts requests; the device's. */
  REQUEST: 1,
  KIND: 2,
  /** The last request that was answered; the host's, and who asks sleeps on it. */
  ANSWER: 16,
  /** Ranges in the list, and whether there are more to ask for. */
  DROPS: 17,
  MORE: 18,
  /** Pages that kernels may have stored to and that were not written back; the host's. */
  DIRTY: 19,
  /** The last request whose ranges have been dropped; the device's. */
  DROPPED: 20,
  /** 1 where a store waits for that; the host's. */
  STORE_WAITS: 21,
  /** Ranges in the list of what kernels may have stored to since it was last written back; the host's. */
  OPENED: 22,
  /** The packet for which each queue has acquired, see {@link hazard}. */
  ACQUIRED: 32,
} as const;

/** `RELEASE`: a packet has ended; its list is of what could not be written back. */
export const REQUEST = { ACQUIRE: 1, RELEASE: 2 } as const;

/** Words of a fault's slot. */
export const WILD = { FULL: 0, THREAD: 1, ACCESS: 2, REASON: 3, CALL: 4 } as const;
const WILD_SLOTS = 128;
const WILD_STRIDE = 8;
export const MOST_WILD = MAX_CORES + 1;
export const wildWord = (slot: number): number => WILD_SLOTS + slot * WILD_STRIDE;
/** Float64 index. */
export const wildAddress = (slot: number): number => (WILD_SLOTS + slot * WILD_STRIDE) / 2 + 3;

/** Float64 index of the list of opened ranges, of so many at most: then the last one holds whatever comes. */
export const OPENED_LIST = 384;
export const MOST_OPENED_RANGES = 64;
/** Float64 index of the list. */
export const DROP_LIST = DROPS / 8;

/** What the host's pager counts, by their order in memory. */
export const COUNTERS = [
  'faults',
  'fetches',
  'fetchedBytes',
  'refused',
  'acquires',
  'invalidations',
  'writtenBytes',
  'remappedBytes',
  'untrackedBytes',
  'advisedBytes',
  'prefetchedBytes',
  'writableFaults',
  'writeBacks',
  'writtenBackBytes',
  'unwrittenBytes',
  'refreshedBytes',
] as const;
export type Counter = (typeof COUNTERS)[number];
const COUNTERS_F64 = 256;
export const counterIndex = (counter: Counter): number => COUNTERS_F64 + COUNTERS.indexOf(counter);
