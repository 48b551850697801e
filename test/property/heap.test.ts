/**
 * The heap against a plain Map, on random operations: over memory of this test's own, at addresses of any height, and
 * with a host that has no room at times.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Heap, SvmBuffer } from 'mirrorspace';
import { PlacementError } from '../../src/errors.ts';
import { AddressMap } from '../../src/mirror/heap/address-map.ts';
import { Heap as HeapClass, type HeapHost } from '../../src/mirror/heap/heap.ts';
import { checkHeapOptions, type HeapOptions } from '../../src/mirror/heap/heap-options.ts';
import { alignedClass, CLASS_OF, COUNTS, SIZES } from '../../src/mirror/heap/size-classes.ts';
import { inverseOf } from '../../src/mirror/heap/span-records.ts';
import { HeapModel, heapOperations } from '../fixtures/heap-model.ts';

const SPAN = 65_536;

/** Memory as a mirror gives it, within `room` bytes. Addresses of freed buffers are not used again. */
class PlainHost {
  closed = false;
  readonly pageSize = 4096;
  readonly live = new Map<number, number>();
  room: number;
  #next: number;

  constructor(base: number, room = Number.POSITIVE_INFINITY) {
    this.#next = base;
    this.room = room;
  }

  alloc(size: number): SvmBuffer {
    if (size > this.room) throw new PlacementError('no room', undefined);
    const address = this.#next;
    this.#next += Math.ceil(size / SPAN + 1) * SPAN;
    this.room -= size;
    this.live.set(address, size);
    const bytes = new Uint8Array(Math.ceil(size / 8) * 8);
    const buffer = {
      address,
      size,
      bytes,
      freed: false,
      view: (type: Float64ArrayConstructor, offset = 0, length?: number) =>
        new type(bytes.buffer, offset, length),
      free: () => {
        assert.ok(this.live.delete(address), 'freed once');
        buffer.freed = true;
        this.room += size;
      },
    };
    return buffer as unknown as SvmBuffer;
  }
}

function makeHeap(plain: PlainHost, options: HeapOptions = {}): Heap {
  const host = plain as unknown as HeapHost;
  return new HeapClass(host, 'plain', checkHeapOptions(options)) as unknown as Heap;
}

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
