/**
 * The window: buffers lie in it, clear of what the device keeps for itself, and each byte of them is the host's.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { overlaps } from '../../../mm/address.ts';
import type { ContractCase } from '../case.ts';
import type { DeviceSide } from '../sides.ts';
import { u32 } from '../sides.ts';
import type { ConformanceBuffer } from '../target.ts';

/** The buffer lies where the device reaches, and has nothing of its own. */
export function assertInside({ device }: DeviceSide, { address, size }: ConformanceBuffer): void {
  const range = { start: address, end: address + size };
  assert.ok(range.start >= device.window.start && range.end <= device.window.end, 'it lies in the window');
  assert.equal(
    device.reserved.find((region) => overlaps(region, range)),
    undefined,
    'it keeps clear of reserved regions',
  );
}

export const window: ContractCase = {
  name: 'reaches buffers at the bottom and at the top of its window, to their first and last words',
  needs: 'places',
  async run(side, sides) {
    const size = 3 * sides.mirror.pageSize;
    for (const topdown of [false, true])
      for (const devices of [[side.name], undefined])
        await sides.with([[size, { topdown, ...(devices ? { devices } : {}) }], 64], async (buffer, out) => {
          assertInside(side, buffer);
          for (const at of [0, size - 4]) {
            u32(buffer)[at / 4] = 0xabc0000 + at;
            await side.run('loadWord', 1, [buffer.address + at, out]);
            assert.equal(u32(out)[0], 0xabc0000 + at);
            await side.run('storeWord', 1, [buffer.address + at, 77]);
            assert.equal(u32(buffer)[at / 4], 77);
          }
        });
  },
};

export const reserved: ContractCase = {
  name: 'has no buffer where it has something of its own',
  needs: 'places',
  async run({ device, name }, { mirror }) {
    for (const region of device.reserved.slice(0, 8)) {
      const at = Math.ceil(region.start / mirror.pageSize) * mirror.pageSize;
      if (at + mirror.pageSize > region.end) continue;
      assert.throws(() => mirror.alloc(mirror.pageSize, { place: { at }, devices: [name] }), {
        code: 'ERR_MIRROR_PLACEMENT',
      });
    }
    for (const place of [{ at: device.window.end }] as const)
      assert.throws(() => mirror.alloc(mirror.pageSize, { place, devices: [name] }), {
        code: 'ERR_MIRROR_PLACEMENT',
      });
  },
};

export const freed: ContractCase = {
  name: 'sees zeros where a buffer was freed and another one came to lie, and may use what comes and goes at any time',
  async run(side, sides) {
    const { mirror } = sides;
    await sides.with([64], async (out) => {
      for (let round = 0; round < 20; round++) {
        const buffer = mirror.alloc(mirror.pageSize);
        await side.run('loadWord', 1, [buffer, out]);
        assert.equal(u32(out)[0], 0, 'new memory is zero');
        // Put in before the free, so it runs before it.
        const command = side.launch('storeWord', 1, [buffer, 12345]);
        buffer.free();
        await command.done;
      }
    });
  },
};
