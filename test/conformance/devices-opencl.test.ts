/**
 * The conformance suite of devices, with the cases of the OpenCL conformance tests for SVM, for host and OpenCL (PoCL).
 */
import { openclDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { targetOf } from '../fixtures/conformance-target.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

const missing = poclMissing();
process.env.OCL_ICD_VENDORS = POCL;
testConformance({
  ...targetOf('host and OpenCL', () => ({ opencl: openclDevice() })),
  ...(missing === undefined ? {} : { missing }),
});
