/**
 * The conformance suite of devices, with the cases of the OpenCL conformance tests for SVM, for host, wasm, process and
 * OpenCL (PoCL) in one mirror: each case in all pairs of producer and consumer.
 */
import { openclDevice, processDevice, wasmDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { targetOf } from '../fixtures/conformance-target.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

const missing = poclMissing();
process.env.OCL_ICD_VENDORS = POCL;
testConformance({
  ...targetOf('host, wasm, process and OpenCL', () => ({
    wasm: wasmDevice({ cores: 1 }),
    proc: processDevice({ cores: 1 }),
    opencl: openclDevice(),
  })),
  ...(missing === undefined ? {} : { missing }),
});
