/**
 * `mirrorspace/mm`: the model of an address space, and Linux's search for a place in it. Pure: no I/O and no
 * Node import, so it runs in a browser as well. Addresses and sizes are numbers, in bytes, exact below 2^53.
 *
 * @module
 */

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
export { type Fit, type GapRequest, GapTree } from './gap-tree.ts';
export { MapsError, type ParsedMaps, parseMaps, type UnaddressableVma } from './parse-maps.ts';
export {
  type UnmappedAreaInfo,
  unmappedArea,
  unmappedAreaTopdown,
  type VmaSource,
  vmUnmappedArea,
} from './unmapped-area.ts';
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
