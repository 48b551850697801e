/**
 * svm_allocate_shared_buffer_negative: what is given out is no larger than it was asked for.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';

export const allocateSharedBufferNegative: SvmCase = {
  name: 'svm_allocate_shared_buffer_negative: commands over twice the size of a buffer are refused',
  async run(sides) {
    const size = sides.mirror.pageSize;
    await sides.with([size, 2 * size], async (buffer, larger) => {
      larger.bytes.fill(7);
      for (const { device, name } of sides.devices) {
        const { queue } = device;
        const refused = { code: 'ERR_OUT_OF_RANGE' };
        assert.throws(() => queue.fill(buffer, 1, 2 * size), refused, name);
        assert.throws(() => queue.copy(buffer, larger, 2 * size), refused, name);
        assert.throws(() => queue.copy(larger, buffer, 2 * size), refused, name);
        assert.throws(() => queue.copy(buffer, larger), refused, name);
        await queue.finish();
      }
      assert.ok(buffer.bytes.every((byte) => byte === 0));
      assert.ok(larger.bytes.every((byte) => byte === 7));
      assert.throws(() => new Uint8Array(buffer.bytes.buffer, 0, 2 * size), RangeError);
      assert.throws(() => buffer.sub(0, 2 * size), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => buffer.sub(size / 2, size), { code: 'ERR_OUT_OF_RANGE' });
    });
  },
};
