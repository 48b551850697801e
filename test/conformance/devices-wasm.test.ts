/**
 * The conformance suite of devices, with the cases of the OpenCL conformance tests for SVM, for host and wasm.
 */
import { wasmDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { targetOf } from '../fixtures/conformance-target.ts';

testConformance(
  targetOf('host and wasm', () => ({
    wasm: wasmDevice({ cores: 2 }),
  })),
);
