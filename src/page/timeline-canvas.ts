/**
 * The timeline on its canvas: lanes of commands over the last seconds, newest at the right.
 *
 * @module
 */
import type { SeenCommand } from '../observe/activity.ts';
import type { Palette } from './colours.ts';
import { type Bar, lanesOf } from './timeline.ts';

/** Milliseconds that are shown. */
export const SHOWN = 10_000;
const TITLE = 132;
const TOP = 20;
const MOST_LANE = 24;

export interface TimelineScene {
  readonly commands: readonly SeenCommand[];
  /** On the events' clock; undefined before the first. */
  readonly now: number | undefined;
  readonly width: number;
  readonly height: number;
  readonly palette: Palette;
}

export function drawTimeline(context: CanvasRenderingContext2D, scene: TimelineScene): void {
  const { commands, now, width, height, palette } = scene;
  context.fillStyle = palette.background;
  context.fillRect(0, 0, width, height);
  context.textBaseline = 'middle';
  context.font = '11px system-ui, sans-serif';
  if (now === undefined || commands.length === 0) {
    context.fillStyle = palette.faint;
    context.textAlign = 'left';
    context.fillText('No command has been put into a queue since this server runs.', 14, height / 2);
    return;
  }
  const from = now - SHOWN;
  drawSeconds(context, scene);
  const lanes = lanesOf(commands, from, now);
  const each = Math.min(MOST_LANE, (height - TOP - 4) / Math.max(1, lanes.length));
  const x = (time: number): number => TITLE + Math.max(0, (time - from) / SHOWN) * (width - TITLE - 8);
  for (const [i, { title, bars }] of lanes.entries()) {
    const top = TOP + i * each;
    context.fillStyle = palette.faint;
    context.textAlign = 'right';
    if (each >= 9) context.fillText(title, TITLE - 8, top + each / 2, TITLE - 14);
    for (const bar of bars) drawBar(context, palette, bar, x(bar.start), x(bar.end), top, each);
  }
}

function drawSeconds(context: CanvasRenderingContext2D, { width, height, palette }: TimelineScene): void {
  context.fillStyle = palette.faint;
  context.strokeStyle = palette.line;
  context.textAlign = 'center';
  for (let back = 0; back <= SHOWN; back += 1000) {
    const at = Math.round(width - 8 - (back / SHOWN) * (width - TITLE - 8)) + 0.5;
    context.beginPath();
    context.moveTo(at, TOP - 4);
    context.lineTo(at, height);
    context.stroke();
    if (back % 2000 === 0)
      context.fillText(back === 0 ? 'now' : `-${back / 1000} s`, Math.min(width - 14, at), 9);
  }
}

function drawBar(
  context: CanvasRenderingContext2D,
  palette: Palette,
  { command, state }: Bar,
  left: number,
  right: number,
  top: number,
  each: number,
): void {
  const width = Math.max(1.5, right - left);
  context.fillStyle = palette.states[state];
  context.fillRect(left, top + 1, width, Math.max(2, each - 3));
  const { kernel } = command.launch;
  if (each < 13 || context.measureText(kernel).width > width - 8) return;
  context.fillStyle = state === 'waiting' ? palette.text : '#ffffff';
  context.textAlign = 'left';
  context.fillText(kernel, left + 4, top + each / 2);
}
