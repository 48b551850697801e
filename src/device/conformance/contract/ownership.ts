/**
 * Coarse buffers: the host's from map to unmap, in the queue's order, and meanwhile nobody else's.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { ContractCase } from '../case.ts';
import { i32, u32 } from '../sides.ts';

export const ownership: ContractCase = {
  name: 'takes no command that names a coarse buffer which the host has mapped, and has it again after unmap',
  coarse: true,
  async run(side, sides) {
    const { queue } = side.device;
    const other = side.device.createQueue({ order: 'out' });
    const refused = { code: 'ERR_MIRROR_STATE' };
    await sides.with([[4096, { type: 'coarse' }], 4096], async (buffer, plain) => {
      for (let round = 1; round <= 3; round++) {
        // Behind the launch, so the host finds what that has stored.
        const stored = side.launch('storeWord', 1, [buffer, round]);
        await queue.map(buffer).done;
        assert.equal(stored.status, 'complete');
        assert.equal(u32(buffer)[0], round);
        u32(buffer)[1] = 100 * round;
        for (const [name, command] of Object.entries({
          argument: () => side.launch('increment', 1, [buffer]),
          pointer: () => side.launch('increment', 1, [buffer.address + 4092]),
          part: () => side.launch('increment', 1, [buffer.sub(64, 64)]),
          uses: () => side.launch('increment', 1, [plain], { uses: [plain, buffer] }),
          'used pointer': () => side.launch('increment', 1, [plain], { uses: [buffer.address + 1] }),
          source: () => other.copy(plain, buffer),
          target: () => other.copy(buffer, plain),
          fill: () => other.fill(buffer, 1),
          migrate: () => other.migrate(buffer),
          map: () => other.map(buffer),
        }))
          assert.throws(command, refused, name);
        await queue.unmap(buffer).done;
        assert.throws(() => buffer.bytes, refused, 'it is not the host’s any more');
        assert.throws(() => queue.unmap(buffer), refused);
        await side.run('increment', 5, [buffer.address + 4]);
        await side.run('loadWord', 1, [buffer.address + 4, plain]);
        const sum = await sides.onHost([plain], () => u32(plain)[0], side.device);
        assert.equal(sum, 100 * round + 5, 'what the host stored, and the device added');
      }
    });
    await queue.finish();
  },
};

export const mapsInOrder: ContractCase = {
  name: 'maps a coarse buffer behind the commands of its queue, and not where that fails',
  coarse: true,
  async run(side, sides) {
    const { queue } = side.device;
    await sides.with([[4096, { type: 'coarse' }], 64], async (buffer, log) => {
      const gate = sides.mirror.createEvent();
      const before = side.launch('storeWord', 1, [buffer, 5], { after: gate });
      const map = queue.map(buffer, { access: 'read' });
      assert.notEqual(map.status, 'complete');
      assert.throws(() => buffer.bytes, { code: 'ERR_MIRROR_STATE' }, 'the map has not ended');
      gate.complete();
      await map.done;
      assert.equal(before.status, 'complete');
      assert.equal(u32(buffer)[0], 5);
      await queue.unmap(buffer).done;

      const held = sides.mirror.createEvent();
      const failed = queue.map(buffer, { after: held });
      held.fail(new Error('no need'));
      await assert.rejects(failed.done, { code: 'ERR_MIRROR_DEPENDENCY' });
      await side.run('increment', 1, [buffer]);
      await side.run('loadWord', 1, [buffer, log]);
      const word = await sides.onHost([log], () => i32(log)[0], side.device);
      assert.equal(word, 6, 'the device has it still');
    });
  },
};
