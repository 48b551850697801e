/**
 * svm_fine_grain_sync_buffers: the host polls while a kernel runs, and sees its stores; the kernel waits for the host's
 * answer to each, so it can't have ended.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { i32, until } from '../sides.ts';

const COUNT = 50;

export const fineGrainSyncBuffers: SvmCase = {
  name: 'svm_fine_grain_sync_buffers: the host polls while a kernel runs and sees its stores, and the kernel the answers',
  async run(sides) {
    for (const side of sides.devices)
      await sides.with([4 * COUNT, 64, 64], async (out, count, seen) => {
        const command = side.launch('produce', 1, [out, count, seen, COUNT]);
        try {
          for (let i = 0; i < COUNT; i++) {
            await until(() => Atomics.load(i32(count), 0) === i + 1, `store ${i} of ${side.name}`);
            assert.equal(i32(out)[i], 3 * i + 1);
            if (i < COUNT - 1) assert.equal(i32(out)[i + 1], 0, 'it waits for the answer');
            assert.notEqual(command.status, 'complete');
            Atomics.store(i32(seen), 0, i + 1);
          }
        } finally {
          // Whatever went wrong, the kernel ends.
          if (command.status !== 'complete' && Atomics.load(i32(seen), 0) !== COUNT)
            Atomics.store(i32(seen), 0, -1);
          await command.done;
        }
      });
  },
};
