// The conformance suite's kernels as a program of the aperture device.
export { kernelsOver as default } from 'mirrorspace/device/conformance/kernels';
