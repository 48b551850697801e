/**
 * Of which memory a driver's kernels are seen to take pointers: the arena's at addresses of our choice, which every device
 * can share; else what the driver itself has allocated.
 *
 * @module
 */
import { UnsupportedError } from '../../errors.ts';
import type { Range } from '../../mm/address.ts';
import { type Capabilities, SVM } from '../capabilities.ts';
import type { DriverContext } from './driver-context.ts';
import { DriverMemory } from './driver-memory.ts';
import type { Handle } from './icd/loader.ts';
import { type OpenClPointers, whyNoDriverMemory } from './pointer-mode.ts';
import { type ProbeOptions, probe, reachesSystem } from './probe.ts';
import { arenaPages, driverPages, systemPages } from './probe-memory.ts';

export interface ReachOptions {
  readonly arenaFd: number;
  /** Where buffers of the arena may lie. */
  readonly window: Range;
  readonly pointers: OpenClPointers;
  /** The program of built-in-source.ts, and whether it was compiled with atomics across devices. */
  readonly program: Handle;
  readonly atomics: boolean;
}

export interface Reachable {
  /** Undefined for the arena. */
  readonly memory: DriverMemory | undefined;
  /** With such memory. */
  readonly capabilities: Capabilities;
}

/** Throws UnsupportedError where neither works, or the one that is asked for does not. */
export async function reachableMemory(
  driver: DriverContext,
  { arenaFd, window, pointers, program, atomics }: ReachOptions,
): Promise<Reachable> {
  let refusal = '';
  if (pointers !== 'svm-alloc') {
    try {
      const memory = arenaPages(arenaFd, window);
      const capabilities = await probe(driver, { memory, program, atomics });
      const system = reachesAll(driver, window, { program, atomics }) ? SVM.SYSTEM_ALLOCATED : 0;
      return { memory: undefined, capabilities: capabilities | system };
    } catch (error) {
      const refused = error instanceof UnsupportedError && error.missing === 'plain pointers';
      if (pointers === 'plain' || !refused) throw error;
      refusal = `${error.message}. `;
    }
  }
  const { info } = driver;
  const why = whyNoDriverMemory(info);
  if (why !== undefined) {
    const device = `The OpenCL device '${info.name}' of '${info.platform.name}'`;
    throw new UnsupportedError('SVM buffers', `${refusal}${device} is not fit: ${why}`);
  }
  const own = new DriverMemory(driver);
  const capabilities = await probe(driver, { memory: driverPages(own), program, atomics });
  return { memory: own, capabilities };
}

/** Whether kernels reach any memory of the process, as the window has it. */
function reachesAll(
  driver: DriverContext,
  { start, end }: Range,
  how: Omit<ProbeOptions, 'memory'>,
): boolean {
  const memory = systemPages();
  const inside = memory.pages.every(({ address }) => address >= start && address < end);
  return inside && reachesSystem(driver, { memory, ...how });
}
