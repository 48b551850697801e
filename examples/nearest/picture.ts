/**
 * The answers as a map: every pixel in the colour of its distance to the nearest point, a slight shade of its
 * own for each point's cell, thin borders between cells, rings at round distances, land a little lighter than
 * water, a graticule, the points, and a legend.
 *
 * @module
 */

import { Canvas, type Colour } from './canvas.ts';
import { kilometres, latitudeOf, longitudeOf, type MapFrame, xOf, yOf } from './globe.ts';
import { drawLegend } from './legend.ts';
import { mix, Palette, parseHex } from './palette.ts';
import type { Point } from './points.ts';

const WHITE: Colour = [255, 255, 255];
const INK = parseHex('#0d1026');
const POINT = parseHex('#e4572e');
const GRATICULE_DEGREES = 30;

export interface Picture {
  readonly map: MapFrame;
  /** Per pixel: squared chord, and which point. */
  readonly distances: Float64Array;
  readonly indexes: Uint32Array;
  readonly points: readonly Point[];
  /** Per pixel, 0 to 1. */
  readonly land?: Float32Array;
}

export function drawPicture(picture: Picture): Canvas {
  const { map, indexes, points } = picture;
  const canvas = new Canvas(map.width, map.height);
  const ground = Float32Array.from(picture.distances, kilometres);
  const farthest = ground.reduce((a, b) => Math.max(a, b), 0);
  const palette = new Palette(farthest);
  drawCells(canvas, picture, ground, palette);
  drawBorders(canvas, indexes, points.length);
  drawGraticule(canvas, map);
  const radius = Math.max(0.6, map.width / 1800);
  for (const point of points) {
    const [x, y] = [xOf(map, point.longitude), yOf(map, point.latitude)];
    canvas.disc(x, y, radius + 0.6, INK, 0.35);
    canvas.disc(x, y, radius, POINT, 0.9);
  }
  drawLegend(canvas, palette, farthest);
  return canvas;
}

function drawCells(
  canvas: Canvas,
  { map, indexes, land }: Picture,
  ground: Float32Array,
  palette: Palette,
): void {
  const { width, height } = map;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      let colour = palette.colour(ground[pixel]!);
      const shade = cellShade(indexes[pixel]!);
      colour = mix(colour, shade > 0 ? WHITE : INK, Math.abs(shade));
      const share = land?.[pixel] ?? 0;
      colour = mix(colour, WHITE, 0.13 * share);
      canvas.paint(x, y, colour);
    }
  }
}

/** Between -0.09 and 0.09, the same for the same point. */
function cellShade(index: number): number {
  const mixed = Math.imul(index + 1, 0x9e3779b1) >>> 0;
  return (mixed / 2 ** 32 - 0.5) * 0.18;
}

/** Drawn where a pixel's neighbours belong to another cell; fainter between cells of a few pixels. */
function drawBorders(canvas: Canvas, indexes: Uint32Array, points: number): void {
  const { width, height } = canvas;
  const area = new Uint32Array(points);
  for (const index of indexes) area[index] = area[index]! + 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      const own = indexes[pixel]!;
      let others = 0;
      if (indexes[y * width + ((x + 1) % width)] !== own) others++;
      if (y + 1 < height && indexes[pixel + width] !== own) others++;
      if (indexes[y * width + ((x + width - 1) % width)] !== own) others++;
      if (y > 0 && indexes[pixel - width] !== own) others++;
      if (others === 0) continue;
      const size = Math.min(1, Math.sqrt(area[own]!) / 24);
      canvas.paint(x, y, INK, (0.12 + 0.1 * others) * size);
    }
  }
}

function drawGraticule(canvas: Canvas, map: MapFrame): void {
  for (let y = 0; y < map.height; y++) {
    for (let x = 0; x < map.width; x++) {
      const meridian = crosses(longitudeOf(map, x), longitudeOf(map, x + 1));
      const parallel = crosses(latitudeOf(map, y + 1), latitudeOf(map, y));
      if (meridian || parallel) canvas.paint(x, y, WHITE, 0.1);
    }
  }
}

function crosses(from: number, to: number): boolean {
  return Math.floor(from / GRATICULE_DEGREES) !== Math.floor(to / GRATICULE_DEGREES);
}
