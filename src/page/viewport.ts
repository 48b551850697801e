/**
 * The part of an axis that is on the screen: zooming about a point, panning, fitting a range, and going from one part to
 * another in steps that look even. Pure.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import type { Axis } from './axis.ts';

/** Positions, half-open. */
export type Viewport = Range;

/** The closest look: so many pages fill the screen, or so much of a folded axis. */
const LEAST_PAGES = 4;
const LEAST_FOLDED = 0.5;

/** The nearest viewport that lies on the axis and is not too close. */
export function clamped({ start, end }: Viewport, axis: Axis, pageSize: number): Viewport {
  const { start: low, end: high } = axis.whole;
  const least = axis.kind === 'linear' ? LEAST_PAGES * pageSize : LEAST_FOLDED;
  const span = Math.min(high - low, Math.max(least, end - start));
  const from = Math.min(high - span, Math.max(low, (start + end - span) / 2));
  return { start: from, end: from + span };
}

/** Makes what is seen `factor` times as long, about a point at that share of the height. */
export function zoomed(
  { start, end }: Viewport,
  factor: number,
  share: number,
  axis: Axis,
  pageSize: number,
): Viewport {
  const anchor = start + (end - start) * share;
  const { start: low, end: high } = axis.whole;
  const least = axis.kind === 'linear' ? LEAST_PAGES * pageSize : LEAST_FOLDED;
  const span = Math.min(high - low, Math.max(least, (end - start) * factor));
  return clamped({ start: anchor - span * share, end: anchor + span * (1 - share) }, axis, pageSize);
}

/** Moves by that share of the height. */
export function panned(viewport: Viewport, share: number, axis: Axis, pageSize: number): Viewport {
  const by = (viewport.end - viewport.start) * share;
  const { start: low, end: high } = axis.whole;
  const held = Math.min(high - viewport.end, Math.max(low - viewport.start, by));
  return clamped({ start: viewport.start + held, end: viewport.end + held }, axis, pageSize);
}

/** All of a range of addresses, with a margin. */
export function fitting(range: Range, axis: Axis, pageSize: number): Viewport {
  const [start, end] = [axis.position(range.start), axis.position(range.end)];
  const margin = (end - start) * 0.06;
  return clamped({ start: start - margin, end: end + margin }, axis, pageSize);
}

/** Between two viewports, at a share of the way from 0 to 1: sizes go by their logarithms. */
export function between(from: Viewport, to: Viewport, share: number): Viewport {
  if (share >= 1) return to;
  const [a, b] = [from.end - from.start, to.end - to.start];
  const span = a * (b / a) ** share;
  // The point that stands still, where there is one: then the way is a pure zoom.
  const way = Math.abs(b - a) < 1e-9 * a ? share : (span - a) / (b - a);
  const start = from.start + (to.start - from.start) * way;
  return { start, end: start + span };
}

/** A range of addresses with as much around it as it is long. */
export function around({ start, end }: Range): Range {
  const more = Math.max(4 * 4096, end - start);
  return { start: Math.max(0, start - more), end: end + more };
}
