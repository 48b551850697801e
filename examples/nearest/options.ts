/**
 * The command line of the demo. A bad option is a UsageError: its message is for the person who typed it, and
 * the program ends with code 2.
 *
 * @module
 */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type MapFrame, worldMap } from './globe.ts';

export interface Options {
  readonly help: boolean;
  /** Absent: the airports of the vega-datasets package. */
  readonly file: string | undefined;
  readonly out: string;
  readonly map: MapFrame;
  readonly cores: number;
  readonly seed: number;
  /** Show a live page, and stay until interrupted. */
  readonly serve: boolean;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `Usage: npm start -- [options] [FILE.csv]

Finds the nearest point of FILE for every pixel of a world map, on a device that
shares this process's addresses, and draws the answers. FILE needs a header row
with columns lat or latitude, and lon, lng, long or longitude; without FILE the
airports of the vega-datasets package are used.

  --size WIDTHxHEIGHT   pixels of the map, such as 1600x1000
  --region W,S,E,N      degrees of the map's edges, such as -126,22,-66,52
                        (write --region=W,S,E,N); the whole world by default
  --out FILE            where the picture goes; nearest.png by default
  --cores N             cores of the device, 1 to 16; all of the machine's by default
  --seed N              seed of the random checks; a new one at each run by default
  --serve               a live page over the job's memory; stays until Ctrl-C
  --help                this text`;

const MOST_CORES = 16;
const MOST_PIXELS = 2 ** 26;

export function parseOptions(args: readonly string[], defaultSize: string): Options {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) throw new UsageError(`one FILE at most, not ${positionals.join(' and ')}`);
  const size = parseSize(values.size ?? defaultSize);
  const { region, out = 'nearest.png', cores, seed } = values;
  if (out === '') throw new UsageError('--out needs a file name');
  return {
    help: values.help ?? false,
    file: positionals[0],
    out,
    map: region === undefined ? worldMap(size.width, size.height) : { ...parseRegion(region), ...size },
    cores:
      cores === undefined
        ? Math.min(MOST_CORES, availableParallelism())
        : parseInteger('--cores', cores, 1, MOST_CORES),
    seed:
      seed === undefined
        ? crypto.getRandomValues(new Uint32Array(1))[0]!
        : parseInteger('--seed', seed, 0, 2 ** 32 - 1),
    serve: values.serve ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        size: { type: 'string' },
        region: { type: 'string' },
        out: { type: 'string' },
        cores: { type: 'string' },
        seed: { type: 'string' },
        serve: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split('. To specify')[0]!, { cause: error });
  }
}

function parseInteger(option: string, text: string, low: number, high: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= low && value <= high)) {
    throw new UsageError(`${option} must be an integer from ${low} to ${high}, not '${text}'`);
  }
  return value;
}

function parseSize(text: string): { width: number; height: number } {
  const [, width = 0, height = 0] = (/^(\d+)x(\d+)$/i.exec(text) ?? []).map(Number);
  if (width < 16 || height < 16 || width * height > MOST_PIXELS) {
    throw new UsageError(
      `--size must be WIDTHxHEIGHT, each 16 or more and at most ${MOST_PIXELS} pixels in all, not '${text}'`,
    );
  }
  return { width, height };
}

function parseRegion(text: string): Omit<MapFrame, 'width' | 'height'> {
  const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const [west = Number.NaN, south = 0, east = 0, north = 0] = numbers;
  const sound = west >= -180 && west < east && east <= 180 && south >= -90 && south < north && north <= 90;
  if (numbers.length !== 4 || !sound) {
    throw new UsageError(
      `--region must be WEST,SOUTH,EAST,NORTH in degrees within -180,-90,180,90, not '${text}'`,
    );
  }
  return { west, south, east, north };
}
