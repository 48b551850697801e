/**
 * The conformance suite of devices for host and an OpenCL device whose driver has coarse-grained memory alone: PoCL behind
 * a layer that takes the rest away, and in which what was not mapped is not there.
 */
import { openclDevice } from 'mirrorspace';
import { testConformance } from 'mirrorspace/device/conformance';
import { maskOpenCl } from '../fixtures/coarse-opencl.ts';
import { targetOf } from '../fixtures/conformance-target.ts';

const missing = maskOpenCl();
testConformance({
  ...targetOf('host and OpenCL, coarse-grained memory alone', () => ({ opencl: openclDevice() })),
  ...(missing === undefined ? {} : { missing }),
});
