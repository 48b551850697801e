/**
 * svm_shared_sub_buffers: a buffer in four parts. They inherit its flags, and kernels are given nothing but these.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { i32 } from '../sides.ts';
import type { ConformancePart } from '../target.ts';

const [COUNT, LENGTH] = [8, 33];
const PART = 16 * COUNT * LENGTH;

export const sharedSubBuffers: SvmCase = {
  name: 'svm_shared_sub_buffers: four parts of a buffer inherit its flags, and only these are passed',
  coarse: true,
  async run(sides) {
    const types = sides.withoutFine === undefined ? (['fine', 'coarse'] as const) : (['coarse'] as const);
    for (const type of types)
      for (const { producer, consumer } of sides.pairs())
        await sides.with([[4 * PART, { type }], 64], async (whole, errors) => {
          const parts = [0, 1, 2, 3].map((n) => whole.sub(n * PART, PART));
          for (const [n, part] of parts.entries()) {
            assert.deepEqual([part.address, part.size], [whole.address + n * PART, PART]);
            assert.equal(part.type, type, 'inherited');
          }
          const [heads, even, odd, allocated] = parts as [
            ConformancePart,
            ConformancePart,
            ConformancePart,
            ConformancePart,
          ];
          const shared = type === 'coarse' ? [whole] : [];
          await sides.as(producer, shared, () =>
            producer.run('createLinkedLists', COUNT, [heads, even, odd, allocated, LENGTH]),
          );
          const more = errors.type === 'coarse' ? [errors] : [];
          await sides.as(consumer, [...shared, ...more], () =>
            consumer.run('verifyLinkedLists', COUNT, [heads, LENGTH, errors]),
          );
          const wrong = await sides.onHost([errors], () => i32(errors)[0]);
          assert.equal(wrong, 0, `${type}, built by ${producer.name}, followed by ${consumer.name}`);
          await sides.as(sides.host, shared, async () => {
            assert.equal(i32(allocated)[0], COUNT * LENGTH);
            assert.equal(
              i32(allocated)[0],
              new Int32Array(whole.bytes.buffer, 3 * PART, 1)[0],
              'the same bytes',
            );
          });
        });
    // A part that a device may only read is refused as the whole is; one that was freed is gone with it.
    for (const { device, name } of sides.devices)
      await sides.with([[8192, { access: { [name]: 'read' } }]], async (buffer) => {
        assert.throws(() => device.queue.fill(buffer.sub(4096), 1), { code: 'ERR_OUT_OF_RANGE' });
      });
    const gone = sides.mirror.alloc(8192, { type: types[0] });
    const part = gone.sub(0, 100);
    gone.free();
    assert.ok(part.freed);
    for (const { device } of sides.devices)
      assert.throws(() => device.queue.fill(part, 1), { code: 'ERR_MIRROR_STATE' });
  },
};
