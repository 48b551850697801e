/**
 * What goes wrong in a kernel ends its launch, and nothing else.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { DeviceFault, DeviceLost } from '../../../errors.ts';
import type { Command } from '../../device.ts';
import type { ContractCase } from '../case.ts';
import { type DeviceSide, i32, u32, until } from '../sides.ts';
import { assertInside } from './window.ts';

async function failureOf(command: Command): Promise<unknown> {
  return command.done.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** The device works, if need be after it was brought back. */
async function assertWorks(side: DeviceSide, answer: { address: number; words: Int32Array }): Promise<void> {
  answer.words[0] = 0;
  await side.run('increment', 10, [answer.address]);
  assert.equal(answer.words[0], 10, 'the device goes on');
}

export const failing: ContractCase = {
  name: 'rejects the launch of a kernel that fails, by name, and goes on with the next',
  needs: 'isolation',
  async run(side, sides) {
    await sides.with([64], async (counter) => {
      for (let round = 0; round < 5; round++) {
        const failed = side.launch('fail', 8, [], { chunk: 1 });
        const next = side.launch('increment', 100, [counter]);
        const error = await failureOf(failed);
        assert.ok(error instanceof DeviceFault, String(error));
        assert.equal(error.device, side.name);
        assert.equal(error.kernel, 'fail');
        assert.equal(error.reason, 'trap');
        assert.equal(failed.status, 'failed');
        await next.done;
      }
      assert.equal(i32(counter)[0], 500);
    });
  },
};

export const silent: ContractCase = {
  name: 'rejects finish() with the first failure that nobody looked at, and not with one that somebody did',
  needs: 'isolation',
  async run(side) {
    side.launch('fail', 1, []);
    side.launch('fail', 1, []);
    await assert.rejects(side.device.queue.finish(), DeviceFault);
    await side.device.queue.finish();
    await assert.rejects(side.launch('fail', 1, []).done, DeviceFault);
    await side.device.queue.finish();
  },
};

export const wild: ContractCase = {
  name: 'rejects loads and stores outside of buffers, and leaves memory and host as they are',
  needs: 'isolation',
  alone: true,
  async run(side, sides) {
    const { mirror } = sides;
    await sides.with([mirror.pageSize, 64], async (buffer, out) => {
      buffer.bytes.fill(0x5a);
      // Null; the guard behind a buffer; where a buffer was.
      const gone = mirror.alloc(mirror.pageSize);
      gone.free();
      await side.run('increment', 1, [out.address + 32]);
      for (const address of [0, buffer.address + mirror.pageSize, gone.address])
        for (const command of [
          side.launch('loadWord', 1, [address, out]),
          side.launch('storeWord', 1, [address, 1]),
        ]) {
          const error = await failureOf(command);
          assert.ok(error instanceof DeviceFault || error instanceof DeviceLost, `${address}: ${error}`);
          if (error instanceof DeviceLost) await side.device.reopen();
        }
      assert.ok(buffer.bytes.every((byte) => byte === 0x5a));
      await assertWorks(side, { address: out.address + 16, words: i32(out).subarray(4) });
    });
  },
};

export const readOnly: ContractCase = {
  name: 'loads from a buffer that it may read only, and does not store to it; has no access where it has none',
  needs: 'isolation',
  alone: true,
  async run(side, sides) {
    const access = (what: 'read' | 'none') => ({ access: { [side.name]: what } });
    const { mirror } = sides;
    const size = mirror.pageSize;
    await sides.with([[size, access('read')], 64], async (buffer, out) => {
      // Placed without this device: near to a buffer of its own, so not where it has something for itself.
      const place = { within: [buffer.address, side.device.window.end] } as const;
      const hidden = mirror.alloc(size, { ...access('none'), place });
      assertInside(side, hidden);
      u32(buffer)[3] = 42;
      u32(hidden)[3] = 43;
      await side.run('loadWord', 1, [buffer.address + 12, out]);
      assert.equal(u32(out)[0], 42);
      assert.throws(() => side.device.queue.fill(buffer, 1), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => side.launch('loadWord', 1, [hidden, out]), { code: 'ERR_OUT_OF_RANGE' });
      for (const command of [
        () => side.launch('storeWord', 1, [buffer.address + 12, 1]),
        () => side.launch('loadWord', 1, [hidden.address + 12, out]),
        () => side.launch('storeWord', 1, [hidden.address + 12, 1]),
      ]) {
        const error = await failureOf(command());
        assert.ok(error instanceof DeviceFault || error instanceof DeviceLost, String(error));
        if (error instanceof DeviceLost) await side.device.reopen();
      }
      assert.deepEqual([u32(buffer)[3], u32(hidden)[3]], [42, 43]);
      assert.notEqual(u32(out)[0], 43, 'what it may not read reaches nobody');
      hidden.free();
      await assertWorks(side, { address: out.address + 16, words: i32(out).subarray(4) });
    });
  },
};

export const stops: ContractCase = {
  name: 'stops a kernel that never ends, by timeout and by signal',
  needs: 'isolation',
  alone: true,
  async run(side, sides) {
    await sides.with([64], async (flag) => {
      const controller = new AbortController();
      for (const [more, expected] of [
        [{ timeout: 200 }, { code: 'ERR_MIRROR_TIMEOUT' }],
        [{ signal: controller.signal }, { message: 'enough' }],
      ] as const) {
        i32(flag)[0] = 0;
        const command = side.launch('spin', 1, [flag], more);
        const waiting = side.launch('increment', 1, [flag.address + 16]);
        if ('signal' in more) {
          await until(() => Atomics.load(i32(flag), 0) === 1, 'the kernel');
          controller.abort(new Error('enough'));
        }
        await assert.rejects(command.done, expected);
        // It ran after it, or was lost with the device, which comes back by itself.
        await waiting.done.catch((error) => assert.ok(error instanceof DeviceLost, String(error)));
        await side.device.reopen();
        await assertWorks(side, { address: flag.address + 32, words: i32(flag).subarray(8) });
      }
      assert.throws(() => side.launch('increment', 1, [flag], { signal: controller.signal }), {
        message: 'enough',
      });
    });
  },
};
