/**
 * The values of a launch, set on the driver's kernel: pointers by clSetKernelArgSVMPointer, numbers and structures by their
 * bytes, local memory by how much it is. What a number was set to stays set, so only what has changed is set again.
 *
 * @module
 */
import type { Handle, OpenCl } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';
import type { Parameter } from './kernel-signature.ts';
import type { DriverKernel } from './opencl-program.ts';

const scratch = new DataView(new ArrayBuffer(128));

/** A value that was checked: a number, an address, bytes of local memory; or the bytes of a structure. */
export type LaunchValue = number | bigint | Uint8Array<ArrayBuffer>;

export function setArguments(
  cl: OpenCl,
  { handle, parameters, last }: DriverKernel,
  values: readonly LaunchValue[],
): void {
  for (const [i, parameter] of parameters.entries()) {
    const value = values[i]!;
    if (typeof value === 'object') {
      checkStatus('clSetKernelArg', cl.clSetKernelArg(handle, i, value.length, value));
      continue;
    }
    // -0 and 0 are different numbers.
    if (Object.is(last[i], value)) continue;
    last[i] = undefined;
    if (parameter.form === 'pointer') setPointer(cl, handle, i, value as number);
    else if (parameter.form === 'local')
      checkStatus('clSetKernelArg', cl.clSetKernelArg(handle, i, Number(value), null));
    else setNumber(cl, handle, i, parameter, value);
    last[i] = value;
  }
}

/** The arguments of `mirrorspace_fill`; the pattern's words are padded to 128 bytes. */
export function setFillArguments(
  cl: OpenCl,
  kernel: Handle,
  target: number,
  length: number,
  words: readonly bigint[],
): void {
  setPointer(cl, kernel, 0, target);
  scratch.setBigUint64(0, BigInt(length), true);
  checkStatus('clSetKernelArg', cl.clSetKernelArg(kernel, 1, 8, scratch));
  for (let i = 0; i < 16; i++) scratch.setBigInt64(8 * i, words[i] ?? 0n, true);
  checkStatus('clSetKernelArg', cl.clSetKernelArg(kernel, 2, 128, scratch));
}

function setPointer(cl: OpenCl, kernel: Handle, index: number, address: number): void {
  checkStatus('clSetKernelArgSVMPointer', cl.clSetKernelArgSVMPointer(kernel, index, address));
}

function setNumber(
  cl: OpenCl,
  kernel: Handle,
  index: number,
  { type, size }: Parameter,
  value: number | bigint,
): void {
  if (type === 'float') scratch.setFloat32(0, value as number, true);
  else if (type === 'double') scratch.setFloat64(0, value as number, true);
  else if (size === 4) scratch.setUint32(0, Number(value) >>> 0, true);
  else scratch.setBigInt64(0, BigInt(value), true);
  checkStatus('clSetKernelArg', cl.clSetKernelArg(kernel, index, size, scratch));
}
