/**
 * svm_set_kernel_exec_info_svm_ptrs: a struct of three pointers, of which only the struct is passed.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { i32 } from '../sides.ts';

const COUNT = 1024;

export const execInfoPointers: SvmCase = {
  name: 'svm_set_kernel_exec_info_svm_ptrs: of a struct of three pointers only the struct is passed',
  async run(sides) {
    const size = 4 * COUNT;
    await sides.with([24, size, size, size], async (struct, ...arrays) => {
      const pointers = new BigUint64Array(struct.bytes.buffer, struct.bytes.byteOffset, 3);
      for (const [i, array] of arrays.entries()) {
        pointers[i] = BigInt(array.address);
        i32(array).fill(100 * (i + 1));
      }
      let rounds = 0;
      for (const side of sides.all) {
        await side.run('incrementThree', COUNT, [struct]);
        rounds++;
        for (const [i, array] of arrays.entries())
          assert.ok(
            i32(array).every((word) => word === 100 * (i + 1) + rounds),
            side.name,
          );
      }
    });
  },
};
