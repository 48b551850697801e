/**
 * The options of a wasm device, and their check at the door. Pure.
 *
 * @module
 */
import { invalidType } from '../../errors.ts';
import type { Range } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';
import {
  checkCores,
  checkFaults,
  checkReserved,
  checkScratch,
  checkWindow,
  type FaultMode,
} from '../option-checks.ts';
import { DEFAULT_SCRATCH, MOST_CORES, MOST_SCRATCH, WASM_WINDOW } from './regions.ts';

export interface WasmDeviceOptions {
  /** Worker threads that run kernels, 1 to 16; 2 by default. */
  readonly cores?: number;
  /**
   * How accesses outside live buffers are caught. `'userfaultfd'`: by page faults, with the address, and recovered from
   * whatever the instruction. `'trap'`: those pages are inaccessible; a plain load or store traps (without an address),
   * a wild atomic or bulk access loses the device. `'auto'` (default): userfaultfd, or where that is refused, traps and
   * a warning that says why.
   */
  readonly faults?: FaultMode;
  /**
   * Bytes of memory that each core has for itself, beside its stack: what kernels get by `scratch()` (docs/kernels.md).
   * 1 to 64 MiB, in whole pages; 56 KiB by default. Taken from the window, below the buffers.
   */
  readonly scratch?: number;
  /** Narrows the window `[64 KiB, 4 GiB)` in which buffers may lie. */
  readonly window?: readonly [low: number, high: number];
  /** More regions that no buffer may lie in, as a device's firmware would have them. */
  readonly reserved?: readonly ReservedRegion[];
}

export interface CheckedOptions {
  readonly cores: number;
  readonly faults: FaultMode;
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  readonly scratch: number;
}

export function checkOptions(options: WasmDeviceOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const {
    cores = 2,
    faults = 'auto',
    window = [WASM_WINDOW.start, WASM_WINDOW.end],
    reserved = [],
    scratch = DEFAULT_SCRATCH,
  } = options;
  checkCores(cores, MOST_CORES);
  checkScratch(scratch, MOST_SCRATCH);
  return {
    cores,
    window: checkWindow(window, WASM_WINDOW),
    reserved: checkReserved(reserved),
    faults: checkFaults(faults),
    scratch,
  };
}
