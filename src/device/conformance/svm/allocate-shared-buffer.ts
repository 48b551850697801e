/**
 * svm_allocate_shared_buffer: memory with every combination of flags can be had, and what is known of it leads back to
 * the same pointer, on every side.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { u32 } from '../sides.ts';

export const allocateSharedBuffer: SvmCase = {
  name: 'svm_allocate_shared_buffer: every combination of flags allocates, and every side has the same pointer',
  async run(sides) {
    const { mirror } = sides;
    const size = 2 * mirror.pageSize;
    const flags = [false, true];
    await sides.with([64], async (out) => {
      for (const commit of flags)
        for (const hugePages of flags)
          for (const guard of [0, 1])
            for (const align of [mirror.pageSize, 65536])
              for (const [type, access] of [
                ['fine', 'read'],
                ['fine', 'write'],
                ['coarse', 'read'],
                ['coarse', 'write'],
              ] as const) {
                const rights = Object.fromEntries(sides.devices.map(({ name }) => [name, access]));
                const options = { type, commit, hugePages, guard, align, access: rights };
                await sides.with([[size, options]], async (buffer) => {
                  assert.equal(buffer.address % align, 0);
                  assert.equal(mirror.memoryAt(buffer.address), buffer);
                  assert.equal(mirror.memoryAt(buffer.address + size - 1), buffer);
                  const coarse = type === 'coarse' ? [buffer] : [];
                  await sides.as(sides.host, coarse, async () => {
                    u32(buffer)[7] = buffer.address >>> 0;
                  });
                  for (const side of sides.all)
                    await sides.as(side, coarse, async () => {
                      out.bytes.fill(0xee);
                      // As a buffer, and as a number with an offset: both are the pointer.
                      await side.run('storeArguments', 1, [out, buffer, 0, 0, 0n, 0n, 0, 0]);
                      const [pointer] = new BigUint64Array(out.bytes.buffer, 0, 1);
                      assert.equal(pointer, BigInt(buffer.address), side.name);
                      await side.run('loadWord', 1, [buffer.address + 28, out]);
                      assert.equal(u32(out)[0], buffer.address >>> 0, side.name);
                    });
                });
              }
    });
  },
};
