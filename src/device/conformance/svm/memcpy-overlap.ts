/**
 * svm_negative_memcpy_overlap: copies of overlapping ranges are refused (CL_MEM_COPY_OVERLAP), and nothing changes.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';

export const memcpyOverlap: SvmCase = {
  name: 'svm_negative_memcpy_overlap: three shapes of overlap are refused',
  async run(sides) {
    await sides.with([4096], async (buffer) => {
      for (let i = 0; i < 4096; i++) buffer.bytes[i] = i % 251;
      const { address } = buffer;
      for (const { device } of sides.devices) {
        const { queue } = device;
        const refused = { code: 'ERR_OUT_OF_RANGE', message: /CL_MEM_COPY_OVERLAP/ };
        assert.throws(() => queue.copy(address, address, 64), refused, 'the same range');
        assert.throws(
          () => queue.copy(address + 63, address, 64),
          refused,
          'the target begins in the source',
        );
        assert.throws(
          () => queue.copy(address, address + 63, 64),
          refused,
          'the source begins in the target',
        );
        await queue.finish();
        assert.ok(buffer.bytes.every((byte, i) => byte === i % 251));
        // Next to each other is no overlap.
        await queue.copy(address + 64, address, 64).done;
        assert.deepEqual(buffer.bytes.subarray(64, 128), buffer.bytes.subarray(0, 64));
        for (let i = 64; i < 128; i++) buffer.bytes[i] = i % 251;
      }
    });
  },
};
