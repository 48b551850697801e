/**
 * The device's answers on trial: at random pixels, a brute-force search in JavaScript must find the same
 * distance, to the last bit, and the point that the device names must really be at that distance. (Two points
 * at the very same distance are both right.)
 *
 * @module
 */

import { type MapFrame, pixelVector } from './globe.ts';
import type { Answer, BruteForce } from './search.ts';

export interface Wrong {
  readonly pixel: number;
  readonly device: Answer;
  readonly expected: Answer;
}

/** What the device wrote. */
export interface Answers {
  readonly distances: Float64Array;
  readonly indexes: Uint32Array;
}

export function randomPixels(map: MapFrame, count: number, random: () => number): number[] {
  return Array.from({ length: count }, () => Math.floor(random() * map.width * map.height));
}

/** Whole rows, evenly spread, of at least `count` pixels or all there are; in the device's own order. */
export function sampleRows(map: MapFrame, count: number): number[] {
  const rows = Math.min(map.height, Math.ceil(count / map.width));
  return Array.from({ length: rows }, (_, i) => Math.floor(((i + 0.5) * map.height) / rows)).flatMap((row) =>
    Array.from({ length: map.width }, (_, column) => row * map.width + column),
  );
}

/** The answers that are wrong; none, if all is well. */
export function check(
  { distances, indexes }: Answers,
  judge: BruteForce,
  map: MapFrame,
  grid: Float64Array,
  pixels: readonly number[],
): Wrong[] {
  return pixels.flatMap((pixel) => {
    const query = pixelVector(map, grid, pixel);
    const expected = judge.find(query);
    const device = { index: indexes[pixel]!, distance: distances[pixel]! };
    const right =
      Object.is(device.distance, expected.distance) &&
      Object.is(judge.distance(device.index, ...query), expected.distance);
    return right ? [] : [{ pixel, device, expected }];
  });
}
