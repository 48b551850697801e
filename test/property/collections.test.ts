/**
 * Vectors, maps and strings in a heap against Array, Map and string, on random operations. A second object opened at the
 * same address must agree with the first, since all of their state is in memory.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { array, f64, i32, i64, pointer, type Scalar, struct, u8, u32, u64 } from '../../src/layout/index.ts';
import { SharedHashMap } from '../../src/mirror/collections/shared-hash-map.ts';
import { SharedString } from '../../src/mirror/collections/shared-string.ts';
import { SharedVector } from '../../src/mirror/collections/shared-vector.ts';
import { makeHeap, PlainHost } from '../fixtures/plain-heap.ts';

const Point = struct('Point', { x: f64, list: array(u8, 3), next: pointer() });

const bases = fc.constantFrom(0x1_0000, 0xffff_0000, 0x7e00_0000_0000);
const heapAt = (base: number) => makeHeap(new PlainHost(base), { chunkSize: 65_536 });

type VectorStep = readonly ['push' | 'set' | 'pop' | 'truncate' | 'reserve' | 'clear', number, number];
const vectorSteps: fc.Arbitrary<VectorStep[]> = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 20, arbitrary: fc.constant('push' as const) },
      { weight: 5, arbitrary: fc.constantFrom('set' as const, 'pop' as const) },
      { weight: 1, arbitrary: fc.constantFrom('truncate' as const, 'reserve' as const, 'clear' as const) },
    ),
    fc.nat(),
    fc.double({ noNaN: true }),
  ),
  { maxLength: 300, size: 'max' },
);

test('a vector of numbers is an Array', () => {
  fc.assert(
    fc.property(bases, vectorSteps, (base, steps) => {
      const heap = heapAt(base);
      const vector = new SharedVector(heap, f64);
      const model: number[] = [];
      for (const [step, index, value] of steps) {
        const at = model.length === 0 ? 0 : index % model.length;
        if (step === 'push') assert.equal(vector.push(value), model.push(value));
        else if (step === 'pop') assert.equal(vector.pop(), model.pop());
        else if (step === 'reserve') vector.reserve(index % 1000);
        else if (step === 'clear') {
          vector.clear();
          model.length = 0;
        } else if (step === 'truncate') {
          vector.truncate(at);
          model.length = at;
        } else if (model.length > 0) {
          vector.set(at, value);
          model[at] = value;
        }
      }
      const opened = new SharedVector(heap, f64, { at: vector.address });
      for (const each of [vector, opened]) {
        assert.deepEqual([...each], model);
        assert.equal(each.length, model.length);
        for (const bad of [-1, model.length, 0.5, Number.NaN])
          assert.throws(() => each.get(bad), { name: 'RangeError' });
      }
      vector.free();
      assert.equal(heap.statistics().objects, 0);
    }),
    { numRuns: 60 },
  );
});

test('a vector of structs copies what is put in, also out of itself while it grows', () => {
  fc.assert(
    fc.property(bases, fc.array(fc.nat(), { maxLength: 2000, size: 'max' }), (base, picks) => {
      const heap = heapAt(base);
      const vector = new SharedVector(heap, Point, { capacity: 1 });
      const first = vector.emplace();
      first.x = 0.5;
      first.list.set(2, 7);
      const model = [0.5];
      for (const pick of picks) {
        const at = pick % model.length;
        if (pick % 3 === 0) {
          vector.emplace().x = pick;
          model.push(pick);
        } else {
          vector.push(vector.get(at));
          model.push(model[at]!);
        }
      }
      // One accessor for all elements: a spread would hold it as often as there are elements.
      const values: number[] = [];
      for (const { x } of vector) values.push(x);
      assert.deepEqual(values, model);
      assert.equal(vector.get(0).list.get(2), 7);
      vector.pop();
      const last = vector.emplace();
      assert.deepEqual([last.x, last.list.get(2), last.next], [0, 0, 0]);
      vector.free();
      assert.equal(heap.statistics().objects, 0);
    }),
    { numRuns: 40 },
  );
});

type MapStep<K> = readonly ['set' | 'delete' | 'get' | 'clear', K, number];

function mapSteps<K>(keys: fc.Arbitrary<K>): fc.Arbitrary<MapStep<K>[]> {
  const kinds = fc.oneof(
    { weight: 60, arbitrary: fc.constant('set' as const) },
    { weight: 30, arbitrary: fc.constant('delete' as const) },
    { weight: 20, arbitrary: fc.constant('get' as const) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  );
  return fc.array(fc.tuple(kinds, keys, fc.double()), { maxLength: 500, size: 'max' });
}

function mapIsMap<K>(
  name: string,
  type: Scalar<never, K & (number | bigint)> | 'string',
  keys: fc.Arbitrary<K>,
) {
  test(`a map with keys of ${name} is a Map`, () => {
    fc.assert(
      fc.property(bases, mapSteps(keys), (base, steps) => {
        const heap = heapAt(base);
        const map = new SharedHashMap<'string', typeof f64>(heap, type as 'string', f64);
        const model = new Map<K, number>();
        const key = (from: K) => from as string;
        for (const [step, at, value] of steps) {
          if (step === 'set') {
            map.set(key(at), value);
            model.set(at, value);
          } else if (step === 'delete') assert.equal(map.delete(key(at)), model.delete(at));
          else if (step === 'clear') {
            map.clear();
            model.clear();
          } else assert.ok(Object.is(map.get(key(at)), model.get(at)));
          assert.equal(map.size, model.size);
        }
        const opened = new SharedHashMap<'string', typeof f64>(heap, type as 'string', f64, {
          at: map.address,
        });
        for (const each of [map, opened]) {
          assert.deepEqual(new Map([...each] as unknown as [K, number][]), model);
          for (const [at, value] of model)
            assert.ok(each.has(key(at)) && Object.is(each.get(key(at)), value));
        }
        map.free();
        assert.equal(heap.statistics().objects, 0);
      }),
      { numRuns: 60 },
    );
  });
}

const small = fc.integer({ min: -40, max: 40 });
mapIsMap('i32', i32 as never, fc.oneof(small, fc.integer()));
mapIsMap('u32', u32 as never, fc.oneof(fc.nat(60), fc.nat(2 ** 32 - 1)));
mapIsMap('f64', f64 as never, fc.oneof(small, fc.double(), fc.constantFrom(0, -0, Number.NaN, 0.1)));
mapIsMap('u64', u64 as never, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
mapIsMap('i64', i64 as never, fc.bigInt({ min: -40n, max: 40n }));
mapIsMap(
  'text',
  'string',
  fc.oneof(
    fc.string({ maxLength: 3, unit: 'binary' }),
    fc.constantFrom('', 'ключ', '鍵', 'a'.repeat(40_000)),
  ),
);

test('a map of structs keeps what is put in, also out of itself while it grows', () => {
  fc.assert(
    fc.property(bases, fc.array(fc.nat(300), { minLength: 1, maxLength: 600, size: 'max' }), (base, keys) => {
      const heap = heapAt(base);
      const map = new SharedHashMap(heap, u32, Point, { name: 'Points', capacity: 10 });
      map.emplace(keys[0]!).x = 0.25;
      const model = new Map([[keys[0]!, 0.25]]);
      keys.forEach((key, i) => {
        const from = keys[i >> 1]!;
        if (model.has(from)) {
          map.set(key, map.get(from)!);
          model.set(key, model.get(from)!);
        }
        if (i % 5 === 4) {
          assert.equal(map.delete(from), model.delete(from));
          assert.equal(map.emplace(from).x, 0);
          map.emplace(from).x = i;
          model.set(from, i);
        }
      });
      const found = new Map<number, number>();
      for (const [key, { x }] of map) found.set(key, x);
      assert.deepEqual(found, model);
    }),
    { numRuns: 40 },
  );
});

test('a string reads as it was', () => {
  fc.assert(
    fc.property(bases, fc.string({ unit: 'binary', maxLength: 5000, size: 'max' }), (base, text) => {
      const heap = heapAt(base);
      const string = new SharedString(heap, text);
      assert.equal(String(string), text);
      assert.equal(string.byteLength, Buffer.byteLength(text));
      assert.equal(String(new SharedString(heap, { at: string.address })), text);
      string.free();
      assert.throws(() => String(string), { name: 'StateError', state: 'freed' });
      assert.equal(heap.statistics().objects, 0);
    }),
  );
});

test('where the heap has no room, what was there stays', () => {
  const host = new PlainHost(0x10_0000, 12 * 65_536);
  const heap = makeHeap(host, { chunkSize: 65_536 });
  const vector = new SharedVector(heap, u32);
  const map = new SharedHashMap(heap, 'string', u32);
  const model: number[] = [];
  const fill = (step: (i: number) => void) => {
    assert.throws(
      () => {
        for (let i = 0; ; i++) step(i);
      },
      { name: 'PlacementError' },
    );
  };
  fill((i) => {
    vector.push(i);
    model.push(i);
  });
  fill((i) => map.set(`key ${i}`, i));
  assert.deepEqual([...vector], model);
  assert.equal(vector.length, vector.capacity);
  const { size } = map;
  assert.equal([...map].length, size);
  for (let i = 0; i < size; i++) assert.equal(map.get(`key ${i}`), i);
  assert.equal(map.has(`key ${size}`), false);
});
