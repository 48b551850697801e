/**
 * The demo's kernels, compiled and run in this process over an ordinary shared memory of 4 GiB. The judge is the
 * same search in TypeScript on the same bytes: index and distance must be equal bit for bit.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { AllocatingMemory } from 'mirrorspace/layout';
import { readKernels } from '../../examples/nearest/build.ts';
import { gridLength, type MapFrame, pixelVector, worldMap, writeGrid } from '../../examples/nearest/globe.ts';
import { buildTree } from '../../examples/nearest/kd-tree.ts';
import { Node, Seen } from '../../examples/nearest/layout.ts';
import type { Point } from '../../examples/nearest/points.ts';
import { TreeSearch } from '../../examples/nearest/search.ts';

const TREE = 0x4000_0000;
const GRID = 0x9000_0000; // above 2^31: an address is unsigned
const RESULTS = 0xf000_0000;
const SEEN = 0x10000;

type Kernels = {
  nearest(
    begin: number,
    end: number,
    tree: number,
    grid: number,
    results: number,
    w: number,
    h: number,
  ): void;
  probe(begin: number, end: number, tree: number, seen: number): void;
};

let module: WebAssembly.Module;
let memory: WebAssembly.Memory;
let kernels: Kernels;

before(async () => {
  module = await WebAssembly.compile(await readKernels());
  memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
  kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
});

/** The device's memory from `address` on, given out from its start. */
function memoryFrom(address: number): AllocatingMemory {
  const bytes = new Uint8Array(memory.buffer, address);
  const piece = { address, size: bytes.length, bytes };
  let next = address;
  return {
    memoryAt: () => piece,
    alloc: (size) => {
      const at = next;
      next += size;
      bytes.fill(0, at - address, next - address);
      return at;
    },
  };
}

/** Runs the kernel over the whole map and compares every pixel with TypeScript. */
function compare(points: readonly Point[], map: MapFrame, address = TREE): void {
  const device = memoryFrom(address);
  const tree = buildTree(device, points);
  const pixels = map.width * map.height;
  const grid = new Float64Array(memory.buffer, GRID, gridLength(map));
  writeGrid(map, grid);
  const distances = new Float64Array(memory.buffer, RESULTS, pixels).fill(-1);
  const indexes = new Uint32Array(memory.buffer, RESULTS + 8 * pixels, pixels).fill(7);
  const middle = pixels >> 1;
  kernels.nearest(0, middle, tree.address, GRID | 0, RESULTS | 0, map.width, map.height);
  kernels.nearest(middle, pixels, tree.address, GRID | 0, RESULTS | 0, map.width, map.height);
  const search = new TreeSearch(device, tree);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const { index, distance } = search.find(pixelVector(map, grid, pixel));
    assert.ok(Object.is(distances[pixel], distance) && indexes[pixel] === index, `pixel ${pixel}`);
  }
}

const point = fc
  .tuple(fc.double({ min: -90, max: 90, noNaN: true }), fc.double({ min: -180, max: 180, noNaN: true }))
  .map(([latitude, longitude]): Point => ({ latitude, longitude, label: '' }));

describe('nearest', () => {
  test('the kernel and TypeScript agree to the last bit on random points', () => {
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 300 }), (points) => {
        compare(points, worldMap(61, 37));
      }),
      { numRuns: 20 },
    );
  });

  test('they agree on one point, on equal points, and on both poles and the date line', () => {
    const at = (latitude: number, longitude: number): Point => ({ latitude, longitude, label: '' });
    compare([at(0, 0)], worldMap(32, 16));
    compare(Array(100).fill(at(12, 34)), worldMap(32, 16));
    compare([at(90, 0), at(-90, 0), at(90, 90), at(0, 180), at(0, -180)], worldMap(32, 16));
  });

  test('they agree on a part of the world, and on a tree that lies in the upper half of the memory', () => {
    const points = Array.from({ length: 2000 }, (_, i): Point => {
      return { latitude: 20 + ((i * 37.7) % 30), longitude: -120 + ((i * 71.3) % 50), label: '' };
    });
    compare(points, { west: -125, east: -60, south: 15, north: 55, width: 80, height: 50 }, 0xc000_0000);
  });
});

describe('probe', () => {
  test('the kernel sees the addresses that TypeScript stored', () => {
    const points = Array.from({ length: 9 }, (_, i): Point => {
      return { latitude: 10 * i - 40, longitude: 20 * i, label: '' };
    });
    const device = memoryFrom(TREE);
    const tree = buildTree(device, points);
    tree.stamp = 12345;
    kernels.probe(0, 1, tree.address, SEEN);
    const seen = Seen.in(memoryFrom(SEEN)).at(SEEN);
    const root = Node.in(device).at(tree.root);
    assert.equal(seen.root, root.address);
    assert.equal(seen.left, root.left);
    assert.equal(seen.right, root.right);
    assert.equal(seen.x, root.x);
    assert.equal(seen.index, root.index);
    assert.equal(seen.stamp, 12345);
  });
});

test('the module imports nothing but the memory, and exports the two kernels', () => {
  assert.deepEqual(WebAssembly.Module.imports(module), [{ module: 'env', name: 'memory', kind: 'memory' }]);
  const functions = Object.entries(kernels).filter(([, value]) => typeof value === 'function');
  assert.deepEqual(Object.fromEntries(functions), { nearest: kernels.nearest, probe: kernels.probe });
});
