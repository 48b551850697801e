/**
 * The commands of the timeline, one by one: under the pointer, or by the arrow keys from one to the next.
 *
 * @module
 */
import type { SeenCommand } from '../observe/activity.ts';
import { aboutBar, type Bar, lanesOf } from './timeline.ts';
import { commandAt, SHOWN } from './timeline-canvas.ts';
import { showTooltip } from './tooltip.ts';

export interface CommandsOptions {
  /** What there is, and the time on the events' clock. */
  state(): { readonly commands: readonly SeenCommand[]; readonly now: number | undefined };
  say(text: string): void;
  changed(): void;
}

/** Where the words about a command are that was reached by a key. */
const CORNER = { x: 120, y: 0 };

export class Commands {
  /** The number of the one where the keyboard is. */
  chosen: number | undefined;
  readonly #canvas: HTMLElement;
  readonly #tooltip: HTMLElement;
  readonly #options: CommandsOptions;

  constructor(canvas: HTMLElement, tooltip: HTMLElement, options: CommandsOptions) {
    this.#canvas = canvas;
    this.#tooltip = tooltip;
    this.#options = options;
    canvas.addEventListener('pointermove', ({ offsetX: x, offsetY: y }) => this.#hover({ x, y }));
    for (const left of ['pointerleave', 'blur']) canvas.addEventListener(left, () => this.#leave());
  }

  /** To the next or the previous one; to the newest where none was chosen. */
  step(by: 1 | -1): void {
    const { commands, now } = this.#options.state();
    const bars = now === undefined ? [] : lanesOf(commands, now - SHOWN, now).flatMap((lane) => lane.bars);
    bars.sort((a, b) => a.start - b.start);
    const at = bars.findIndex((bar) => bar.command.launch.command === this.chosen);
    const next = bars[at === -1 ? bars.length - 1 : Math.min(bars.length - 1, Math.max(0, at + by))];
    if (!next) return;
    this.chosen = next.command.launch.command;
    const { title, text } = aboutBar(next);
    this.#options.say(`${title}: ${text}`);
    showTooltip(this.#tooltip, CORNER, { title, text });
    this.#options.changed();
  }

  #hover(at: { readonly x: number; readonly y: number }): void {
    const { width, height } = this.#canvas.getBoundingClientRect();
    const bar: Bar | undefined = commandAt({ ...this.#options.state(), width, height }, at);
    showTooltip(this.#tooltip, at, bar && aboutBar(bar));
  }

  #leave(): void {
    this.chosen = undefined;
    this.#tooltip.hidden = true;
    this.#options.changed();
  }
}
