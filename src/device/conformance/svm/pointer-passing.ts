/**
 * svm_pointer_passing: a pointer to any byte of a buffer can be an argument.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { i32 } from '../sides.ts';

export const pointerPassing: SvmCase = {
  name: 'svm_pointer_passing: a pointer to each of 256 bytes as an argument',
  coarse: true,
  async run(sides) {
    await sides.with([256, 64], async (bytes, errors) => {
      await sides.onHost([bytes], () => {
        for (let i = 0; i < 256; i++) bytes.bytes[i] = 255 - i;
      });
      const coarse = [bytes, errors].filter(({ type }) => type === 'coarse');
      const mistakes = () => sides.onHost([errors], () => Atomics.exchange(i32(errors), 0, 0));
      for (const side of sides.all) {
        await sides.as(side, coarse, async () => {
          for (let i = 0; i < 256; i++) await side.run('expectByte', 1, [bytes.address + i, 255 - i, errors]);
        });
        assert.equal(await mistakes(), 0, side.name);
        await sides.as(side, coarse, () => side.run('expectByte', 1, [bytes.address + 3, 3, errors]));
        assert.equal(await mistakes(), 1, `${side.name} really looks`);
      }
    });
  },
};
