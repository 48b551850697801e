/**
 * The heap against a plain Map, on random operations: over memory of this test's own, at addresses of any height, and
 * with a host that has no room at times.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlacementError } from '../../src/errors.ts';
import { AddressMap } from '../../src/mirror/heap/address-map.ts';
import { alignedClass, CLASS_OF, COUNTS, SIZES } from '../../src/mirror/heap/size-classes.ts';
import { inverseOf } from '../../src/mirror/heap/span-records.ts';
import { HeapModel, heapOperations } from '../fixtures/heap-model.ts';
import { makeHeap, PlainHost } from '../fixtures/plain-heap.ts';

const SPAN = 65_536;

test('whatever is allocated and freed in whatever order, the heap and a Map agree', () => {
  fc.assert(
    fc.property(
      fc.array(heapOperations, { maxLength: 300, size: 'max' }),
      fc.constantFrom(0x1_0000, 0xfff0_0000, 0x7e12_3450_0000),
      (operations, base) => {
        const host = new PlainHost(base);
        const heap = makeHeap(host, { chunkSize: 4 * SPAN });
        const model = new HeapModel(heap);
        for (const operation of operations) model.run(operation);
        model.verify();
        heap.close();
        assert.equal(host.live.size, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test('where the host has no room, alloc passes the refusal on and nothing has changed', () => {
  fc.assert(
    fc.property(
      fc.array(heapOperations, { maxLength: 200, size: 'max' }),
      fc.integer({ min: 0, max: 12 }),
      (operations, spans) => {
        const host = new PlainHost(0x100_0000, spans * SPAN + 5000);
        const heap = makeHeap(host);
        const model = new HeapModel(heap);
        for (const operation of operations) {
          const before = heap.statistics();
          try {
            model.run(operation);
          } catch (error) {
            if (!(error instanceof PlacementError)) throw error;
            assert.deepEqual(heap.statistics(), before);
          }
        }
        model.verify();
        heap.close();
        assert.equal(host.live.size, 0);
      },
    ),
    { numRuns: 100 },
  );
});

test('an object that is freed and allocated again and again is refused in between, and is zeroed', () => {
  const heap = makeHeap(new PlainHost(0x7e12_3450_0000), { chunkSize: SPAN, maxBytes: SPAN });
  const [gone, twice] = [{ name: 'StateError', state: 'freed' }, /nothing is allocated/];
  const keep = heap.alloc(48);
  for (let round = 0; round < 3; round++) {
    const address = heap.alloc(48);
    assert.deepEqual([...heap.view(Uint8Array, address)], Array(48).fill(0));
    heap.view(Uint8Array, address).fill(7);
    heap.free(address);
    assert.throws(() => heap.free(address), { ...gone, message: twice });
    assert.equal(heap.alloc(48), address);
    heap.view(Uint8Array, address).fill(7);
    heap.free(address);
    assert.throws(() => heap.sizeOf(address), gone);
    assert.throws(() => heap.free(address), gone);
    assert.throws(() => heap.free(address + 16), { name: 'StateError', state: 'freed' });
    // The order that does not lead back to the same object.
    const [a, b] = [heap.alloc(48), heap.alloc(48)];
    heap.free(b);
    heap.free(a);
    assert.throws(() => heap.free(b), gone);
    assert.throws(() => heap.free(a), gone);
    heap.free(heap.alloc(40));
    assert.equal(heap.statistics().objects, 1);
  }
  // The one span can serve another class only once nothing is kept for this one.
  heap.free(keep);
  heap.free(heap.alloc(48));
  assert.equal(heap.statistics().objects, 0);
  assert.equal(heap.trim(), SPAN);
  assert.ok(heap.alloc(64) > 0);
});

test('when all objects are gone, trim gives back all chunks', () => {
  fc.assert(
    fc.property(fc.array(heapOperations, { maxLength: 200, size: 'max' }), (operations) => {
      const host = new PlainHost(0x100_0000);
      const heap = makeHeap(host);
      const model = new HeapModel(heap);
      for (const operation of operations) model.run(operation);
      for (const address of model.live.keys()) heap.free(address);
      for (let arena = 0; arena < 3; arena++) model.run({ kind: 'arena close', arena });
      const { reserved, objects } = heap.statistics();
      assert.equal(objects, 0);
      assert.equal(heap.trim(), reserved);
      assert.equal(host.live.size, 0);
      assert.equal(heap.statistics().reserved, 0);
    }),
    { numRuns: 50 },
  );
});

test('a span gives out its lowest free object, as a sorted list does', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(16, 48, 112, 640, 5120, 32_768),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 600 }), fc.infiniteStream(fc.nat())), { maxLength: 12 }),
      (size, steps) => {
        const heap = makeHeap(new PlainHost(0x100_0000), { chunkSize: SPAN });
        const count = Math.floor(SPAN / size);
        const free = Array.from({ length: count }, (_, slot) => 0x100_0000 + slot * size);
        const live: number[] = [];
        for (const [most, picks] of steps) {
          for (let i = 0; i < most && free.length > 0; i++) {
            const address = heap.alloc(size);
            assert.equal(address, free.shift());
            live.push(address);
          }
          for (let i = 0; i < most / 2 && live.length > 0; i++) {
            const [address] = live.splice(picks.next().value! % live.length, 1);
            heap.free(address!);
            free.push(address!);
          }
          free.sort((a, b) => a - b);
        }
      },
    ),
  );
});

test('a size class is the smallest that holds the size and keeps the alignment', () => {
  for (let size = 1; size <= 32_768; size++) {
    const cls = CLASS_OF[(size + 15) >>> 4]!;
    assert.ok(SIZES[cls]! >= size && (cls === 0 || SIZES[cls - 1]! < size), String(size));
  }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 32_768 }), fc.integer({ min: 0, max: 15 }), (size, power) => {
      const align = 2 ** power;
      const fitting = [...SIZES].filter((each) => each >= size && each % align === 0);
      assert.equal(SIZES[alignedClass(size, align)], Math.min(...fitting));
    }),
  );
});

test('dividing by a class without a division is exact for every object of every class', () => {
  SIZES.forEach((size, cls) => {
    for (let slot = 0; slot < COUNTS[cls]!; slot++) {
      const found = Math.imul((slot * size) >>> 4, inverseOf(size)) >>> 20;
      if (found !== slot) assert.fail(`object ${slot} of ${size} bytes`);
    }
  });
});

test('the address map answers as a list of ranges does, where ranges cover many times 4 GiB', () => {
  const GRAIN = 2 ** 30;
  const range = fc.tuple(fc.nat(40), fc.nat(30), fc.constantFrom(0, SPAN), fc.constantFrom(0, SPAN));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
      const map = new AddressMap();
      const naive: { start: number; end: number; id: number }[] = [];
      ranges.forEach(([first, count, after, before], i) => {
        const start = 0x7_0000_0000 + first * GRAIN + after;
        const end = start + count * GRAIN + SPAN - before;
        const id = i % 3 === 2 ? 0 : i + 1;
        map.set(start, end, id);
        if (end > start) naive.unshift({ start, end, id });
      });
      const points = naive.flatMap(({ start, end }) => [start, end]);
      for (const point of [...points, 0x7_0000_0000, 0xf_0000_0000]) {
        for (const at of [point - SPAN, point - 1, point, point + SPAN]) {
          const expected = naive.find(({ start, end }) => at >= start && at < end)?.id ?? 0;
          assert.equal(map.get(at), expected, at.toString(16));
          if (at === point) assert.equal(map.get(at + 0.5), 0);
        }
      }
    }),
  );
});

test('what an address map takes does not grow with the size of an object', () => {
  const map = new AddressMap();
  const before = process.memoryUsage().arrayBuffers;
  const start = 0x10_0000_0000 + SPAN;
  map.set(start, start + 2 ** 42, 7);
  // Two tables of 256 KiB: where it begins and where it ends.
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20);
  for (const at of [start, start + 2 ** 41, start + 2 ** 42 - 1]) assert.equal(map.get(at), 7);
  for (const at of [start - 1, start + 2 ** 42]) assert.equal(map.get(at), 0);
  map.set(start, start + 2 ** 42, 0);
  for (const at of [start, start + 2 ** 41, start + 2 ** 42 - 1]) assert.equal(map.get(at), 0);
});

test('the address map answers as a list of ranges does', () => {
  const starts = fc
    .tuple(fc.constantFrom(0, 0xffff, 0x1_0000, 0x7_e000_0000), fc.integer({ min: 0, max: 20 }))
    .map(([high, low]) => (high + low) * SPAN);
  fc.assert(
    fc.property(fc.array(fc.tuple(starts, fc.integer({ min: 1, max: 4 }))), (ranges) => {
      const map = new AddressMap();
      const naive = new Map<number, number>();
      ranges.forEach(([start, spans], i) => {
        // Every third is taken out again, if only in part.
        const id = i % 3 === 2 ? 0 : i + 1;
        map.set(start, start + spans * SPAN - 5, id);
        for (let at = start; at < start + spans * SPAN; at += SPAN) naive.set(at, id);
        for (const [at, expected] of naive) {
          assert.equal(map.get(at), expected);
          assert.equal(map.get(at + SPAN - 1), expected);
        }
      });
      for (const [at] of naive) {
        for (const wrong of [at + 0.5, -at - 1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60 + at * 2 ** 20])
          assert.equal(map.get(wrong), 0, String(wrong));
      }
    }),
  );
});
