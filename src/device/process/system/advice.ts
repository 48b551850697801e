/**
 * What a device that reaches system memory is told and asked about it, checked at the door.
 *
 * @module
 */
import { checkAddressed } from '../../../engine/memory-ranges.ts';
import { invalidType, outOfRange, UnsupportedError } from '../../../errors.ts';
import { KiB, MiB } from '../../../mm/address.ts';
import { type Capabilities, SVM } from '../../capabilities.ts';
import type { Addressed } from '../../device.ts';
import type { SystemMode } from '../process-options.ts';
import type { SystemPaging } from '../system-memory.ts';
import type { Advice } from './messages.ts';

export type { Advice };

const READ =
  SVM.SINGLE_ADDRESS_SPACE |
  SVM.SYSTEM_ALLOCATED |
  SVM.DEVICE_UNASSOCIATED |
  SVM.CONTEXT_ACCESS |
  SVM.HOST_READ |
  SVM.HOST_WRITE |
  SVM.HOST_MAP |
  SVM.DEVICE_READ |
  SVM.CONCURRENT_ACCESS |
  SVM.INDIRECT_ACCESS;

/** Atomics are among the device's cores; never with the host. */
const ALL = READ | SVM.DEVICE_WRITE | SVM.DEVICE_ATOMIC_ACCESS;

/** Memory that has to be declared first is not system allocated in the sense of the specification. */
export function systemCapabilities(mode: SystemMode, paging: SystemPaging): Capabilities {
  if (mode === 'off') return 0;
  const all = mode === 'all' ? ALL : READ;
  return paging === 'declared' ? all & ~SVM.SYSTEM_ALLOCATED : all;
}

const EXPECTED = "'prefetch', 'drop', { fetchSize } or { readMostly }";

export function checkAdvice(where: Addressed, advice: Advice): void {
  checkAddressed('where', where);
  if (advice === 'prefetch' || advice === 'drop') return;
  if (typeof advice === 'string') throw outOfRange('advice', EXPECTED, advice);
  if (typeof advice !== 'object' || advice === null) throw invalidType('advice', EXPECTED, advice);
  if ('readMostly' in advice) {
    if (typeof advice.readMostly !== 'boolean')
      throw invalidType('readMostly', 'a boolean', advice.readMostly);
    return;
  }
  const { fetchSize } = advice;
  if (typeof fetchSize !== 'number') throw invalidType('fetchSize', 'a number of bytes', fetchSize);
  const power = fetchSize >= 4 * KiB && fetchSize <= 2 * MiB && Number.isInteger(Math.log2(fetchSize));
  if (fetchSize !== 0 && !power)
    throw outOfRange('fetchSize', 'a power of two from 4 KiB to 2 MiB, or 0', fetchSize);
}

export function noSystem(device: string): UnsupportedError {
  return new UnsupportedError(
    'system SVM',
    `device '${device}' reaches buffers only: open it with processDevice({ system: 'read' }) or 'all'`,
  );
}
