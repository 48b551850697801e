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
const MOST_LANE = 30;
/** Pixels from a bar that are still on it. */
const NEAR = 4;

export interface TimelineScene {
  readonly commands: readonly SeenCommand[];
  /** On the events' clock; undefined before the first. */
  readonly now: number | undefined;
  readonly width: number;
  readonly height: number;
  readonly palette: Palette;
  /** The number of a command. */
  readonly chosen?: number | undefined;
}

type Layout = Pick<TimelineScene, 'commands' | 'now' | 'width' | 'height'>;

export function drawTimeline(context: CanvasRenderingContext2D, scene: TimelineScene): void {
  const { commands, now, width, height, palette } = scene;
  context.fillStyle = palette.background;
  context.fillRect(0, 0, width, height);
  context.textBaseline = 'middle';
  context.font = '11px system-ui, sans-serif';
  if (now === undefined || commands.length === 0) {
    context.fillStyle = palette.faint;
    context.textAlign = 'left';
    context.fillText('Queues: no command has been put in since this server runs.', 14, height / 2);
    return;
  }
  drawSeconds(context, scene);
  const { lanes, each, x } = layoutOf(scene, now);
  for (const [i, { title, bars }] of lanes.entries()) {
    const top = TOP + i * each;
    context.fillStyle = palette.faint;
    context.textAlign = 'right';
    if (each >= 9) context.fillText(title, TITLE - 8, top + each / 2, TITLE - 14);
    for (const bar of bars) {
      drawBar(context, palette, bar, x(bar.start), x(bar.end), top, each);
      if (bar.command.launch.command !== scene.chosen) continue;
      context.strokeStyle = palette.focus;
      context.lineWidth = 2;
      context.strokeRect(x(bar.start) - 3, top - 1, Math.max(1.5, x(bar.end) - x(bar.start)) + 6, each + 1);
      context.lineWidth = 1;
    }
  }
}

/** Where things are: lanes of so many pixels each, and the pixel of a time. */
function layoutOf({ commands, width, height }: Layout, now: number) {
  const from = now - SHOWN;
  const lanes = lanesOf(commands, from, now);
  const each = Math.min(MOST_LANE, (height - TOP - 4) / Math.max(1, lanes.length));
  const x = (time: number): number => TITLE + Math.max(0, (time - from) / SHOWN) * (width - TITLE - 8);
  return { lanes, each, x };
}

/** The command at a point, or nearest beside it. */
export function commandAt(scene: Layout, at: { readonly x: number; readonly y: number }): Bar | undefined {
  if (scene.now === undefined) return undefined;
  const { lanes, each, x } = layoutOf(scene, scene.now);
  let best: { readonly bar: Bar; readonly far: number } | undefined;
  for (const bar of lanes[Math.floor((at.y - TOP) / each)]?.bars ?? []) {
    const far = Math.max(x(bar.start) - at.x, at.x - x(bar.end), 0);
    if (far <= NEAR && (!best || far <= best.far)) best = { bar, far };
  }
  return best?.bar;
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
  { command, state, count }: Bar,
  left: number,
  right: number,
  top: number,
  each: number,
): void {
  const width = Math.max(1.5, right - left);
  context.fillStyle = palette.states[state];
  context.fillRect(left, top + 1, width, Math.max(2, each - 3));
  const text = count > 1 ? `${count} not ended` : command.launch.kernel;
  if (each < 13 || context.measureText(text).width > width - 8) return;
  context.fillStyle = state === 'waiting' ? palette.text : palette.background;
  context.textAlign = 'left';
  context.fillText(text, left + 4, top + each / 2);
}
