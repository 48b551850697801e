/**
 * How a driver is given pointers, and whether it may be tried with memory of its own. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../../errors.ts';
import type { OpenClDeviceInfo } from './icd/devices.ts';

/** See {@link OpenClDeviceOptions.pointers}. */
export type OpenClPointers = 'auto' | 'plain' | 'svm-alloc';

/** Throws TypeError or RangeError. */
export function checkPointers(pointers: unknown = 'auto'): OpenClPointers {
  const expected = "'auto', 'plain' or 'svm-alloc'";
  if (typeof pointers !== 'string') throw invalidType('pointers', expected, pointers);
  if (pointers === 'auto' || pointers === 'plain' || pointers === 'svm-alloc') return pointers;
  throw outOfRange('pointers', expected, pointers);
}

/** Why buffers can't be made of memory that the driver has allocated; undefined where that may be tried. */
export function whyNoDriverMemory({ svm }: Pick<OpenClDeviceInfo, 'svm'>): string | undefined {
  if (svm.fineGrainBuffer || svm.coarseGrainBuffer) return undefined;
  return 'it has no memory of its own that host and device share (CL_DEVICE_SVM_COARSE_GRAIN_BUFFER and CL_DEVICE_SVM_FINE_GRAIN_BUFFER are not set)';
}
