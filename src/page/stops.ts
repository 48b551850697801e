/**
 * Where the keyboard can stop in the atlas: what is on the screen, the host's column from the top to the bottom, then what
 * each device has of its own. Also the holes that are seen, since they are what one asks about. Pure.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { marksOf, pixelOf, type Screen } from './marks.ts';
import type { Column, Item, Picture } from './picture.ts';

export interface Stop {
  readonly column: Column;
  readonly range: Range;
  /** Absent for a hole. */
  readonly item?: Item;
  /** Ranges that are too small to be told apart are one stop: so many. */
  readonly count: number;
}

/** Pixels that a hole must have to be a stop. */
const LEAST_HOLE = 14;

/** In the order in which the keyboard goes over them. */
export function stopsOf(picture: Picture, screen: Screen): Stop[] {
  return picture.columns.flatMap((column, i) => {
    const own = i === 0 ? column.items : column.items.filter(({ kind }) => kind !== 'buffer');
    const marks = marksOf(own, screen).filter(({ top, bottom }) => bottom > 0 && top < screen.height);
    const stops = marks.map(({ item, count }): Stop => ({ column, range: item, item, count }));
    if (i > 0) return stops;
    const holes = picture.holes
      .filter((hole) => {
        const [top, bottom] = [pixelOf(screen, hole.start), pixelOf(screen, hole.end)];
        return Math.min(bottom, screen.height) - Math.max(top, 0) >= LEAST_HOLE;
      })
      .map((range): Stop => ({ column, range, count: 1 }));
    return [...stops, ...holes].sort((a, b) => a.range.start - b.range.start);
  });
}

/** The next one, or the one before; undefined where there is none, and the focus goes elsewhere. */
export function nextStop(
  stops: readonly Stop[],
  from: { readonly column: string; readonly range: Range } | undefined,
  by: 1 | -1,
): Stop | undefined {
  if (!from) return by === 1 ? stops[0] : undefined;
  const at = stops.findIndex(
    ({ column, range }) => column.title === from.column && range.start === from.range.start,
  );
  if (at >= 0) return stops[at + by];
  // It is not on the screen any more: on from where it was, as far as that can be told.
  const of = stops.filter(({ column }) => column.title === from.column);
  const near =
    by === 1
      ? of.find(({ range }) => range.start >= from.range.start)
      : of.findLast(({ range }) => range.start <= from.range.start);
  return near ?? (by === 1 ? stops[0] : stops.at(-1));
}

/** The next item or the one before, round and round. */
export function nextItem(items: readonly Item[], from: Range | undefined, by: 1 | -1): Item | undefined {
  const at = items.findIndex(({ start }) => start === from?.start);
  return at === -1 ? items.at(by === 1 ? 0 : -1) : items[(at + by + items.length) % items.length];
}
