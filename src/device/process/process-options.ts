/**
 * The options of a process device, and their check at the door. Pure.
 *
 * @module
 */
import { MAX_CORES } from '../../engine/control-layout.ts';
import { invalidType, outOfRange } from '../../errors.ts';
import { KiB, MiB, type Range } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';
import {
  checkCores,
  checkFaults,
  checkReserved,
  checkScratch,
  checkWindow,
  type FaultMode,
} from '../option-checks.ts';

/** All of user space, less the first 64 KiB, so that null pointers fault. */
export const PROCESS_WINDOW: Range = { start: 64 * KiB, end: 2 ** 47 };

const MOST_SCRATCH = 64 * MiB;

/** What a device reaches besides buffers. */
export type SystemMode = 'off' | 'read' | 'all';

export interface ProcessDeviceOptions {
  /** Worker threads that run kernels, 1 to 16; 2 by default. */
  readonly cores?: number;
  /**
   * Narrows the window `[64 KiB, 2^47)` in which buffers may lie: `[2 ** 36, 2 ** 37]` is a 36-bit device with a fixed
   * base. The process claims all of it that it has free, so a narrow window needs few addresses.
   */
  readonly window?: readonly [low: number, high: number];
  /** More regions that no buffer may lie in, as a device's firmware would have them. */
  readonly reserved?: readonly ReservedRegion[];
  /**
   * How accesses outside live buffers are caught. `'userfaultfd'`: by page faults, with the address; only that launch
   * fails. `'trap'`: those pages are inaccessible, and an access there ends the process: the device is lost. `'auto'`
   * (default): userfaultfd, or where that is refused, `'trap'` and a warning that says why.
   */
  readonly faults?: FaultMode;
  /**
   * Bytes of memory that each core has for itself: what `scratch()` of `mirrorspace/kernel` gives. 1 to 64 MiB; 64 KiB by
   * default. Memory of the process, made at the first use, and not of the window.
   */
  readonly scratch?: number;
  /**
   * Whether kernels reach memory of the host's process that no buffer holds, at its addresses. `'off'` (default): only
   * buffers. `'read'`: whatever the host can read itself; stores are faults, but where `mirror.pin(view, { write: true })`
   * allows them. `'all'`: stores as well, wherever the host can store; a wild one is as dangerous as that of a native
   * thread, and may end the host. Works by page faults. Where these can't be had (`faults: 'trap'`; with `'auto'` where
   * userfaultfd, or taking descriptors of a child, is refused, with a warning), kernels reach what `mirror.pin` declares.
   */
  readonly system?: SystemMode;
  /** Flags for the device's Node, such as `--max-old-space-size=4096`; none of the host's are inherited. */
  readonly execArgv?: readonly string[];
}

export interface CheckedOptions {
  readonly cores: number;
  readonly window: Range;
  readonly reserved: readonly ReservedRegion[];
  readonly faults: FaultMode;
  readonly system: SystemMode;
  readonly scratch: number;
  readonly execArgv: readonly string[];
}

export function checkOptions(options: ProcessDeviceOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { start, end } = PROCESS_WINDOW;
  const {
    cores = 2,
    window = [start, end],
    reserved = [],
    faults = 'auto',
    scratch = 64 * KiB,
    execArgv = [],
  } = options;
  const system = checkSystem(options.system ?? 'off');
  checkCores(cores, MAX_CORES);
  checkScratch(scratch, MOST_SCRATCH);
  if (!Array.isArray(execArgv) || execArgv.some((flag) => typeof flag !== 'string'))
    throw invalidType('execArgv', 'an array of strings', execArgv);
  return {
    cores,
    window: checkWindow(window, PROCESS_WINDOW),
    reserved: checkReserved(reserved),
    faults: checkFaults(faults),
    scratch,
    system,
    execArgv: [...execArgv],
  };
}

function checkSystem(system: unknown): SystemMode {
  if (system === 'off' || system === 'read' || system === 'all') return system;
  const expected = "'off', 'read' or 'all'";
  throw typeof system === 'string'
    ? outOfRange('system', expected, system)
    : invalidType('system', expected, system);
}
