/**
 * Addresses worth a label: round in base 16 where the axis is linear, borders of ranges where it is folded, and never so
 * close that labels touch. Pure.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { addressAt, pixelOf, type Screen } from './marks.ts';

export interface Tick {
  readonly address: number;
  /** Pixels from the top. */
  readonly pixel: number;
}

/** Ticks from the top down, at least `apart` pixels from each other. `borders` are sorted. */
export function ticksOf(screen: Screen, apart: number, borders: readonly number[]): Tick[] {
  return screen.axis.kind === 'linear' ? round(screen, apart) : atBorders(screen, apart, borders);
}

function round(screen: Screen, apart: number): Tick[] {
  const { height, viewport } = screen;
  const least = ((viewport.end - viewport.start) / height) * apart;
  // A power of two of which the hexadecimal form has one digit: 1, 2, 4 or 8, and then zeros.
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(least)));
  const ticks: Tick[] = [];
  for (let at = Math.ceil(viewport.start / step) * step; at <= viewport.end; at += step)
    ticks.push({ address: at, pixel: pixelOf(screen, at) });
  return ticks;
}

function atBorders(screen: Screen, apart: number, borders: readonly number[]): Tick[] {
  const ticks: Tick[] = [];
  const [low, high] = [addressAt(screen, 0), addressAt(screen, screen.height)];
  for (const address of borders) {
    if (address < low || address > high) continue;
    const pixel = pixelOf(screen, address);
    if (pixel - (ticks.at(-1)?.pixel ?? Number.NEGATIVE_INFINITY) >= apart) ticks.push({ address, pixel });
  }
  return ticks;
}

/** Every border of some ranges, sorted, once. */
export function bordersOf(ranges: readonly Range[]): number[] {
  return [...new Set(ranges.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
}
