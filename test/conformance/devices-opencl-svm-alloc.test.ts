/**
 * The conformance suite of devices for host and OpenCL (PoCL), with buffers of memory that the driver has allocated, as for
 * drivers that take no plain pointers.
 */
import { openclDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { targetOf } from '../fixtures/conformance-target.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

const missing = poclMissing();
process.env.OCL_ICD_VENDORS = POCL;
testConformance({
  ...targetOf('host and OpenCL, memory of the driver', () => ({
    opencl: openclDevice({ pointers: 'svm-alloc' }),
  })),
  ...(missing === undefined ? {} : { missing }),
});
