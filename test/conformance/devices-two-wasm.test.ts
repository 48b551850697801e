/**
 * The conformance suite of devices, with the cases of the OpenCL conformance tests for SVM, for host and two wasm devices with different windows.
 */
import { GiB, MiB, wasmDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { targetOf } from '../fixtures/conformance-target.ts';

testConformance(
  targetOf('host and two wasm devices with different windows', () => ({
    low: wasmDevice({ cores: 1, window: [64 * 1024, 2 * GiB] }),
    high: wasmDevice({
      cores: 2,
      window: [1 * GiB, 4 * GiB],
      reserved: [{ start: 1 * GiB, end: 1 * GiB + 16 * MiB, name: 'firmware' }],
    }),
  })),
);
