/**
 * How many bytes the structures have that a program's kernels take by value: argument info has their names and no more, and
 * drivers take an argument of any size (PoCL 3.1 does). The program is compiled once more for it, with kernels whose
 * required work-group size is the size asked for, which the driver tells without running anything. Pure.
 *
 * @module
 */

/** Values of a digit; two of them make a work-group, which no driver may find too large. */
const DIGIT = 16;
/** Work-groups per structure: enough for 2^16 bytes, and no argument may be so large. */
const GROUPS = 2;

export function sizeKernel(structure: number, group: number): string {
  return `mirrorspace_size_${structure}_${group}`;
}

/** The source of the program with the kernels that tell the sizes of `types`. */
export function sizesSource(source: string, types: readonly string[]): string {
  const kernels = types.flatMap((type, i) =>
    Array.from({ length: GROUPS }, (_, group) => {
      const digit = (place: number) => `1 + sizeof(${type}) / ${DIGIT ** place} % ${DIGIT}`;
      const size = `${digit(2 * group)}, ${digit(2 * group + 1)}, 1`;
      return `__kernel __attribute__((reqd_work_group_size(${size}))) void ${sizeKernel(i, group)}(void) {}\n`;
    }),
  );
  return `${source}\n${kernels.join('')}`;
}

/** The size, of what `groupOf` says of each kernel (CL_KERNEL_COMPILE_WORK_GROUP_SIZE). */
export function sizeFrom(structure: number, groupOf: (kernel: string) => readonly number[]): number {
  let size = 0;
  for (let group = 0; group < GROUPS; group++) {
    const [low = 1, high = 1] = groupOf(sizeKernel(structure, group));
    size += (low - 1 + (high - 1) * DIGIT) * DIGIT ** (2 * group);
  }
  return size;
}
