/**
 * The page's panel: words, the legend, the charts, the question for a place. Text goes in as text alone.
 *
 * @module
 */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { LEGEND, type Palette } from './colours.ts';
import type { Words } from './details.ts';
import type { Figures } from './history.ts';

export function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** The canvas as large as it is shown, in the screen's own pixels. Gives CSS pixels. */
export function fitCanvas(canvas: HTMLCanvasElement): [number, number] {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  canvas.getContext('2d')!.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [width, height];
}

export function showWords(into: HTMLElement, words: Words | undefined): void {
  if (!words) {
    const hint = document.createElement('p');
    hint.textContent = 'Point at something, or click on it.';
    into.replaceChildren(hint);
    return;
  }
  const title = document.createElement('h2');
  title.textContent = words.title;
  const list = document.createElement('dl');
  for (const [name, value] of words.pairs) {
    const [term, text] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  into.replaceChildren(title, list);
}

export function showLegend(into: HTMLElement, palette: Palette): void {
  into.replaceChildren(
    ...LEGEND.map(([kind, name]) => {
      const line = document.createElement('span');
      const patch = document.createElement('i');
      patch.style.background = palette.kinds[kind];
      line.append(patch, name);
      return line;
    }),
  );
}

/** Live and resident memory over time, and launches per second. */
export class Charts {
  readonly #box: HTMLElement;
  #plots: uPlot[] = [];

  constructor(box: HTMLElement) {
    this.#box = box;
  }

  /** Made anew with a palette: uPlot has no other way. */
  restyle(palette: Palette, figures: Figures): void {
    for (const plot of this.#plots) plot.destroy();
    const axis = {
      stroke: palette.faint,
      grid: { stroke: palette.line, width: 1 },
      ticks: { show: false },
      font: '10px system-ui',
    };
    const make = (height: number, series: uPlot.Series[], data: uPlot.AlignedData): uPlot =>
      new uPlot(
        {
          width: 300,
          height,
          cursor: { show: false },
          legend: { live: false },
          scales: { x: { time: false }, y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
          axes: [
            {
              ...axis,
              size: 22,
              space: 56,
              incrs: [1, 2, 5, 10, 20, 60, 120, 300, 600],
              values: (plot, splits) => splits.map((at) => `${Math.round(at - plot.scales.x!.max!)} s`),
            },
            { ...axis, size: 44 },
          ],
          series: [{}, ...series],
        },
        data,
        this.#box,
      );
    const [times, live, resident, rate] = figures;
    this.#plots = [
      make(
        120,
        [
          { label: 'live MiB', stroke: palette.kinds.buffer, width: 1.5, points: { show: false } },
          { label: 'in memory', stroke: palette.resident, width: 1.5, dash: [4, 3], points: { show: false } },
        ],
        [times, live, resident],
      ),
      make(
        96,
        [{ label: 'launches a second', stroke: palette.states.running, width: 1.5, points: { show: false } }],
        [times, rate],
      ),
    ];
  }

  update([times, live, resident, rate]: Figures): void {
    this.#plots[0]?.setData([times, live, resident]);
    this.#plots[1]?.setData([times, rate]);
  }
}
