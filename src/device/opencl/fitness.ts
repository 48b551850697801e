/**
 * Which OpenCL devices may be tried at all, by what their drivers say of them; the probe decides then. Pure.
 *
 * @module
 */
import type { OpenClDeviceInfo } from './icd/devices.ts';

/** Why a device is refused by what its driver says of it; undefined where it may be tried. */
export function unfit({
  major,
  version,
  available,
  hasCompiler,
  littleEndian,
  addressBits,
  svm,
}: OpenClDeviceInfo): string | undefined {
  if (major < 2) return `it is a device of '${version}', and shared virtual memory came with OpenCL 2.0`;
  if (!svm.coarseGrainBuffer && !svm.fineGrainBuffer && !svm.fineGrainSystem)
    return 'its driver offers no shared virtual memory (CL_DEVICE_SVM_CAPABILITIES is 0); on Debian, PoCL does: apt-get install pocl-opencl-icd';
  if (!available) return 'it is not available (CL_DEVICE_AVAILABLE)';
  if (!hasCompiler) return 'its driver has no compiler for OpenCL C (CL_DEVICE_COMPILER_AVAILABLE)';
  if (!littleEndian) return 'it is big-endian';
  if (addressBits !== 64) return `its pointers are of ${addressBits} bits`;
  return undefined;
}
