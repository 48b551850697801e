/**
 * Reading and rewriting WebAssembly binaries: what a module needs and offers, whether it can run on the device,
 * and the module without its static data, so that the data is placed once and not by every core. Pure: bytes
 * in, facts and bytes out; nothing is compiled, no memory is touched.
 *
 * @module
 */

export type { GlobalInfo } from './constant.ts';
export type { DataSegment } from './data-segments.ts';
export { type DetachedModule, detachData, type PlacedData } from './detach-data.ts';
export {
  type ExternalKind,
  inspectModule,
  type ModuleExport,
  type ModuleImport,
  type ModuleInfo,
} from './inspect.ts';
export {
  type KernelExport,
  kernelsOf,
  kindsFor,
  matchSignature,
  type ParameterKind,
  parameterKinds,
  valueTypeOf,
} from './kernels.ts';
export {
  type CheckedModule,
  checkRequirements,
  type DeviceLimits,
} from './requirements.ts';
export { exportStackPointer } from './stack-pointer.ts';
export type {
  GlobalType,
  MemoryType,
  Signature,
  ValueType,
} from './types.ts';
