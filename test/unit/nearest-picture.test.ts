/**
 * The demo's picture, options and account of the address space: what can be told without a device.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PNG } from 'pngjs';
import { survey, whyThere } from '../../examples/nearest/address-space.ts';
import { gridLength, pixelVector, worldMap, writeGrid } from '../../examples/nearest/globe.ts';
import { drawLand } from '../../examples/nearest/land.ts';
import { parseOptions, UsageError } from '../../examples/nearest/options.ts';
import { drawPicture } from '../../examples/nearest/picture.ts';
import type { Point } from '../../examples/nearest/points.ts';
import { BruteForce } from '../../examples/nearest/search.ts';
import type { Occupied } from '../../src/placement/index.ts';

describe('picture', () => {
  test('it is a PNG of the map, palest around its points', () => {
    const map = worldMap(320, 160);
    const points: Point[] = [
      { latitude: 45.3, longitude: 90.2, label: 'a' },
      { latitude: 45, longitude: -90, label: 'b' },
    ];
    const grid = new Float64Array(gridLength(map));
    writeGrid(map, grid);
    const judge = new BruteForce(points);
    const found = Array.from({ length: 320 * 160 }, (_, pixel) => judge.find(pixelVector(map, grid, pixel)));
    const png = PNG.sync.read(
      drawPicture({
        map,
        points,
        distances: Float64Array.from(found, ({ distance }) => distance),
        indexes: Uint32Array.from(found, ({ index }) => index),
      }).toPng(),
    );
    assert.deepEqual([png.width, png.height], [320, 160]);
    const brightness = (x: number, y: number) => {
      const pixel = 4 * (y * 320 + x);
      return png.data[pixel]! + png.data[pixel + 1]! + png.data[pixel + 2]!;
    };
    assert.ok(brightness(243, 43) > brightness(252, 60));
    assert.ok(brightness(252, 60) > brightness(245, 130));
  });

  test('land is where it is', async () => {
    const map = worldMap(360, 180);
    const land = await drawLand(
      new URL('../data/world-110m.json', import.meta.resolve('vega-datasets')),
      map,
    );
    const at = (latitude: number, longitude: number) => land[(90 - latitude) * 360 + 180 + longitude]!;
    for (const [latitude, longitude] of [
      [40, -100],
      [50, 10],
      [-25, 135],
      [-89, 0],
      [60, 100],
    ] as const) {
      assert.ok(at(latitude, longitude) > 0.99, `${latitude}, ${longitude}`);
    }
    for (const [latitude, longitude] of [
      [0, -30],
      [30, -50],
      [-40, 80],
      [85, 0],
    ] as const) {
      assert.ok(at(latitude, longitude) < 0.01, `${latitude}, ${longitude}`);
    }
  });
});

describe('options', () => {
  test('all of them are understood', () => {
    const args = ['a.csv', '--size', '640x400', '--out', 'b.png', '--cores', '3', '--seed', '9', '--serve'];
    assert.deepEqual(parseOptions([...args, '--region=-10,20,30,40'], '1x1'), {
      help: false,
      file: 'a.csv',
      out: 'b.png',
      map: { west: -10, south: 20, east: 30, north: 40, width: 640, height: 400 },
      cores: 3,
      seed: 9,
      serve: true,
    });
  });

  test('without any, the defaults are the whole world and a picture here', () => {
    const { file, out, map, cores, seed } = parseOptions([], '1600x1000');
    assert.deepEqual({ file, out, map }, { file: undefined, out: 'nearest.png', map: worldMap(1600, 1000) });
    assert.ok(cores >= 1 && cores <= 16);
    assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
  });

  for (const args of [
    ['--size', '0x10'],
    ['--size', '1600'],
    ['--size', '100000x100000'],
    ['--cores', '0'],
    ['--cores', '1.5'],
    ['--seed', '-1'],
    ['--seed=4294967296'],
    ['--region', '1,2,3'],
    ['--region=10,0,5,20'],
    ['--region=0,0,10,'],
    ['--out', ''],
    ['--colour'],
    ['a.csv', 'b.csv'],
  ]) {
    test(`'${args.join(' ')}' is refused`, () => {
      assert.throws(() => parseOptions(args, '1600x1000'), UsageError);
    });
  }
});

describe('address space', () => {
  const page = 4096;
  const occupied = (start: number, end: number, name: string, kind: Occupied['kind'] = 'vma'): Occupied => {
    return { start: start * page, end: end * page, kind, name, owner: kind === 'vma' ? 'host' : 'wasm' };
  };
  const window = { start: 16 * page, end: 1000 * page };
  const there = [
    occupied(10, 20, 'stack', 'reserved'),
    occupied(20, 30, 'node'),
    occupied(31, 40, 'node'),
    occupied(40, 41, 'node'),
    occupied(45, 50, '[heap]'),
  ];

  test('the survey covers the window without a hole or an overlap', () => {
    const shown = survey(window, there, page).map(({ start, end, name, parts }) => {
      return `${start / page}-${end / page} ${name} ${parts}`;
    });
    assert.deepEqual(shown, [
      '16-20 stack 1',
      '20-41 node 3',
      '41-45 free 0',
      '45-50 [heap] 1',
      '50-1000 free 0',
    ]);
    const exact = survey(window, there);
    assert.ok(exact.every(({ start }, i) => start === (exact[i - 1]?.end ?? window.start)));
  });

  test('an empty window is one free stretch', () => {
    assert.deepEqual(
      survey(window, []).map(({ start, end, what }) => ({ start, end, what })),
      [{ ...window, what: 'free' }],
    );
  });

  test('a place is explained by the lower holes that are too small', () => {
    assert.equal(
      whyThere(50 * page, there, window),
      'lowest fit: above [heap], in a hole of 3.71 MiB; 2 lower holes are too small (at most 16 KiB)',
    );
    assert.equal(whyThere(30 * page, there, window), 'lowest hole: above node, in a hole of 4 KiB');
    assert.equal(whyThere(16 * page, [], window), 'lowest hole: at the start, in a hole of 3.84 MiB');
  });
});
