/**
 * svm_migrate: three buffers of 256 KiB are migrated with every flag, in ranges of every kind, by two queues, while kernels
 * use them. Whatever that does for speed, the data is exact.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';
import { u32 } from '../sides.ts';

const SIZE = 256 * 1024;
const WORDS = SIZE / 4;

export const migrate: SvmCase = {
  name: 'svm_migrate: three buffers, two queues, every flag, unaligned, whole, overlapping and repeated ranges: data is exact',
  async run(sides) {
    for (const first of sides.devices)
      for (const second of sides.devices) {
        const queue = first === second ? second.device.createQueue() : second.device.queue;
        await sides.with([SIZE, SIZE, SIZE, 64], async (a, b, c, struct) => {
          const buffers = [a, b, c];
          const pointers = new BigUint64Array(struct.bytes.buffer, struct.bytes.byteOffset, 3);
          for (const [n, buffer] of buffers.entries()) {
            pointers[n] = BigInt(buffer.address);
            u32(buffer).forEach((_, i, words) => {
              words[i] = n * 1_000_000 + i;
            });
          }
          const ranges = [
            a,
            a,
            { address: b.address + 123, size: 5001 },
            { address: b.address + 4000, size: 9000 },
            { address: b.address + 123, size: 5001 },
            // The whole buffer that holds the address, both ways.
            { address: c.address + 777, size: 0 },
            { address: c.address },
            c.address + SIZE - 1,
          ];
          let rounds = 0;
          for (const to of ['device', 'host'] as const)
            for (const contentUndefined of [false, true]) {
              const options = { to, contentUndefined };
              const there = first.device.queue.migrate(ranges, options);
              const added = queue.launch(second.kernel('incrementThree'), {
                items: WORDS,
                args: [struct] as never,
                after: there,
              });
              const back = first.device.queue.migrate(buffers, { to: 'host', after: added });
              assert.deepEqual([there.type, back.type], ['migrate', 'migrate']);
              await back.done;
              rounds++;
              for (const [n, buffer] of buffers.entries()) {
                const wrong = u32(buffer).findIndex((word, i) => word !== n * 1_000_000 + i + rounds);
                assert.equal(wrong, -1, `buffer ${n} by ${first.name} and ${second.name}, ${to}`);
              }
            }
          const gone = sides.mirror.alloc(SIZE);
          const { address } = gone;
          gone.free();
          assert.throws(() => queue.migrate(gone), { code: 'ERR_MIRROR_STATE' });
          assert.throws(() => queue.migrate({ address, size: 10 }), { code: 'ERR_OUT_OF_RANGE' });
          assert.throws(() => queue.migrate({ address: a.address, size: SIZE + 1 }), {
            code: 'ERR_OUT_OF_RANGE',
          });
        });
      }
  },
};
