/**
 * `mirrorspace/layout`: C-compatible structures in memory that devices share. Layouts by the System V ABI, accessors
 * that read and write them in place, and the same declarations for C, OpenCL C and AssemblyScript. Pure: no I/O and no
 * Node import, so it runs in a browser as well.
 *
 * @module
 */
export { toAssemblyScript } from './assemblyscript.ts';
export { toC } from './c.ts';
export {
  array,
  bits,
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  pointer,
  pointer32,
  u8,
  u16,
  u32,
  u64,
} from './fields.ts';
export type { AllocatingMemory, FreeingMemory, LayoutMemory, PiecedMemory } from './memory.ts';
export { toOpenCL } from './opencl.ts';
export { alignof, offsetof, sizeof } from './rules.ts';
export { struct, union } from './struct.ts';
export type {
  Accessor,
  ArrayType,
  Bits,
  Creating,
  Destroying,
  Elements,
  Fields,
  Located,
  Place,
  Pointer,
  Scalar,
  ScalarName,
  Struct,
  Type,
  ValueOf,
} from './types.ts';
