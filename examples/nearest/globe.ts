/**
 * The sphere and the map. A place is a unit vector, and nearness is the squared length of the chord between
 * two of them: it grows with the distance on the ground, needs no trigonometry per query, and knows no date
 * line and no poles. The map is equirectangular: longitude along the width, latitude along the height. Sines
 * and cosines are computed once here, for each column and row, and never by a kernel; so both sides work with
 * the very same bits.
 *
 * @module
 */

const RADIANS = Math.PI / 180;
const EARTH_RADIUS_KM = 6371.0088;

export type Vector = readonly [x: number, y: number, z: number];

/** Degrees, and pixels. */
export interface MapFrame {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
  readonly width: number;
  readonly height: number;
}

export function worldMap(width: number, height: number): MapFrame {
  return { west: -180, east: 180, south: -90, north: 90, width, height };
}

export function unitVector(latitude: number, longitude: number): Vector {
  const cosLatitude = Math.cos(latitude * RADIANS);
  return [
    cosLatitude * Math.cos(longitude * RADIANS),
    cosLatitude * Math.sin(longitude * RADIANS),
    Math.sin(latitude * RADIANS),
  ];
}

/** Along the ground, from the squared chord between two unit vectors. */
export function kilometres(squaredChord: number): number {
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(squaredChord) / 2));
}

/** How many doubles {@link writeGrid} writes: a cosine and a sine for each column, then for each row. */
export function gridLength(map: MapFrame): number {
  return 2 * (map.width + map.height);
}

/** The centre of each column and row of pixels, as cosine and sine. */
export function writeGrid(map: MapFrame, grid: Float64Array): void {
  for (let column = 0; column < map.width; column++) {
    const angle = longitudeOf(map, column + 0.5) * RADIANS;
    grid[2 * column] = Math.cos(angle);
    grid[2 * column + 1] = Math.sin(angle);
  }
  for (let row = 0; row < map.height; row++) {
    const angle = latitudeOf(map, row + 0.5) * RADIANS;
    grid[2 * (map.width + row)] = Math.cos(angle);
    grid[2 * (map.width + row) + 1] = Math.sin(angle);
  }
}

/** The unit vector of a pixel's centre, by the same multiplications as the kernel's. */
export function pixelVector(map: MapFrame, grid: Float64Array, pixel: number): Vector {
  const column = 2 * (pixel % map.width);
  const row = 2 * (map.width + Math.floor(pixel / map.width));
  const cosLatitude = grid[row]!;
  return [cosLatitude * grid[column]!, cosLatitude * grid[column + 1]!, grid[row + 1]!];
}

export function longitudeOf(map: MapFrame, x: number): number {
  return map.west + ((map.east - map.west) * x) / map.width;
}

export function latitudeOf(map: MapFrame, y: number): number {
  return map.north - ((map.north - map.south) * y) / map.height;
}

/** Pixels from the left edge; longitudes a full turn apart are the same place. */
export function xOf(map: MapFrame, longitude: number): number {
  const turned = (((longitude - map.west) % 360) + 360) % 360;
  return (turned / (map.east - map.west)) * map.width;
}

/** Pixels from the top edge. */
export function yOf(map: MapFrame, latitude: number): number {
  return ((map.north - latitude) / (map.north - map.south)) * map.height;
}
