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
      const check = (name: string): void => {
        rounds++;
        for (const [i, array] of arrays.entries())
          assert.ok(
            i32(array).every((word) => word === 100 * (i + 1) + rounds),
            name,
          );
      };
      for (const side of sides.all) {
        await side.run('incrementThree', COUNT, [struct]);
        check(side.name);
      }
      // The list of what is reached through others, declared and cleared.
      for (const side of sides.devices) {
        await side.launch('incrementThree', COUNT, [struct], { uses: arrays }).done;
        check(`${side.name}, which was told`);
        await side.launch('incrementThree', COUNT, [struct], { uses: arrays.map(({ address }) => address) })
          .done;
        check(`${side.name}, which was told addresses`);
        await side.launch('incrementThree', COUNT, [struct], { uses: [] }).done;
        check(`${side.name}, with an empty list`);
        const gone = sides.mirror.alloc(size);
        gone.free();
        const launch = (uses: unknown) => () => side.launch('incrementThree', COUNT, [struct], { uses });
        assert.throws(launch([...arrays, gone]), { code: 'ERR_MIRROR_STATE' });
        assert.throws(launch('all'), { code: 'ERR_INVALID_ARG_TYPE' });
      }
      const coarse = sides.mirror.alloc(size, { type: 'coarse' });
      for (const side of sides.devices) {
        await side.device.queue.map(coarse).done;
        assert.throws(() => side.launch('incrementThree', COUNT, [struct], { uses: [coarse] }), {
          code: 'ERR_MIRROR_STATE',
        });
        await side.device.queue.unmap(coarse).done;
        await side.launch('incrementThree', COUNT, [struct], { uses: [coarse] }).done;
        check(`${side.name}, with the coarse buffer unmapped`);
      }
      coarse.free();
    });
  },
};
