/**
 * svm_byte_granularity: the host and all devices write interleaved bytes of one buffer at the same time. A device that
 * wrote back words, lines or pages would undo its neighbours' bytes: each byte is looked at before it is overwritten, and
 * all of them, by all, at the end. That all ran at the same time is asserted by what each saw of the others' progress.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { PROGRESS } from '../kernel-list.ts';
import { i32 } from '../sides.ts';
import { assertOverlap } from './overlap.ts';

const SIZE = 4096 + 37;
const ROUNDS = 200;

export const byteGranularity: SvmCase = {
  name: 'svm_byte_granularity: host and devices write interleaved bytes at the same time, and all see every byte',
  async run(sides, report) {
    await sides.with([SIZE, PROGRESS.BYTES, 64], async (bytes, progress, errors) => {
      await sides.together('writeBytes', (lane, lanes) => [bytes, SIZE, lane, lanes, ROUNDS, progress]);
      assertOverlap(sides, progress, ROUNDS, report);
      assert.equal(i32(progress)[PROGRESS.ERRORS], 0, 'bytes that another side undid');
      for (const side of sides.all) {
        await side.run('checkBytes', 1, [bytes, SIZE, ROUNDS, errors]);
        assert.equal(i32(errors)[0], 0, `bytes that ${side.name} sees wrong`);
      }
    });
  },
};
