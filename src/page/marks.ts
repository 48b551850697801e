/**
 * Which rows of the screen show what: of many ranges those that are in view, where ranges that are smaller than a row
 * become one mark that counts them; and what lies under the pointer. However many ranges there are, there are no more
 * marks than rows. Pure.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { type Axis, lastNotAbove } from './axis.ts';
import type { Viewport } from './viewport.ts';

/** What is drawn: a range of addresses, or several that are too small to be told apart. */
export interface Mark<T extends Range> {
  /** Pixels from the top. */
  readonly top: number;
  readonly bottom: number;
  /** The first of them. */
  readonly item: T;
  readonly count: number;
}

export interface Screen {
  readonly axis: Axis;
  readonly viewport: Viewport;
  /** Pixels. */
  readonly height: number;
}

/** The least height of a mark, in pixels: what is there is seen, however small it is. */
const LEAST = 1.5;

export function pixelOf({ axis, viewport, height }: Screen, address: number): number {
  return ((axis.position(address) - viewport.start) / (viewport.end - viewport.start)) * height;
}

export function addressAt({ axis, viewport, height }: Screen, pixel: number): number {
  return axis.address(viewport.start + (pixel / height) * (viewport.end - viewport.start));
}

/**
 * Where to zoom about, as a share of the height: the middle of a range, which then stays where it is; where that is not seen,
 * the middle of what is seen of the range, else of the screen.
 */
export function anchorOf(screen: Screen, range: Range | undefined): number {
  if (!range) return 0.5;
  const [start, end] = [pixelOf(screen, range.start), pixelOf(screen, range.end)];
  const middle = (start + end) / 2;
  if (middle >= 0 && middle <= screen.height) return middle / screen.height;
  const [top, bottom] = [Math.max(0, start), Math.min(screen.height, end)];
  return top > bottom ? 0.5 : (top + bottom) / 2 / screen.height;
}

/** Marks from the top to the bottom. `items` are sorted by address and don't overlap. */
export function marksOf<T extends Range>(items: readonly T[], screen: Screen): Mark<T>[] {
  const { axis, viewport, height } = screen;
  const from = axis.address(viewport.start);
  const to = axis.address(viewport.end);
  const marks: Mark<T>[] = [];
  const first = Math.max(0, lastNotAbove(startsOf(items), from));
  for (let i = first; i < items.length && items[i]!.start <= to; ) {
    const item = items[i]!;
    i++;
    if (item.end <= from) continue;
    const top = pixelOf(screen, item.start);
    let bottom = pixelOf(screen, item.end);
    let count = 1;
    // Others that begin within the same row are in the same mark.
    if (bottom - top < LEAST) {
      const row = top + LEAST;
      while (i < items.length && pixelOf(screen, items[i]!.end) <= row) {
        i++;
        count++;
      }
      bottom = row;
    }
    marks.push({ top: Math.max(top, -1), bottom: Math.min(bottom, height + 1), item, count });
  }
  return marks;
}

/** The item at an address; undefined in between. */
export function itemAt<T extends Range>(items: readonly T[], address: number): T | undefined {
  const item = items[lastNotAbove(startsOf(items), address)];
  return item && address < item.end ? item : undefined;
}

/** What is under a pixel: also what is too small to be hit. */
export function itemNear<T extends Range>(items: readonly T[], screen: Screen, pixel: number): T | undefined {
  const exact = itemAt(items, addressAt(screen, pixel));
  if (exact) return exact;
  const near = marksOf(items, screen).find(({ top, bottom }) => pixel >= top - 1 && pixel <= bottom + 1);
  return near && near.bottom - near.top <= 2 * LEAST ? near.item : undefined;
}

const starts = new WeakMap<readonly Range[], Float64Array>();

function startsOf(items: readonly Range[]): Float64Array {
  let found = starts.get(items);
  if (!found) {
    found = Float64Array.from(items, ({ start }) => start);
    starts.set(items, found);
  }
  return found;
}
