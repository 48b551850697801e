/**
 * The atlas on its canvas: a scale of addresses at the left, then a column for the host and one for each device, all on one
 * axis; buffers as bands across those that reach them; faults as they happen. Draws; decides nothing.
 *
 * @module
 */
import { formatBytes, hex } from '../errors.ts';
import { drawItems, hatch, outline } from './atlas-items.ts';
import { addressAt, itemNear, marksOf, pixelOf } from './marks.ts';
import type { Column, Item, Picture } from './picture.ts';
import type { ColumnBox, Scene } from './scene.ts';
import { bordersOf, ticksOf } from './ticks.ts';

export const SCALE_WIDTH = 132;
export const HEADER = 44;
const GAP = 28;
const MOST_COLUMN = 420;
/** A fault is seen for so many milliseconds. */
export const FAULT_SEEN = 2500;

/** Where the columns are. */
export function boxesOf(picture: Picture, width: number): ColumnBox[] {
  const count = picture.columns.length;
  const room = (width - SCALE_WIDTH - GAP * count) / count;
  const each = Math.max(24, Math.min(MOST_COLUMN, room));
  return picture.columns.map((column, i) => {
    const left = SCALE_WIDTH + i * (each + GAP);
    return { column, left, right: left + each };
  });
}

/** What is at a point of the canvas. */
export function hit(
  scene: Scene,
  x: number,
  y: number,
): { readonly column: Column; readonly item: Item | undefined; readonly address: number } | undefined {
  const box = boxesOf(scene.picture, scene.width).find(({ left, right }) => x >= left && x < right);
  const pixel = y - HEADER;
  if (!box || pixel < 0 || pixel > scene.screen.height) return undefined;
  const { items } = box.column;
  return {
    column: box.column,
    item: itemNear(items, scene.screen, pixel),
    address: addressAt(scene.screen, pixel),
  };
}

export function drawAtlas(context: CanvasRenderingContext2D, scene: Scene): void {
  const { palette, screen, width, picture } = scene;
  const boxes = boxesOf(picture, width);
  context.fillStyle = palette.background;
  context.fillRect(0, 0, width, screen.height + HEADER);
  context.save();
  context.beginPath();
  context.rect(0, HEADER, width, screen.height);
  context.clip();
  context.translate(0, HEADER);
  for (const box of boxes) drawGround(context, scene, box);
  drawScale(context, scene, boxes);
  drawBands(context, scene, boxes);
  for (const box of boxes) drawItems(context, scene, box);
  drawFaults(context, scene, boxes);
  drawAsked(context, scene, boxes);
  drawChosen(context, scene, boxes);
  drawFocused(context, scene, boxes);
  context.restore();
  drawExtent(context, scene);
  for (const box of boxes) drawTitle(context, scene, box);
}

/** A column's window is lighter than what lies out of its reach; holes that all have in common are tinted. */
function drawGround(
  context: CanvasRenderingContext2D,
  { palette, screen, picture }: Scene,
  { column, left, right }: ColumnBox,
): void {
  context.fillStyle = palette.column;
  context.fillRect(left, 0, right - left, screen.height);
  for (const { top, bottom } of marksOf(picture.holes, screen)) {
    context.fillStyle = palette.hole;
    context.fillRect(left, top, right - left, bottom - top);
  }
  if (!column.window) return;
  const top = pixelOf(screen, column.window.start);
  const bottom = pixelOf(screen, column.window.end);
  hatch(context, left, 0, right - left, Math.max(0, top), palette.line);
  hatch(context, left, bottom, right - left, screen.height - bottom, palette.line);
  context.strokeStyle = palette.text;
  context.lineWidth = 1.5;
  for (const [y, direction] of [
    [top, 1],
    [bottom, -1],
  ] as const) {
    context.beginPath();
    context.moveTo(left - 7, y + 6 * direction);
    context.lineTo(left - 7, y);
    context.lineTo(right + 7, y);
    context.lineTo(right + 7, y + 6 * direction);
    context.stroke();
  }
}

function drawScale(
  context: CanvasRenderingContext2D,
  { palette, screen, picture }: Scene,
  boxes: readonly ColumnBox[],
): void {
  const right = boxes.at(-1)?.right ?? SCALE_WIDTH;
  context.font = '11px ui-monospace, monospace';
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.lineWidth = 1;
  for (const { address, pixel } of ticksOf(screen, 26, bordersFor(picture), picture.snapshot.pageSize)) {
    context.strokeStyle = palette.line;
    context.beginPath();
    context.moveTo(SCALE_WIDTH - 10, Math.round(pixel) + 0.5);
    context.lineTo(right, Math.round(pixel) + 0.5);
    context.stroke();
    context.fillStyle = palette.faint;
    context.fillText(hex(address), SCALE_WIDTH - 14, Math.min(screen.height - 7, Math.max(7, pixel)));
  }
}

const borders = new WeakMap<Picture, number[]>();

function bordersFor(picture: Picture): number[] {
  let found = borders.get(picture);
  if (!found) {
    found = bordersOf(picture.folds);
    borders.set(picture, found);
  }
  return found;
}

/** A band for each buffer over all columns that have it: the same height is the same address. */
function drawBands(
  context: CanvasRenderingContext2D,
  { palette, screen, picture }: Scene,
  boxes: readonly ColumnBox[],
): void {
  const host = boxes[0];
  if (!host) return;
  const buffers = buffersOf(picture);
  context.save();
  context.globalAlpha = 0.22;
  context.fillStyle = palette.kinds.buffer;
  for (const { top, bottom, item } of marksOf(buffers, screen)) {
    const last = boxes.findLast(
      ({ column }) => column.window && column.window.start <= item.start && item.end <= column.window.end,
    );
    if (last) context.fillRect(host.right, top, last.left - host.right, bottom - top);
  }
  context.restore();
}

const bufferItems = new WeakMap<Picture, readonly Item[]>();

function buffersOf(picture: Picture): readonly Item[] {
  let found = bufferItems.get(picture);
  if (!found) {
    found = picture.columns[0]!.items.filter(({ kind }) => kind === 'buffer');
    bufferItems.set(picture, found);
  }
  return found;
}

function drawFaults(
  context: CanvasRenderingContext2D,
  { palette, screen, faults, now }: Scene,
  boxes: readonly ColumnBox[],
): void {
  for (const { device, address, bad, at } of faults) {
    const box = boxes.find(({ column }) => column.device?.name === device);
    const age = (now - at) / FAULT_SEEN;
    if (!box || age >= 1) continue;
    const y = pixelOf(screen, address);
    if (y < 0 || y > screen.height) continue;
    context.save();
    context.globalAlpha = 1 - age;
    context.strokeStyle = bad ? palette.fault : palette.focus;
    context.lineWidth = bad ? 3 : 1.5;
    context.beginPath();
    context.moveTo(box.left - 4, y);
    context.lineTo(box.right + 4, y);
    context.stroke();
    if (bad) {
      context.fillStyle = palette.fault;
      context.font = '600 11px ui-monospace, monospace';
      context.textAlign = 'right';
      context.textBaseline = 'bottom';
      context.fillText(`fault ${hex(address)}`, box.right - 4, y - 3);
    }
    context.restore();
  }
}

function drawChosen(
  context: CanvasRenderingContext2D,
  { chosen, screen, palette }: Scene,
  boxes: readonly ColumnBox[],
): void {
  if (!chosen) return;
  const top = pixelOf(screen, chosen.start);
  const height = Math.max(2, pixelOf(screen, chosen.end) - top);
  const right = boxes.at(-1)?.right ?? 0;
  context.save();
  context.setLineDash([5, 4]);
  context.strokeStyle = palette.focus;
  context.lineWidth = 1.5;
  context.strokeRect(SCALE_WIDTH - 6.5, top, right - SCALE_WIDTH + 13, height);
  context.restore();
}

/** Where a buffer was asked for: over all columns, since all would have it at that height. */
function drawAsked(
  context: CanvasRenderingContext2D,
  { asked, screen, palette }: Scene,
  boxes: readonly ColumnBox[],
): void {
  if (!asked) return;
  const [top, bottom] = [pixelOf(screen, asked.start), pixelOf(screen, asked.end)];
  if (bottom < 0 || top > screen.height) return;
  const width = (boxes.at(-1)?.right ?? 0) - SCALE_WIDTH;
  context.save();
  context.fillStyle = asked.ok ? palette.yes : palette.fault;
  context.globalAlpha = 0.06;
  context.fillRect(SCALE_WIDTH, top, width, Math.max(2, bottom - top));
  context.globalAlpha = 1;
  context.fillRect(SCALE_WIDTH - 9, top, 6, Math.max(2, bottom - top));
  context.restore();
}

/** Where the keyboard is: a ring around it, in its column. */
function drawFocused(
  context: CanvasRenderingContext2D,
  { focused, screen, palette }: Scene,
  boxes: readonly ColumnBox[],
): void {
  const box = focused && boxes.find(({ column }) => column.title === focused.column);
  if (!box) return;
  const top = Math.max(0, pixelOf(screen, focused.range.start) - 3);
  const bottom = Math.min(screen.height, pixelOf(screen, focused.range.end) + 3);
  if (bottom < 0 || top > screen.height) return;
  const [left, width, height] = [box.left - 3, box.right - box.left + 6, Math.max(9, bottom - top)];
  outline(context, left, top, width, height, 5, palette.background);
  outline(context, left + 1, top + 1, width - 2, height - 2, 3, palette.focus);
}

/** How much is seen, above the scale. */
function drawExtent(context: CanvasRenderingContext2D, { palette, screen }: Scene): void {
  const seen = Math.round(addressAt(screen, screen.height) - addressAt(screen, 0));
  context.textAlign = 'right';
  context.textBaseline = 'alphabetic';
  context.fillStyle = palette.text;
  context.font = '600 12px system-ui, sans-serif';
  context.fillText(`${formatBytes(seen)} seen`, SCALE_WIDTH - 14, 18);
  context.fillStyle = palette.faint;
  context.font = '11px system-ui, sans-serif';
  context.fillText(screen.axis.kind === 'folded' ? 'sizes folded' : 'true lengths', SCALE_WIDTH - 14, 34);
}

function drawTitle(
  context: CanvasRenderingContext2D,
  { palette }: Scene,
  { column, left, right }: ColumnBox,
): void {
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, HEADER);
  context.clip();
  context.textAlign = 'left';
  context.textBaseline = 'alphabetic';
  context.fillStyle = palette.text;
  context.font = '600 14px system-ui, sans-serif';
  context.fillText(column.title, left, 18);
  context.fillStyle = palette.faint;
  context.font = '11px system-ui, sans-serif';
  const fits = subtitlesOf(column).find((text) => context.measureText(text).width <= right - left);
  context.fillText(fits ?? '', left, 34);
  context.restore();
}

/** The longest first: what has room is said. */
function subtitlesOf({ subtitle, title, window }: Column): string[] {
  if (!window) return [subtitle, subtitle.replace('process ', '')];
  const size = formatBytes(window.end - window.start);
  const kind = subtitle === title ? '' : `${subtitle} · `;
  return [
    `${kind}window ${hex(window.start)}-${hex(window.end)} (${size})`,
    `window ${hex(window.start)}-${hex(window.end)}`,
    `window of ${size}`,
    size,
  ];
}
