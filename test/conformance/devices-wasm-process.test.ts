/**
 * The conformance suite of devices, with the cases of the OpenCL conformance tests for SVM, for host, wasm and process.
 */
import { processDevice, wasmDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { targetOf } from '../fixtures/conformance-target.ts';

testConformance(
  targetOf('host, wasm and process', () => ({
    wasm: wasmDevice({ cores: 1 }),
    proc: processDevice({ cores: 2 }),
  })),
);
