/**
 * What lies in a column of the atlas, on its canvas: a rectangle for each range, with its name where there is room, and for
 * a buffer a strip that shows how much of it is in memory.
 *
 * @module
 */
import { formatBytes } from '../errors.ts';
import { type Mark, marksOf, pixelOf } from './marks.ts';
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
    if (item.buffer && count === 1) drawResidence(context, scene, mark, right);
    if (pointed && pointed.start === item.start && pointed.end === item.end) {
      context.strokeStyle = palette.focus;
      context.lineWidth = 2;
      context.strokeRect(left + 1, top + 1, width - 2, Math.max(1, height - 2));
    }
    if (height >= LABEL) drawLabel(context, scene, mark, left, width);
  }
}

/** How much of each stretch of a buffer is in memory, as a strip at its right side. */
function drawResidence(
  context: CanvasRenderingContext2D,
  { palette, screen }: Scene,
  { item }: Mark<Item>,
  right: number,
): void {
  const { residence } = item.buffer!;
  const each = (item.end - item.start) / residence.length;
  context.fillStyle = palette.column;
  const [whole, end] = [pixelOf(screen, item.start), pixelOf(screen, item.end)];
  context.fillRect(right - 12, whole, 12, end - whole);
  context.save();
  context.fillStyle = palette.resident;
  for (const [i, share] of residence.entries()) {
    if (share === 0) continue;
    const top = pixelOf(screen, item.start + i * each);
    const bottom = pixelOf(screen, item.start + (i + 1) * each);
    if (bottom < 0 || top > screen.height) continue;
    context.globalAlpha = 0.25 + 0.75 * share;
    context.fillRect(right - 11, top, 10, Math.max(0.7, bottom - top));
  }
  context.restore();
}

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
  context.fillStyle = item.kind === 'buffer' || item.kind === 'reserved' ? '#ffffff' : palette.text;
  context.fillText(name, left + 8, middle);
  const size = formatBytes(item.end - item.start);
  const taken = context.measureText(name).width + 24;
  context.font = '11px ui-monospace, monospace';
  const wide = context.measureText(size).width;
  if (taken + wide < width - 22) {
    context.textAlign = 'right';
    context.globalAlpha = 0.85;
    context.fillText(size, left + width - 18, middle);
  }
  context.restore();
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
