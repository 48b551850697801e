/**
 * Loss and return, closing: commands end with a typed error, memory stays, programs come back.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { DeviceLost } from '../../../errors.ts';
import type { ContractCase } from '../case.ts';
import { alive, i32, u32, until } from '../sides.ts';

export const loss: ContractCase = {
  name: 'rejects what is pending when it is lost, keeps memory, and comes back with its programs by reopen()',
  needs: 'isolation',
  alone: true,
  async run(side, sides, target) {
    const { device } = side;
    await sides.with([sides.mirror.pageSize, 64], async (buffer, flag) => {
      const reopens = device.counters().reopens;
      for (let life = 1; life <= 2; life++) {
        u32(buffer)[5] = 99;
        i32(flag).fill(0);
        const running = side.launch('spin', 1, [flag]);
        const waiting = side.launch('storeWord', 1, [buffer, 1]);
        await until(() => Atomics.load(i32(flag), 0) === 1, 'the kernel');
        const lost = device.lost;
        await target.crash(device);
        for (const command of [running, waiting]) {
          await assert.rejects(command.done, DeviceLost);
          assert.equal(command.status, 'failed');
        }
        const notice = await alive(lost);
        assert.ok(notice instanceof DeviceLost);
        assert.equal(notice.device, side.name);
        assert.throws(() => side.launch('increment', 1, [flag]), DeviceLost);
        assert.deepEqual([u32(buffer)[5], u32(buffer)[0]], [99, 0], 'memory is as it was');
        const late = sides.mirror.alloc(sides.mirror.pageSize);
        u32(late)[1] = 8;
        await device.reopen();
        await device.reopen();
        assert.equal(device.counters().reopens, reopens + life);
        await side.run('loadWord', 1, [buffer.address + 20, flag.address + 32]);
        assert.equal(u32(flag)[8], 99);
        await side.run('loadWord', 1, [late.address + 4, flag.address + 32]);
        assert.equal(u32(flag)[8], 8, 'a buffer that came while it was lost');
        late.free();
      }
    });
  },
};

export const close: ContractCase = {
  name: 'closes twice, ends what is pending, refuses what comes later, and lets its mirror go on',
  needs: 'isolation',
  alone: true,
  async run(side, sides) {
    const { device } = side;
    await sides.with([64], async (flag) => {
      const running = side.launch('spin', 1, [flag]);
      await until(() => Atomics.load(i32(flag), 0) === 1, 'the kernel');
      const closed = device.close();
      await assert.rejects(running.done, DeviceLost);
      await closed;
      await device.close();
      const refused = { code: 'ERR_MIRROR_STATE' };
      assert.throws(() => side.launch('increment', 1, [flag]), refused);
      assert.throws(() => device.createQueue(), refused);
      await assert.rejects(device.reopen(), refused);
      const buffer = sides.mirror.alloc(4096);
      buffer.bytes.fill(1);
      buffer.free();
      for (const other of sides.devices)
        if (other !== side) {
          i32(flag)[4] = 0;
          await other.run('increment', 5, [flag.address + 16]);
          assert.equal(i32(flag)[4], 5, `${other.name} goes on`);
        }
    });
  },
};
