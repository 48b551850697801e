/**
 * mirrorspace/kernel where there is no device: it can be imported, and says so when it is used.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnsupportedError } from 'mirrorspace';
import { atomics, core, cores, isDevice, items, memory, view } from 'mirrorspace/kernel';
import { struct, u32 } from 'mirrorspace/layout';
import { AddressError, MirroredMemory } from '../../src/device/process/kernel/mirrored-memory.ts';
import { viewIn } from '../../src/device/process/kernel/views.ts';

const GiB = 2 ** 30;

test('outside of a device nothing of it works, and it says what to do', () => {
  assert.equal(isDevice(), false);
  const Node = struct('Node', { tag: u32 });
  for (const use of [
    core,
    cores,
    items,
    () => view(Int32Array, 65536, 1),
    () => atomics.i32.load(65536),
    () => atomics.u64.add(65536, 1n),
    () => Node.in(memory),
  ]) {
    assert.throws(use, (error: unknown) => {
      // By its code: the module is a bundle of its own.
      const { code, missing } = error as UnsupportedError;
      assert.equal(code, 'ERR_MIRROR_UNSUPPORTED');
      assert.equal(missing, 'device core');
      return true;
    });
  }
  assert.ok(UnsupportedError);
});

/** Memory whose pieces are noted; nothing is behind them. */
function fake(ranges: { start: number; end: number }[]) {
  const made: { address: number; length: number }[] = [];
  const memory = new MirroredMemory(ranges, (address, length) => {
    made.push({ address, length });
    return { byteLength: length } as ArrayBuffer;
  });
  return { made, memory };
}

test('a piece is made once, and serves everything that lies in it', () => {
  const made: number[] = [];
  const map = (address: number, length: number): ArrayBuffer => {
    made.push(address);
    return new ArrayBuffer(length);
  };
  const ranges = [
    { start: 0x10000, end: 0x20000 },
    { start: 0x400000, end: 0x500000 },
  ];
  const two = new MirroredMemory(ranges, map);
  const first = viewIn(two, Float64Array, 0x10008, 4);
  const second = viewIn(two, Uint8Array, 0x1ffff, 1);
  assert.equal(first.buffer, second.buffer);
  assert.equal(first.byteOffset, 8);
  assert.equal(viewIn(two, DataView, 0x400001, 3).byteLength, 3);
  assert.deepEqual(made, [0x10000, 0x400000]);
  for (const [address, size] of [
    [0, 4],
    [0xfffc, 8],
    [0x1fffc, 8],
    [0x20000, 4],
    [0x3ffffc, 4],
    [0x4ffffc, 8],
    [0x500000, 4],
    [2 ** 46, 4],
  ] as const) {
    assert.throws(() => viewIn(two, Uint8Array, address, size), AddressError);
  }
  for (const wrong of [1, 0x10004, -8, 1.5, Number.NaN, 2 ** 53])
    assert.throws(() => viewIn(two, Float64Array, wrong, 1), { code: 'ERR_OUT_OF_RANGE' });
  for (const wrong of [-1, 1.5, Number.POSITIVE_INFINITY, 2 ** 52])
    assert.throws(() => viewIn(two, Float64Array, 0x10000, wrong), { code: 'ERR_OUT_OF_RANGE' });
  for (const wrong of ['0x10000', 65536n, null, undefined, {}] as never[]) {
    assert.throws(() => viewIn(two, Float64Array, wrong, 1), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => viewIn(two, Float64Array, 0x10000, wrong), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => viewIn(two, wrong, 0x10000, 1), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  assert.throws(() => viewIn(two, Array as never, 0x10000, 1), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => viewIn(two, Object.getPrototypeOf(Uint8Array), 0x10000, 1), TypeError);
});

test('pieces of a long range overlap, so that whatever is shorter than 2 GiB lies in one', () => {
  const start = 0x7000;
  const { made, memory } = fake([{ start, end: start + 100 * GiB }]);
  for (const [offset, size, piece] of [
    [0, 4, 0],
    [2 * GiB - 4, 4, 0],
    [2 * GiB, 2 * GiB, 0],
    [5 * GiB, 4, 4 * GiB],
    [7 * GiB, 2 * GiB - 1, 6 * GiB],
    [98 * GiB + 5, 2 * GiB - 5, 98 * GiB],
    // Longer than the stride: a piece that begins just there.
    [9 * GiB + 8, 4 * GiB, 9 * GiB + 8],
  ] as const) {
    const held = memory.holding(start + offset, size);
    assert.equal(held.address, start + piece);
    assert.equal(held.end, start + Math.min(100 * GiB, piece + 4 * GiB));
  }
  const before = made.length;
  memory.holding(start + 5 * GiB, 8);
  assert.equal(made.length, before);
  assert.equal(memory.at(start + 3 * GiB)?.address, start + 2 * GiB);
  assert.throws(() => memory.holding(start, 4 * GiB + 1), { code: 'ERR_OUT_OF_RANGE' });
  assert.equal(memory.at(start - 1), undefined);
  assert.equal(memory.at(Number.NaN), undefined);
});
