/**
 * The demo's kd-tree, searched by pointers in TypeScript. The judge is a brute-force scan: distances must be
 * equal bit for bit.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sizeof } from 'mirrorspace/layout';
import { check, randomPixels, sampleRows } from '../../examples/nearest/check.ts';
import {
  gridLength,
  kilometres,
  pixelVector,
  unitVector,
  type Vector,
  worldMap,
  writeGrid,
  xOf,
  yOf,
} from '../../examples/nearest/globe.ts';
import { buildTree, type TreeObject, toObjects } from '../../examples/nearest/kd-tree.ts';
import { Node, Tree } from '../../examples/nearest/layout.ts';
import type { Point } from '../../examples/nearest/points.ts';
import { type Answer, BruteForce, randomNumbers, TreeSearch } from '../../examples/nearest/search.ts';
import { makeHeap, PlainHost } from '../fixtures/plain-heap.ts';

const at = (latitude: number, longitude: number): Point => ({ latitude, longitude, label: '' });

const CHUNK = 65_536;
const pick = ({ index, distance }: Answer): Answer => ({ index, distance });

/** Any base will do, also one that no 32-bit number holds; small chunks, so that trees of some size span several. */
function arenaAt(base = 0x1234_5678_0000) {
  return makeHeap(new PlainHost(base), { chunkSize: CHUNK }).arena();
}

function searchOf(points: readonly Point[]): TreeSearch {
  const memory = arenaAt();
  return new TreeSearch(memory, buildTree(memory, points));
}

function objectsOf(points: readonly Point[]): TreeObject {
  const memory = arenaAt();
  return toObjects(memory, buildTree(memory, points));
}

const latitude = fc.double({ min: -90, max: 90, noNaN: true });
const longitude = fc.double({ min: -180, max: 180, noNaN: true });
const place = fc.tuple(latitude, longitude).map(([lat, lon]) => at(lat, lon));
/** A coarse lattice, so that equal points and equal distances are common. */
const latticePlace = fc
  .tuple(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -4, max: 4 }))
  .map(([lat, lon]) => at(45 * lat, 45 * lon));

function assertSame(points: readonly Point[], query: Vector): void {
  const found = searchOf(points).find(query);
  const judge = new BruteForce(points);
  const { distance } = judge.find(query);
  assert.ok(Object.is(found.distance, distance), `${found.distance} is not ${distance}`);
  assert.ok(Object.is(judge.distance(found.index, ...query), distance), 'the index is of another point');
}

describe('search', () => {
  test('the tree and brute force agree on random points', () => {
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 200 }), place, (points, query) => {
        assertSame(points, unitVector(query.latitude, query.longitude));
      }),
    );
  });

  test('the tree and brute force agree where many points and distances are equal', () => {
    fc.assert(
      fc.property(fc.array(latticePlace, { minLength: 1, maxLength: 100 }), latticePlace, (points, query) => {
        assertSame(points, unitVector(query.latitude, query.longitude));
      }),
    );
  });

  test('the tree and brute force agree where links lead from one piece of the memory to another', () => {
    const random = randomNumbers(1);
    const points = Array.from({ length: 3000 }, () => at(180 * random() - 90, 360 * random() - 180));
    const memory = arenaAt();
    const search = new TreeSearch(memory, buildTree(memory, points));
    assert.ok(memory.reserved > 4 * CHUNK);
    const judge = new BruteForce(points);
    for (let i = 0; i < 300; i++) {
      const query = unitVector(180 * random() - 90, 360 * random() - 180);
      assert.deepEqual(pick(search.find(query)), judge.find(query));
    }
  });

  test('a tree of one point always answers with it', () => {
    const search = searchOf([at(10, 20)]);
    assert.equal(search.find(unitVector(-10, -160)).index, 0);
    assert.deepEqual({ ...search.find(unitVector(10, 20)) }.distance, 0);
  });

  test('a thousand equal points make a tree that is no deeper than any other', () => {
    const points = Array.from({ length: 1000 }, () => at(1, 2));
    const depth = (node: TreeObject | null): number =>
      node === null ? 0 : 1 + Math.max(depth(node.left), depth(node.right));
    assert.equal(depth(objectsOf(points)), 10);
    assert.equal(searchOf(points).find(unitVector(1, 2)).distance, 0);
  });

  test('across the date line is near', () => {
    const points = [at(0, 179.9), at(0, 170), at(0, -170)];
    assert.equal(searchOf(points).find(unitVector(0, -179.9)).index, 0);
  });

  test('at a pole all longitudes are the same place', () => {
    const points = [at(90, 0), at(80, 100), at(-90, 77)];
    const search = searchOf(points);
    for (const lon of [-180, -90, 0, 45, 180]) {
      assert.equal(search.find(unitVector(89.9, lon)).index, 0);
      assert.equal(search.find(unitVector(-89.9, lon)).index, 2);
    }
  });
});

describe('layout', () => {
  test('every link is the address of a node of the memory, and every node is reached once', () => {
    const points = Array.from({ length: 1500 }, (_, i) => at((i * 37) % 90, (i * 101) % 180));
    const memory = arenaAt(0xffff_ffff_0000);
    const tree = buildTree(memory, points);
    const nodes = Node.in(memory);
    const ends = new Map<number, number>();
    const pieces = new Set<unknown>();
    const indexes = new Set<number>();
    const walk = (address: number): void => {
      if (address === 0) return;
      const node = nodes.at(address);
      assert.ok(!ends.has(address));
      ends.set(address, address + sizeof(Node));
      pieces.add(memory.memoryAt(address));
      indexes.add(node.index);
      walk(node.left);
      walk(node.right);
    };
    walk(tree.root);
    assert.equal(ends.size, 1500);
    assert.equal(tree.count, 1500);
    assert.deepEqual([Math.min(...indexes), Math.max(...indexes), indexes.size], [0, 1499, 1500]);
    assert.ok(pieces.size >= 3, 'links lead from chunk to chunk');
    const sorted = [...ends].sort(([a], [b]) => a - b);
    assert.ok(
      sorted.every(([, end], i) => end <= (sorted[i + 1]?.[0] ?? Infinity)),
      'none overlaps another',
    );
    assert.equal(memory.bytes, 1500 * sizeof(Node) + sizeof(Tree));
  });

  test('as objects the tree holds the same points', () => {
    const points = [at(1, 2), at(-3, 4), at(5, -6), at(7, 8)];
    const indexes: number[] = [];
    const walk = (node: TreeObject | null): void => {
      if (node === null) return;
      const { latitude, longitude } = points[node.index]!;
      assert.deepEqual([node.x, node.y, node.z], unitVector(latitude, longitude));
      indexes.push(node.index);
      walk(node.left);
      walk(node.right);
    };
    walk(objectsOf(points));
    assert.deepEqual(indexes.sort(), [0, 1, 2, 3]);
  });

  test('no points, or too little memory, is refused', () => {
    assert.throws(() => buildTree(arenaAt(), []), RangeError);
    const memory = makeHeap(new PlainHost(0x10000), { maxBytes: CHUNK }).arena();
    assert.throws(() => buildTree(memory, Array(1000).fill(at(0, 0))), { name: 'LimitError' });
  });
});

describe('globe', () => {
  test('a chord becomes kilometres along the ground', () => {
    const quarter = new BruteForce([at(90, 0)]).find(unitVector(0, 50)).distance;
    assert.ok(Math.abs(kilometres(quarter) - 10_007.56) < 0.01);
    assert.ok(Math.abs(kilometres(4) - 20_015.12) < 0.01);
    assert.equal(kilometres(0), 0);
  });

  test('a pixel is where its longitude and latitude say', () => {
    const map = worldMap(360, 180);
    const grid = new Float64Array(gridLength(map));
    writeGrid(map, grid);
    assert.deepEqual(pixelVector(map, grid, 360 * 30 + 100), unitVector(59.5, -79.5));
    assert.deepEqual([xOf(map, -79.5), yOf(map, 59.5)], [100.5, 30.5]);
    assert.equal(xOf(map, 190), xOf(map, -170));
  });
});

describe('check', () => {
  const map = worldMap(40, 20);
  const grid = new Float64Array(gridLength(map));
  writeGrid(map, grid);
  const points = [at(10, 20), at(-40, 170), at(10, 20)];
  const judge = new BruteForce(points);
  const all = Array.from({ length: 800 }, (_, pixel) => pixel);
  const answers = () => {
    const found = all.map((pixel) => judge.find(pixelVector(map, grid, pixel)));
    return {
      distances: Float64Array.from(found, ({ distance }) => distance),
      indexes: Uint32Array.from(found, ({ index }) => index),
    };
  };

  test('right answers pass, and so does another point at the very same distance', () => {
    const right = answers();
    assert.deepEqual(check(right, judge, map, grid, all), []);
    right.indexes = right.indexes.map((index) => (index === 0 ? 2 : index));
    assert.deepEqual(check(right, judge, map, grid, all), []);
  });

  test('a distance that is one bit off, a wrong point, and a point that does not exist are found', () => {
    const wrong = answers();
    wrong.distances[5]! *= 1 + Number.EPSILON;
    wrong.indexes[6] = wrong.indexes[6] === 1 ? 0 : 1;
    wrong.indexes[7] = 0xffff_ffff;
    assert.deepEqual(
      check(wrong, judge, map, grid, all).map(({ pixel }) => pixel),
      [5, 6, 7],
    );
  });

  test('the same seed picks the same pixels, all within the map', () => {
    const pixels = randomPixels(map, 500, randomNumbers(42));
    assert.deepEqual(pixels, randomPixels(map, 500, randomNumbers(42)));
    assert.notDeepEqual(pixels, randomPixels(map, 500, randomNumbers(43)));
    assert.ok(pixels.every((pixel) => Number.isInteger(pixel) && pixel >= 0 && pixel < 800));
  });

  test('sampled rows are whole, distinct and within the map', () => {
    assert.equal(new Set(sampleRows(map, 100)).size, 120);
    assert.deepEqual(sampleRows(map, 1e6), all);
  });
});
