/**
 * Where there is land: the coarse world map of the vega-datasets package (TopoJSON, 1:110 million), drawn as a
 * share of land per pixel from 0 to 1. Only decoration for the picture.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { type MapFrame, yOf } from './globe.ts';

type Place = readonly [x: number, y: number];

/** The parts of TopoJSON in use: https://github.com/topojson/topojson-specification */
interface Topology {
  readonly transform: { readonly scale: Place; readonly translate: Place };
  readonly arcs: readonly (readonly Place[])[];
  readonly objects: { readonly land: { readonly arcs: readonly (readonly (readonly number[])[])[] } };
}

/** The map's Antarctica ends in a straight line here, which on the globe is a small circle around the pole. */
const ALL_LAND_SOUTH_OF = -84.1;

/** Lines drawn per row of pixels, for soft coasts. */
const SUBROWS = 4;

export async function drawLand(file: string | URL, map: MapFrame): Promise<Float32Array> {
  const topology = JSON.parse(await readFile(file, 'utf8')) as Topology;
  return fill(readRings(topology, map), map);
}

/** Closed outlines, in pixels. */
function readRings({ transform, arcs, objects }: Topology, map: MapFrame): Place[][] {
  const decoded = arcs.map((arc) => {
    let x = 0;
    let y = 0;
    return arc.map(([dx, dy]): Place => {
      x += dx;
      y += dy;
      const longitude = x * transform.scale[0] + transform.translate[0];
      const latitude = y * transform.scale[1] + transform.translate[1];
      return [((longitude - map.west) / (map.east - map.west)) * map.width, yOf(map, latitude)];
    });
  });
  const rings = objects.land.arcs.flat();
  return rings.map((ring) => ring.flatMap((arc) => (arc >= 0 ? decoded[arc]! : decoded[~arc]!.toReversed())));
}

/** Even-odd: along a line, land begins and ends wherever an outline crosses. */
function fill(rings: readonly Place[][], map: MapFrame): Float32Array {
  const { width, height } = map;
  const crossings = Array.from({ length: height * SUBROWS }, (): number[] => []);
  for (const ring of rings) {
    ring.forEach(([x1, y1], i) => {
      const [x0, y0] = ring.at(i - 1)!;
      const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)];
      const first = Math.max(0, Math.ceil(top * SUBROWS - 0.5));
      for (let line = first; line < crossings.length && (line + 0.5) / SUBROWS < bottom; line++) {
        crossings[line]!.push(x0 + ((x1 - x0) * ((line + 0.5) / SUBROWS - y0)) / (y1 - y0));
      }
    });
  }
  const land = new Float32Array(width * height);
  crossings.forEach((places, line) => {
    const row = Math.floor(line / SUBROWS) * width;
    places.sort((a, b) => a - b);
    for (let i = 0; i + 1 < places.length; i += 2) {
      const from = Math.max(0, places[i]!);
      const to = Math.min(width, places[i + 1]!);
      for (let x = Math.floor(from); x < to; x++) {
        land[row + x] = land[row + x]! + (Math.min(to, x + 1) - Math.max(from, x)) / SUBROWS;
      }
    }
  });
  const south = Math.ceil(yOf(map, ALL_LAND_SOUTH_OF));
  return land.fill(1, Math.max(0, south) * width);
}
