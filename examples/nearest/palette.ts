/**
 * Distance as colour: pale where a point is close, through teal to deep indigo where none is for thousands of
 * kilometres. The stops are mixed in the OKLab colour space, in which equal steps look equal, and looked up in
 * a table.
 *
 * @module
 */

import type { Colour } from './canvas.ts';

const STOPS = ['#fbf3d0', '#cfe8bd', '#7fcdb0', '#3fa3a8', '#2a7598', '#274a80', '#231f55', '#150f33'];
const STEPS = 1024;
/** Distances well below this many kilometres look alike. */
const NEAR_KM = 40;

export class Palette {
  private readonly table: readonly Colour[];
  private readonly farthest: number;

  /** Covers 0 to `farthest` kilometres, by their logarithm. */
  constructor(farthest: number) {
    const stops = STOPS.map((stop) => toOklab(parseHex(stop)));
    this.farthest = Math.max(farthest, 1);
    this.table = Array.from({ length: STEPS + 1 }, (_, step) => {
      const place = (step / STEPS) * (stops.length - 1);
      const from = Math.min(Math.floor(place), stops.length - 2);
      return fromOklab(mix(stops[from]!, stops[from + 1]!, place - from));
    });
  }

  colour(kilometres: number): Colour {
    return this.table[Math.round(this.position(kilometres) * STEPS)]!;
  }

  /** Where on the scale from 0 to 1 a distance lies. */
  position(kilometres: number): number {
    return Math.min(1, Math.log1p(kilometres / NEAR_KM) / Math.log1p(this.farthest / NEAR_KM));
  }

  /** The distance at a place on the scale: the inverse of {@link position}. */
  distance(position: number): number {
    return NEAR_KM * Math.expm1(position * Math.log1p(this.farthest / NEAR_KM));
  }
}

export function mix(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

export function parseHex(text: string): Colour {
  const value = Number.parseInt(text.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

// https://bottosson.github.io/posts/oklab/
function toOklab(colour: Colour): Colour {
  const [r, g, b] = colour.map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([lightness, a, b]: Colour): Colour {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((value) => {
    const bounded = Math.max(0, Math.min(1, value));
    return 255 * (bounded <= 0.0031308 ? 12.92 * bounded : 1.055 * bounded ** (1 / 2.4) - 0.055);
  }) as [number, number, number];
}
