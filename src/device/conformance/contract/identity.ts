/**
 * What a device says about itself: name, kind, window, reserved regions, capabilities.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { SVM, satisfies } from '../../capabilities.ts';
import type { ContractCase } from '../case.ts';
import { i32, u32 } from '../sides.ts';

export const identity: ContractCase = {
  name: 'has a name, a kind, a window, named regions of its own, one first queue, and counters',
  coarse: true,
  async run({ device, name }, { mirror }) {
    assert.equal(mirror.devices[name], device);
    assert.equal(device.name, name);
    assert.ok(typeof device.kind === 'string' && device.kind !== '');
    const { start, end } = device.window;
    assert.ok(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start < end);
    for (const region of device.reserved) {
      assert.ok(region.start < region.end, JSON.stringify(region));
      assert.ok(typeof region.name === 'string' && region.name !== '');
    }
    assert.equal(device.queue, device.queue);
    for (const value of Object.values(device.counters())) assert.ok(Number.isFinite(value) && value >= 0);
  },
};

/** What must hold where a bit is set, shown and not believed. */
export const capabilities: ContractCase = {
  name: 'has every capability that it says it has',
  async run(side, sides) {
    const { capabilities: has } = side.device;
    const all = Object.values(SVM).reduce((bits, bit) => bits | bit, 0);
    assert.equal(has & ~all, 0, 'no bits but those of cl_khr_unified_svm');
    assert.ok(satisfies(has, SVM.SINGLE_ADDRESS_SPACE), 'one address is what a mirror is about');
    await sides.with([4096, 64, 64], async (buffer, out, struct) => {
      const words = u32(buffer);
      if (satisfies(has, SVM.HOST_WRITE | SVM.DEVICE_READ)) {
        words[1] = 0xdecade;
        await side.run('loadWord', 1, [buffer.address + 4, out]);
        assert.equal(u32(out)[0], 0xdecade, 'DEVICE_READ of what the host wrote');
      }
      if (satisfies(has, SVM.HOST_READ | SVM.DEVICE_WRITE)) {
        await side.run('storeWord', 1, [buffer.address + 8, 0xfeed]);
        assert.equal(words[2], 0xfeed, 'HOST_READ of what the device wrote');
      }
      if (satisfies(has, SVM.DEVICE_ATOMIC_ACCESS)) {
        await side.run('increment', 10_000, [out.address + 8]);
        assert.equal(i32(out)[2], 10_000, 'DEVICE_ATOMIC_ACCESS between all cores');
      }
      if (satisfies(has, SVM.CONCURRENT_ATOMIC_ACCESS)) {
        const command = side.launch('increment', 10_000, [out.address + 16]);
        for (let i = 0; i < 10_000; i++) Atomics.add(i32(out), 4, 1);
        await command.done;
        assert.equal(i32(out)[4], 20_000, 'CONCURRENT_ATOMIC_ACCESS with the host');
      }
      if (satisfies(has, SVM.INDIRECT_ACCESS)) {
        new BigUint64Array(struct.bytes.buffer, 0, 3).fill(BigInt(buffer.address + 64));
        await side.run('incrementThree', 1, [struct]);
        assert.equal(words[16], 3, 'INDIRECT_ACCESS through a pointer in a buffer');
      }
    });
  },
};
