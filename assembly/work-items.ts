// For kernels in AssemblyScript: where an item of a launch lies in its one to three dimensions, and in its work-group.
//
//     import { globalId, item, shape } from 'mirrorspace/assembly/work-items';
//
//     export function transpose(begin: i32, end: i32, from: usize, to: usize, rows: u32, columns: u32): void {
//       shape(rows, columns, 1, 8, 8, 1);
//       for (let i = begin; i < end; i++) {
//         item(i);
//         ...
//
// Items are numbered group by group, and in a group the last dimension runs fastest; so are the groups. What is kept here
// is each core's own. `WorkItems` of mirrorspace/kernel is the same in JavaScript.

let size0: u32 = 1;
let size1: u32 = 1;
let size2: u32 = 1;
let groups1: u32 = 1;
let groups2: u32 = 1;
let local0: u32 = 0;
let local1: u32 = 0;
let local2: u32 = 0;
let group0: u32 = 0;
let group1: u32 = 0;
let group2: u32 = 0;

/** The launch's `items` and `local`, 1 for dimensions that it does not have; to be called at the kernel's beginning. */
export function shape(items0: u32, items1: u32, items2: u32, s0: u32 = 1, s1: u32 = 1, s2: u32 = 1): void {
  size0 = s0;
  size1 = s1;
  size2 = s2;
  groups1 = items1 / s1;
  groups2 = items2 / s2;
}

/** Goes to an item. */
export function item(index: u32): void {
  const inGroup = size0 * size1 * size2;
  let left = index % inGroup;
  local2 = left % size2;
  left /= size2;
  local1 = left % size1;
  local0 = left / size1;
  left = index / inGroup;
  group2 = left % groups2;
  left /= groups2;
  group1 = left % groups1;
  group0 = left / groups1;
}

/** `get_local_id`: the place in the work-group. */
export function localId(dimension: i32): u32 {
  return dimension == 0 ? local0 : dimension == 1 ? local1 : local2;
}

/** `get_group_id`. */
export function groupId(dimension: i32): u32 {
  return dimension == 0 ? group0 : dimension == 1 ? group1 : group2;
}

/** `get_local_size`. */
export function localSize(dimension: i32): u32 {
  return dimension == 0 ? size0 : dimension == 1 ? size1 : size2;
}

/** `get_global_id`. */
export function globalId(dimension: i32): u32 {
  return groupId(dimension) * localSize(dimension) + localId(dimension);
}
