/**
 * What lies in a column of the atlas, on its canvas: a rectangle for each range, with its name where there is room, and for
 * a buffer a strip that shows how much of it is in memory.
 *
 * @module
 */
import { formatBytes } from '../errors.ts';
import { addressAt, type Mark, marksOf, pixelOf } from './marks.ts';
import type { Item } from './picture.ts';
import type { ColumnBox, Scene } from './scene.ts';

/** Rows for a label to fit. */
const LABEL = 15;

export function drawItems(
  context: CanvasRenderingContext2D,
  scene: Scene,
  { column, left, right }: ColumnBox,
): void {
  const { palette, screen, pointed } = scene;
  const width = right - left;
  for (const mark of marksOf(column.items, screen)) {
    const { top, bottom, item, count } = mark;
    const height = bottom - top;
    context.fillStyle = palette.kinds[item.kind];
    context.fillRect(left, top, width, Math.max(1, height - (height > 4 ? 1 : 0)));
    if (item.kind === 'unmirrorable' || item.kind === 'quarantined')
      hatch(context, left, top, width, height, palette.column);
    if (item.buffer && count === 1 && height >= LEAST_STRIP) drawResidence(context, scene, mark, right);
    if (pointed && pointed.start === item.start && pointed.end === item.end)
      outline(context, left, top, width, height, 2, palette.focus);
    if (height >= LABEL) drawLabel(context, scene, mark, left, width);
  }
}

/** How much of each stretch of a buffer is in memory, as a strip at its right side: the more, the hotter. */
function drawResidence(
  context: CanvasRenderingContext2D,
  { palette, screen, parts }: Scene,
  { item, top: above, bottom: below }: Mark<Item>,
  right: number,
): void {
  const seen = {
    start: Math.max(item.start, addressAt(screen, 0)),
    end: Math.min(item.buffer!.end, addressAt(screen, screen.height)),
  };
  const { start, end, residence } = parts.find(
    (part) => part.start <= seen.start && seen.end <= part.end,
  ) ?? {
    start: item.start,
    end: item.end,
    residence: item.buffer!.residence,
  };
  const each = (end - start) / residence.length;
  context.fillStyle = palette.heat[0]!;
  context.fillRect(right - STRIP, above, STRIP, below - above - 1);
  for (const [i, share] of residence.entries()) {
    if (share === 0) continue;
    // Whole pixels: no seams between stretches.
    const top = Math.max(above, Math.round(pixelOf(screen, start + i * each)));
    const bottom = Math.min(below - 1, Math.round(pixelOf(screen, start + (i + 1) * each)));
    if (bottom < top || bottom < 0) continue;
    context.fillStyle = palette.heat[heatOf(share)]!;
    context.fillRect(right - STRIP, top, STRIP, Math.max(1, bottom - top - (bottom - top > 5 ? 1 : 0)));
  }
  context.fillStyle = palette.column;
  context.fillRect(right - STRIP - 1, above, 1, below - above);
}

/** Width of the strip, pixels. */
const STRIP = 14;
/** A mark that is lower has none. */
const LEAST_STRIP = 2;

/** Which of the five colours: none, and then by quarters. */
const heatOf = (share: number): number => (share <= 0 ? 0 : Math.max(1, Math.min(4, Math.ceil(share * 4))));

function drawLabel(
  context: CanvasRenderingContext2D,
  { palette, screen }: Scene,
  { top, bottom, item, count }: Mark<Item>,
  left: number,
  width: number,
): void {
  const from = Math.max(0, top);
  const to = Math.min(screen.height, bottom);
  if (to - from < LABEL) return;
  const middle = (from + to) / 2;
  context.save();
  context.beginPath();
  context.rect(left, from, width - 14, to - from);
  context.clip();
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.font = `${item.kind === 'buffer' ? '600 ' : ''}12px system-ui, sans-serif`;
  const name = count > 1 ? `${shortName(item.name)} and ${count - 1} more` : shortName(item.name);
  context.fillStyle =
    item.kind === 'buffer' ? palette.onBuffer : item.kind === 'reserved' ? palette.onRegion : palette.text;
  context.fillText(name, left + 8, middle);
  const size = formatBytes(item.end - item.start);
  const taken = context.measureText(name).width + 24;
  context.font = '11px ui-monospace, monospace';
  const wide = context.measureText(size).width;
  if (taken + wide < width - 22) {
    context.textAlign = 'right';
    context.fillText(size, left + width - 18, middle);
  }
  context.restore();
}

export function outline(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  width: number,
  height: number,
  thick: number,
  colour: string,
): void {
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.strokeRect(left + thick / 2, top + thick / 2, width - thick, Math.max(1, height - thick));
}

/** A path by its last part. */
const shortName = (name: string): string => (name.startsWith('/') ? (name.split('/').at(-1) ?? name) : name);

/** Slanted lines: out of reach, or not to be used. */
export function hatch(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
): void {
  if (height <= 0 || width <= 0) return;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  const first = Math.floor((y - width) / 9) * 9;
  for (let at = first; at < y + height; at += 9) {
    context.moveTo(x, at + width);
    context.lineTo(x + width, at);
  }
  context.stroke();
  context.restore();
}
