/**
 * The options of a wasm device, and their check at the door. Pure.
 *
 * @module
 */
import { hex, invalidType, outOfRange } from '../../errors.ts';
import type { Range } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';
import type { FaultMode } from './host-messages.ts';
import { MOST_CORES, WASM_WINDOW } from './regions.ts';

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
}

export function checkOptions(options: WasmDeviceOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const {
    cores = 2,
    faults = 'auto',
    window = [WASM_WINDOW.start, WASM_WINDOW.end],
    reserved = [],
  } = options;
  if (typeof cores !== 'number') throw invalidType('cores', 'a number', cores);
  if (!Number.isInteger(cores) || cores < 1 || cores > MOST_CORES) {
    throw outOfRange('cores', `an integer from 1 to ${MOST_CORES}`, cores);
  }
  if (!Array.isArray(window) || window.length !== 2 || window.some((edge) => typeof edge !== 'number'))
    throw invalidType('window', 'two numbers, [low, high)', window);
  const [low, high] = window;
  if (
    !Number.isSafeInteger(low) ||
    !Number.isSafeInteger(high) ||
    low < WASM_WINDOW.start ||
    high > WASM_WINDOW.end ||
    low >= high
  ) {
    throw outOfRange(
      'window',
      `[low, high) within [${hex(WASM_WINDOW.start)}, ${hex(WASM_WINDOW.end)})`,
      `[${low}, ${high})`,
    );
  }
  if (!Array.isArray(reserved)) throw invalidType('reserved', 'an array of { start, end, name }', reserved);
  for (const [i, region] of reserved.entries()) checkReserved(`reserved[${i}]`, region);
  if (faults !== 'auto' && faults !== 'userfaultfd' && faults !== 'trap') {
    if (typeof faults !== 'string') throw invalidType('faults', "'auto', 'userfaultfd' or 'trap'", faults);
    throw outOfRange('faults', "'auto', 'userfaultfd' or 'trap'", faults);
  }
  return { cores, faults, window: { start: low, end: high }, reserved: [...reserved] };
}

function checkReserved(at: string, region: ReservedRegion): void {
  if (typeof region !== 'object' || region === null) throw invalidType(at, '{ start, end, name }', region);
  const { start, end, name } = region;
  if (typeof start !== 'number') throw invalidType(`${at}.start`, 'a number', start);
  if (typeof end !== 'number') throw invalidType(`${at}.end`, 'a number', end);
  if (typeof name !== 'string') throw invalidType(`${at}.name`, 'a string', name);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end)
    throw outOfRange(at, 'a range with 0 <= start < end', `[${start}, ${end})`);
}
