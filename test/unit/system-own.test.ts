/**
 * What a device's process has for itself lies at addresses where the host has something else: no launch and no pin may
 * name them, since what a kernel would find there is not the host's.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMirror, processDevice } from 'mirrorspace';
import { viewMemory } from '../../src/ffi/library.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  mmapNoReplace,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { hostPages, PAGE, type SystemMirror, systemKernels, withSystem } from '../fixtures/system.ts';

/** A page of the host's that lies where the device has something of its own. */
function pageInItsRoom({ proc }: SystemMirror): { address: number; bytes: Uint8Array } {
  for (const { start, end } of [...proc.unmirrorable()].sort((a, b) => b.end - b.start - (a.end - a.start)))
    for (const address of [start, Math.floor((start + end) / 2 / PAGE) * PAGE]) {
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
      if (!mmapNoReplace(address, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0)) continue;
      return { address, bytes: new Uint8Array(viewMemory(address, PAGE)) };
    }
  assert.fail('the host has no page free where the device has something of its own');
}

const refusal = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

for (const faults of ['auto', 'trap'] as const)
  describe(`a device with system SVM, faults: '${faults}'`, () => {
    it('is given no argument that lies in its own memory, and says what is there; nothing ran', () =>
      withSystem(
        async (on) => {
          const { proc, program, out } = on;
          const take = program.kernel('take', ['pointer', 'f64', 'pointer']);
          const { address, bytes } = pageInItsRoom(on);
          bytes.fill(99);
          const { launches } = proc.counters();
          const { acquires } = proc.systemCounters();
          const launch = (from: number | { address: number; size: number }, uses: readonly number[] = []) =>
            proc.queue.launch(take, { items: 1, args: [from, 1, out], uses });
          for (const from of [address, address + PAGE - 1, { address: address - PAGE, size: 2 * PAGE }])
            assert.throws(() => launch(from), {
              ...refusal,
              message: /"args\[0\]".*device 'proc' can reach: it has \[0x.*for itself \(.+\).*unmirrorable/,
            });
          for (const { start, end } of proc.unmirrorable())
            for (const from of [start, end - 1]) assert.throws(() => launch(from), refusal);
          assert.throws(() => launch(out.address, [address]), { ...refusal, message: /"uses"/ });
          assert.equal(proc.counters().launches, launches);
          assert.equal(proc.systemCounters().acquires, acquires);
          // A buffer, and null where nothing is loaded from it, are arguments as ever.
          out.bytes[8] = 5;
          await proc.queue.launch(take, { items: 1, args: [out.address + 8, 1, out] }).done;
          assert.equal(out.bytes[0], 5);
          await proc.queue.launch(take, { items: 0, args: [0, 1, out] }).done;
        },
        { faults },
      ));

    it('is pinned nothing that lies there, and what was pinned before stays', () =>
      withSystem(
        async (on) => {
          const { mirror, proc, program } = on;
          const { bytes } = pageInItsRoom(on);
          for (const options of [{}, { write: true }])
            assert.throws(() => mirror.pin(bytes, options), {
              ...refusal,
              message: /"view".*'proc'.*for itself/,
            });
          const pages = hostPages(1, 1);
          using pin = mirror.pin(pages.bytes, { write: true });
          assert.throws(() => mirror.pin(bytes, { write: true }), refusal);
          const put = program.kernel('put', ['pointer', 'u32']);
          await proc.queue.launch(put, { items: 1, args: [pin, 8] }).done;
          assert.equal(pages.bytes[0], 8);
        },
        { faults },
      ));
  });

it('without system SVM a pin is only a pin, and an argument may be any number', async () => {
  const mirror = await openMirror({ devices: { proc: processDevice({ cores: 1 }) } });
  try {
    const { proc } = mirror.devices;
    assert.equal(proc.systemPaging, 'off');
    const bytes = Uint8Array.of(1, 2, 3);
    const pin = mirror.pin(bytes, { write: true });
    assert.equal(pin.bytes?.[1], 2);
    pin.dispose();
    const [own] = proc.unmirrorable();
    const take = (await proc.load(systemKernels)).kernel('take', ['pointer', 'f64', 'pointer']);
    const out = mirror.alloc(PAGE);
    const command = proc.queue.launch(take, { items: 1, args: [own!.start, 1, out] });
    await assert.rejects(command.done, { code: 'ERR_MIRROR_DEVICE_FAULT', address: own!.start });
  } finally {
    await mirror.close();
  }
});
