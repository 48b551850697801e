/**
 * svm_enqueue_api: fills with every element size, copies between buffers on each device's queue, the type that a command
 * says it is of.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { SvmCase } from '../case.ts';

/** The sizes of OpenCL's scalars and vectors, and others between them. */
const ELEMENT_SIZES = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24],
  ...[28, 32, 40, 48, 56, 64, 72, 80, 96, 100, 120, 128],
];

export const enqueueFill: SvmCase = {
  name: `svm_enqueue_api: fill with ${ELEMENT_SIZES.length} element sizes`,
  coarse: true,
  async run(sides) {
    await sides.with([128 * 64], async (buffer) => {
      for (const { device, name } of sides.devices)
        for (const size of ELEMENT_SIZES)
          for (const count of [1, 3, 61]) {
            await sides.onHost([buffer], () => buffer.bytes.fill(0xee), device);
            const pattern = Uint8Array.from({ length: size }, (_, i) => (31 * i + size) & 255);
            const command = device.queue.fill(buffer.address + 16, pattern, size * count);
            assert.equal(command.type, 'fill');
            await command.done;
            const end = 16 + size * count;
            const wrong = await sides.onHost(
              [buffer],
              () =>
                buffer.bytes.findIndex((byte, i) =>
                  i < 16 || i >= end ? byte !== 0xee : byte !== pattern[(i - 16) % size],
                ),
              device,
            );
            assert.equal(wrong, -1, `${count} elements of ${size} bytes on ${name}`);
          }
    });
  },
};

export const enqueueCopy: SvmCase = {
  name: 'svm_enqueue_api: copies from and to buffers on every queue, and the types that commands say they are of',
  coarse: true,
  async run(sides) {
    const size = 3 * 4096 + 5;
    await sides.with([size, size], async (source, target) => {
      for (const { device, name } of sides.devices) {
        const { queue } = device;
        for (const [from, to, length] of [
          [0, 0, size],
          [1, 0, 4096],
          [0, 3, 4097],
          [4095, 4097, 1],
        ] as const) {
          const onHost = <T>(body: () => T) => sides.onHost([source, target], body, device);
          await onHost(() => {
            source.bytes.forEach((_, i, all) => {
              all[i] = (i * 7 + from) & 255;
            });
            target.bytes.fill(0);
          });
          const command = queue.copy(target.address + to, source.address + from, length);
          assert.equal(command.type, 'copy');
          await command.done;
          const wrong = await onHost(() => {
            const sent = source.bytes;
            return target.bytes.findIndex(
              (byte, i) => byte !== (i >= to && i < to + length ? sent[i - to + from] : 0),
            );
          });
          assert.equal(wrong, -1, `${length} bytes from ${from} to ${to} on ${name}`);
        }
        const commands = [queue.barrier(), queue.marker(), queue.map(source), queue.unmap(source)];
        assert.deepEqual(
          commands.map(({ type }) => type),
          ['barrier', 'marker', 'map', 'unmap'],
        );
        await queue.finish();
      }
    });
  },
};

export const enqueueGated: SvmCase = {
  name: 'svm_enqueue_api: commands wait for a user event and for commands of other queues and devices',
  async run(sides) {
    const size = 4096;
    await sides.with([size, size, size], async (a, b, c) => {
      for (const first of sides.devices) {
        const one = first.device.createQueue({ order: 'out' });
        const bystander = first.device.createQueue();
        for (const second of sides.devices) {
          const two = second.device.queue;
          a.bytes.fill(1);
          b.bytes.fill(2);
          c.bytes.fill(3);
          const gate = sides.mirror.createEvent();
          const fill = one.fill(a, 9, { after: gate });
          const copied = two.copy(b, a, { after: fill });
          const back = one.copy(c, b, { after: [copied, fill] });
          const stored = second.launch('storeWord', 1, [c, 77], { after: back });
          // Something else gets through, and nothing of this has begun.
          await bystander.marker().done;
          assert.deepEqual([a.bytes[5], b.bytes[5], c.bytes[5]], [1, 2, 3]);
          for (const command of [fill, copied, back, stored]) assert.notEqual(command.status, 'complete');
          gate.complete();
          await stored.done;
          for (const buffer of [a, b]) assert.ok(buffer.bytes.every((byte) => byte === 9));
          assert.deepEqual([...c.bytes.subarray(0, 5)], [77, 0, 0, 0, 9]);
          for (const command of [fill, copied, back]) assert.equal(command.status, 'complete');
          assert.ok(fill.times.finished! <= copied.times.started!);
          assert.ok(copied.times.finished! <= back.times.started!);
        }
      }
    });
  },
};
