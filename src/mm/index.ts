/**
 * `mirrorspace/mm`: the model of an address space, and Linux's search for a place in it. Pure: no I/O and no
 * Node import, so it runs in a browser as well. Addresses and sizes are numbers, in bytes, exact below 2^53.
 *
 * @module
 */

export { formatBytes, hex, MirrorError, StateError, SystemError } from '../errors.ts';
export {
  type Address,
  alignDown,
  alignUp,
  GiB,
  isPowerOfTwo,
  KiB,
  MiB,
  overlaps,
  type Range,
  TiB,
} from './address.ts';
export { AddressSpace, type AddressSpaceSnapshot } from './address-space.ts';
export type { AreaRequest, FileOperations, MappedFile } from './driver.ts';
export { addressSpaceOf, observeMmapBase } from './from-maps.ts';
export { type Fit, type GapRequest, GapTree } from './gap-tree.ts';
export {
  defaultGetUnmappedArea,
  shmemGetUnmappedArea,
  thpGetUnmappedArea,
} from './get-unmapped-area.ts';
export * from './map-flags.ts';
export type { MmapRequest } from './mmap.ts';
export type { MremapRequest } from './mremap.ts';
export { MapsError, type ParsedMaps, parseMaps, type UnaddressableVma } from './parse-maps.ts';
export {
  type EvacuationOptions,
  type EvacuationPlan,
  type PlannedMove,
  planEvacuation,
  type StrandedVma,
} from './plan-evacuation.ts';
export {
  applyPlan,
  type DeviceMapping,
  type MapPlan,
  type PlannedRemap,
  type PlannedUnmap,
  planMap,
  planUnmap,
  type UnmapPlan,
} from './plan-map.ts';
export type { AddressSpaceOptions, ResolvedOptions } from './space-options.ts';
export {
  type UnmappedAreaInfo,
  unmappedArea,
  unmappedAreaTopdown,
  type VmaSource,
  vmUnmappedArea,
} from './unmapped-area.ts';
export * from './vm-area.ts';
export {
  formatProtection,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Vma,
  type VmaKind,
} from './vma.ts';
