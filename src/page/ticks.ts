/**
 * Addresses worth a label: round in base 16 where the axis is linear, borders of ranges where it is folded, with round
 * ones between where there is room, and never so close that labels touch. Pure.
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

/** Ticks from the top down, at least `apart` pixels from each other, none within a page. `borders` are sorted. */
export function ticksOf(screen: Screen, apart: number, borders: readonly number[], pageSize: number): Tick[] {
  return screen.axis.kind === 'linear'
    ? round(screen, apart, pageSize)
    : atBorders(screen, apart, borders, pageSize);
}

function round(screen: Screen, apart: number, pageSize: number): Tick[] {
  const { height, viewport } = screen;
  const least = ((viewport.end - viewport.start) / height) * apart;
  // A power of two of which the hexadecimal form has one digit: 1, 2, 4 or 8, and then zeros. Nothing begins within a page.
  const step = Math.max(pageSize, 2 ** Math.ceil(Math.log2(least)));
  const ticks: Tick[] = [];
  for (let at = Math.ceil(viewport.start / step) * step; at <= viewport.end; at += step)
    ticks.push({ address: at, pixel: pixelOf(screen, at) });
  return ticks;
}

function atBorders(screen: Screen, apart: number, borders: readonly number[], pageSize: number): Tick[] {
  const ticks: Tick[] = [];
  const [low, high] = [addressAt(screen, 0), addressAt(screen, screen.height)];
  let last: Tick = { address: low, pixel: 0 };
  for (const address of borders) {
    if (address < low || address > high) continue;
    const tick = { address, pixel: pixelOf(screen, address) };
    ticks.push(...within(last, tick, apart, pageSize));
    last = tick;
    if (tick.pixel - (ticks.at(-1)?.pixel ?? Number.NEGATIVE_INFINITY) >= apart) ticks.push(tick);
  }
  ticks.push(...within(last, { address: high, pixel: screen.height }, apart, pageSize));
  return ticks;
}

/** Between two borders an axis is even: round addresses, where there is room for some. */
function within(from: Tick, to: Tick, apart: number, pageSize: number): Tick[] {
  const length = to.pixel - from.pixel;
  if (length < 4 * apart) return [];
  const perPixel = (to.address - from.address) / length;
  const step = Math.max(pageSize, 2 ** Math.ceil(Math.log2(2 * apart * perPixel)));
  const ticks: Tick[] = [];
  for (let at = Math.ceil(from.address / step) * step; at < to.address; at += step) {
    const pixel = from.pixel + (at - from.address) / perPixel;
    if (pixel - from.pixel >= apart && to.pixel - pixel >= apart) ticks.push({ address: at, pixel });
  }
  return ticks;
}

/** Every border of some ranges, sorted, once. */
export function bordersOf(ranges: readonly Range[]): number[] {
  return [...new Set(ranges.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
}
