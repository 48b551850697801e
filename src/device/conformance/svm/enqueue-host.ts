/**
 * svm_enqueue_api, where the host has a part in the command: copies from and to memory that is no buffer, frees in a
 * queue's turn, with and without a callback.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { u32 } from '../sides.ts';

const SIZE = 10_007;

export const enqueueHostCopy: SvmCase = {
  name: 'svm_enqueue_api: copies host to host, host to buffer, buffer to host, buffer to buffer, gated by an event',
  coarse: true,
  async run(sides) {
    await sides.with([SIZE, SIZE], async (one, two) => {
      for (const { device, name } of sides.devices) {
        const { queue } = device;
        const plain = [new Uint8Array(SIZE), new Uint8Array(SIZE)] as const;
        const bytesOf = (end: Uint8Array | typeof one): Uint8Array =>
          end instanceof Uint8Array ? end : end.bytes;
        for (const source of [plain[0], one])
          for (const target of [plain[1], two]) {
            const onHost = <T>(body: () => T) => sides.onHost([one, two], body, device);
            await onHost(() => {
              bytesOf(source).forEach((_, i, all) => {
                all[i] = (i * 31) & 255;
              });
              bytesOf(target).fill(0xcc);
            });
            const gate = sides.mirror.createEvent();
            const command = queue.copy(target, source, { size: SIZE - 7, after: gate });
            assert.equal(command.type, 'copy');
            // The host can't have a coarse one while a command waits for it.
            if (!('type' in target && target.type === 'coarse'))
              assert.ok(bytesOf(target).every((byte) => byte === 0xcc));
            gate.complete();
            await command.done;
            const wrong = await onHost(() =>
              bytesOf(target).findIndex((byte, i) =>
                i < SIZE - 7 ? byte !== ((i * 31) & 255) : byte !== 0xcc,
              ),
            );
            assert.equal(wrong, -1, name);
          }
      }
    });
  },
};

export const enqueueFree: SvmCase = {
  name: 'svm_enqueue_api: free is a command, and its callback gets exactly the pointers',
  async run(sides) {
    const { mirror } = sides;
    await sides.with([64, 64], async (flag, answer) => {
      for (const side of sides.devices) {
        const { queue } = side.device;
        u32(flag)[0] = 0;
        const [a, b, c] = [mirror.alloc(4096), mirror.alloc(4096), mirror.alloc(4096)];
        u32(a)[1] = 23;
        const waiting = side.launch('awaitWord', 1, [flag, 1, answer]);
        const load = side.launch('loadWord', 1, [a.address + 4, answer.address + 8]);
        const plain = queue.free([a, b.address]);
        const called: unknown[] = [];
        const pointers = [c, c.address + 4, 12345] as const;
        const free = queue.free(pointers, (given) => {
          called.push(given);
          assert.ok(a.freed, 'in its turn');
          c.free();
        });
        assert.deepEqual([plain.type, free.type], ['free', 'free']);
        assert.deepEqual([a.freed, b.freed, c.freed, called.length], [false, false, false, 0]);
        assert.throws(() => side.launch('loadWord', 1, [a, answer]), { code: 'ERR_MIRROR_STATE' });
        u32(flag)[0] = 1;
        await free.done;
        await Promise.all([waiting.done, load.done, plain.done]);
        assert.equal(u32(answer)[2], 23, 'what came before still had it');
        assert.deepEqual([a.freed, b.freed, c.freed], [true, true, true]);
        assert.equal(called.length, 1);
        assert.deepEqual(
          [...(called[0] as unknown[])],
          [...pointers],
          'exactly what was given, in its order',
        );
        assert.equal((called[0] as unknown[])[0], c);
      }
    });
  },
};
