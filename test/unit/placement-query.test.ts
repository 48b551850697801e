/**
 * What a mirror says of addresses: what lies at one, what occupies a range, and what is only held until its views have gone.
 */
import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { GiB, KiB, type Mirror, type WasmDevice } from 'mirrorspace';
import { overlaps } from 'mirrorspace/mm';
import { viewMemory } from '../../src/ffi/library.ts';
import { FIRMWARE, foreignMapping, openPlacing, PAGE, refusalOf, withBuffers } from '../fixtures/placing.ts';
import { arenaDescriptor, arenaMappings, eventually, mappings } from '../fixtures/proc.ts';

const NAME = 'placing-asked';

let mirror: Mirror<{ wasm: WasmDevice }>;
before(async () => {
  mirror = await openPlacing(NAME);
});
after(() => mirror.close());

describe('mirror.query', () => {
  test('knows every byte of a buffer, and no byte around it', () => {
    withBuffers((keep) => {
      const buffer = keep(mirror.alloc(5000, { name: 'asked', access: { wasm: 'read' } }));
      for (const offset of [0, 1, 4095, 4096, 4999]) {
        const info = mirror.query(buffer.address + offset);
        assert.ok(info);
        assert.equal(info.buffer, buffer);
        assert.deepEqual(
          { name: info.name, base: info.base, offset: info.offset, type: info.type, access: info.access },
          { name: 'asked', base: buffer.address, offset, type: 'fine', access: { wasm: 'read' } },
        );
      }
      for (const address of [buffer.address - 1, buffer.end, buffer.address + 2 * PAGE, FIRMWARE.start])
        assert.equal(mirror.query(address), undefined);
      for (const address of [0, 2 ** 47, Number.MAX_SAFE_INTEGER])
        assert.equal(mirror.query(address), undefined);
      assert.equal(mirror.query(mappings()[0]!.start), undefined);
    });
  });

  test('says whether the page is in memory', () => {
    withBuffers((keep) => {
      const buffer = keep(mirror.alloc(4 * PAGE));
      const resident = () => [0, 1, 2, 3].map((page) => mirror.query(buffer.address + page * PAGE)?.resident);
      assert.deepEqual(resident(), [false, false, false, false]);
      mirror.devices.wasm.queue.fill(buffer.address + 2 * PAGE, 1, 1).wait();
      assert.equal(resident()[2], true);
      const alone = keep(mirror.alloc(4 * PAGE, { devices: [] }));
      assert.equal(mirror.query(alone.address + PAGE)?.resident, false);
      new Uint8Array(viewMemory(alone.address + PAGE, 1))[0] = 1;
      assert.equal(mirror.query(alone.address + PAGE)?.resident, true);
      assert.equal(mirror.query(alone.address)?.resident, false);
    });
  });

  test('forgets a buffer when it is freed', () => {
    const buffer = mirror.alloc(PAGE);
    buffer.free();
    assert.equal(mirror.query(buffer.address), undefined);
  });
});

describe('mirror.occupants', () => {
  test('lists mappings, reserved regions and buffers, each with owner and extent, by start', () => {
    withBuffers((keep) => {
      const buffer = keep(
        mirror.alloc(5000, { name: 'listed', guard: 2, place: { at: 3 * GiB - 4 * PAGE } }),
      );
      const checkAndUnmap = foreignMapping(2 * GiB, PAGE, 9);
      try {
        const { start, end, name } = FIRMWARE;
        // V8 may put pages of its heap there at any moment.
        const listed = mirror
          .occupants({ start: 2 * GiB, end: 3 * GiB + PAGE })
          .filter(({ start, kind }) => kind !== 'vma' || start === 2 * GiB);
        assert.deepEqual(listed, [
          { start: 2 * GiB, end: 2 * GiB + PAGE, kind: 'vma', owner: 'host', name: 'anonymous memory' },
          {
            start: buffer.address,
            end: buffer.address + 4 * PAGE,
            guard: 2 * PAGE,
            kind: 'buffer',
            owner: 'host',
            name: 'listed',
          },
          { start, end, kind: 'reserved', owner: 'wasm', name },
        ]);
      } finally {
        checkAndUnmap();
      }
      assert.deepEqual(mirror.occupants({ start: 2 * GiB, end: 2 * GiB + PAGE }), []);
    });
  });

  test('agrees with the kernel about everything else in the process', () => {
    const files = (list: readonly { name: string; start: number; end: number }[]) =>
      list.filter(({ name }) => name.startsWith('/')).map(({ name, start, end }) => ({ name, start, end }));
    const listed = mirror.occupants({ start: 0, end: 2 ** 47 });
    assert.deepEqual(files(listed), files(mappings()));
    assert.ok(files(listed).length > 5);
  });
});

test('a place whose views are still held is quarantined, and free again once they have been collected', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const address = 2 * GiB;
  // In a function of its own, so that no view of it is left on the stack.
  (() => {
    const buffer = mirror.alloc(64 * KiB, { name: 'viewed', guard: 0, place: { at: address } });
    buffer.bytes.fill(7);
    buffer.free();
  })();
  const range = { start: address, end: address + 64 * KiB };
  assert.deepEqual(mirror.occupants(range), [
    { ...range, guard: 0, kind: 'quarantined', owner: 'host', name: 'viewed' },
  ]);
  const [vma] = mappings().filter((each) => overlaps(each, range));
  assert.equal(vma?.kind, 'anonymous');
  assert.deepEqual(arenaMappings(NAME), []);
  assert.equal(fstatSync(arenaDescriptor(NAME)).blocks, 0);
  const refusal = refusalOf(() => mirror.alloc(PAGE, { place: { at: address } }));
  assert.equal(refusal.quarantinedBytes, 64 * KiB);
  assert.ok(refusal.remedies.some(({ kind, address: at }) => kind === 'wait' && at === address));

  await eventually('the collection of the view', () => {
    collect();
    return !mappings().some((each) => overlaps(each, range));
  });
  const again = mirror.alloc(64 * KiB, { guard: 0, place: { at: address } });
  assert.ok(again.bytes.every((byte) => byte === 0));
  again.free();
});
