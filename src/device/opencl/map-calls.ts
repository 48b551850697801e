/**
 * clEnqueueSVMMap and clEnqueueSVMUnmap, with which coarse-grained memory passes between device and host.
 *
 * @module
 */
import type { HostRange } from '../device.ts';
import * as CL from './icd/constants.ts';
import type { Handle, OpenCl } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';

export interface MapCall {
  /** Returns once the host has it; false by default. */
  readonly blocking?: boolean;
  readonly event?: Uint32Array | null;
}

const FLAGS: Readonly<Record<HostRange['access'], number>> = {
  read: CL.CL_MAP_READ,
  // The bytes that the host leaves alone stay what they are.
  write: CL.CL_MAP_WRITE,
  readwrite: CL.CL_MAP_READ | CL.CL_MAP_WRITE,
};

/** The name of the call. Throws OpenClError. */
export function mapForHost(
  cl: OpenCl,
  queue: Handle,
  { start, end, access }: HostRange,
  { blocking = false, event = null }: MapCall = {},
): string {
  const call = 'clEnqueueSVMMap';
  const flags = FLAGS[access];
  checkStatus(call, cl.clEnqueueSVMMap(queue, blocking ? 1 : 0, flags, start, end - start, 0, null, event));
  return call;
}

/** The name of the call. Throws OpenClError. */
export function unmapForHost(
  cl: OpenCl,
  queue: Handle,
  { start }: HostRange,
  { event = null }: Pick<MapCall, 'event'> = {},
): string {
  const call = 'clEnqueueSVMUnmap';
  checkStatus(call, cl.clEnqueueSVMUnmap(queue, start, 0, null, event));
  return call;
}
