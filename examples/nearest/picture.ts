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
/** A cell's tint; cells that touch seldom share one. */
const TINTS = ['#ff9f80', '#ffe08a', '#9be8a8', '#7fd4ff', '#b9a2ff', '#ff9fd0'].map(parseHex);

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
  const area = new Uint32Array(points.length);
  for (const index of indexes) area[index] = area[index]! + 1;
  drawBorders(canvas, picture, ground, palette, area);
  drawGraticule(canvas, map);
  drawPoints(canvas, map, points, area);
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
      const { tint, strength } = cellTint(indexes[pixel]!);
      colour = mix(colour, tint, strength);
      const share = land?.[pixel] ?? 0;
      colour = mix(colour, WHITE, 0.13 * share);
      canvas.paint(x, y, colour);
    }
  }
}

function cellTint(index: number): { tint: Colour; strength: number } {
  const mixed = Math.imul(index + 1, 0x9e3779b1) >>> 0;
  return { tint: TINTS[mixed % TINTS.length]!, strength: 0.03 + 0.13 * (mixed / 2 ** 32) };
}

/** Where a pixel's neighbours belong to another cell: dark on pale, pale on dark, faint between tiny cells. */
function drawBorders(
  canvas: Canvas,
  { map, indexes }: Picture,
  ground: Float32Array,
  palette: Palette,
  area: Uint32Array,
): void {
  const { width, height } = map;
  const round = map.east - map.west === 360;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      const own = indexes[pixel]!;
      const left = x > 0 ? pixel - 1 : round ? pixel + width - 1 : pixel;
      const right = x + 1 < width ? pixel + 1 : round ? pixel - width + 1 : pixel;
      let others = 0;
      if (indexes[left] !== own) others++;
      if (indexes[right] !== own) others++;
      if (y > 0 && indexes[pixel - width] !== own) others++;
      if (y + 1 < height && indexes[pixel + width] !== own) others++;
      if (others === 0) continue;
      const size = Math.min(1, Math.sqrt(area[own]!) / 24);
      const far = palette.position(ground[pixel]!) > 0.55;
      canvas.paint(x, y, far ? WHITE : INK, (far ? 0.06 + 0.06 * others : 0.1 + 0.08 * others) * size);
    }
  }
}

/** A line wherever a round number of degrees lies within a pixel. */
function drawGraticule(canvas: Canvas, map: MapFrame): void {
  const span = map.east - map.west;
  const step = [1, 2, 5, 10, 15].find((degrees) => span / degrees <= 12) ?? 30;
  const crosses = (from: number, to: number) => Math.floor(from / step) !== Math.floor(to / step);
  for (let x = 1; x < map.width; x++) {
    if (crosses(longitudeOf(map, x), longitudeOf(map, x + 1))) {
      canvas.rectangle(x, 0, 1, map.height, WHITE, 0.1);
    }
  }
  for (let y = 1; y < map.height; y++) {
    if (crosses(latitudeOf(map, y + 1), latitudeOf(map, y))) canvas.rectangle(0, y, map.width, 1, WHITE, 0.1);
  }
}

/** Smaller and fainter where the cells are small, so that a crowd still shows as points. */
function drawPoints(canvas: Canvas, map: MapFrame, points: readonly Point[], area: Uint32Array): void {
  const full = Math.max(1, map.width / 800);
  points.forEach((point, index) => {
    const [x, y] = [xOf(map, point.longitude), yOf(map, point.latitude)];
    const radius = Math.min(full, 0.25 + Math.sqrt(area[index]!) / 14);
    canvas.disc(x, y, radius + 0.7, INK, 0.25);
    canvas.disc(x, y, radius, POINT, 0.95);
  });
}
