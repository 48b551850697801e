/**
 * The page's panel: words, the legend, the charts, the question for a place. Text goes in as text alone.
 *
 * @module
 */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { hex } from '../errors.ts';
import type { LiveSnapshot } from '../web/live-mirrors.ts';
import { LEGEND, type Palette } from './colours.ts';
import type { Words } from './details.ts';
import type { Figures } from './history.ts';
import type { SeenFault } from './scene.ts';

export function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function showMirrors(into: HTMLSelectElement, live: LiveSnapshot, wanted: number | undefined): void {
  const options = live.mirrors.map(({ id, name, pid }) => new Option(`${name} (process ${pid})`, String(id)));
  into.replaceChildren(...(options.length > 0 ? options : [new Option('no mirror is open', '')]));
  if (wanted !== undefined) into.value = String(wanted);
}

export function showWords(into: HTMLElement, words: Words): void {
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
    heatLine(palette),
  );
}

/** The strip of a buffer, by how much of a stretch is in memory. */
function heatLine({ heat }: Palette): HTMLElement {
  const line = document.createElement('span');
  line.className = 'heat';
  for (const colour of heat) {
    const patch = document.createElement('i');
    patch.style.background = colour;
    line.append(patch);
  }
  line.append('pages in memory: none to all');
  return line;
}

/** Something that leads to a place in the atlas. */
export function placeButton(text: string, go: () => void): HTMLElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'place';
  button.textContent = text;
  button.addEventListener('click', go);
  return button;
}

/** The last faults that made a launch fail, newest first, and how many others were served. */
export function showFaults(
  into: HTMLElement,
  faults: readonly SeenFault[],
  go: (address: number) => void,
): void {
  const bad = faults.filter((fault) => fault.bad);
  const heading = document.createElement('h2');
  heading.textContent = 'Page faults';
  const served = document.createElement('p');
  const others = faults.length - bad.length;
  served.textContent =
    faults.length === 0
      ? 'None yet.'
      : `${others} of the last ${faults.length} served, ${bad.length} refused.`;
  // One that comes again and again is one line.
  const lines = new Map<string, { readonly address: number; readonly times: number }>();
  for (const { device, access, address, outcome } of [...bad].reverse()) {
    const text = `${device}: ${access} at ${hex(address)}, ${REFUSED[outcome] ?? outcome}`;
    lines.set(text, { address, times: (lines.get(text)?.times ?? 0) + 1 });
  }
  const list = [...lines]
    .slice(0, MOST_FAULTS)
    .map(([text, { address, times }]) =>
      placeButton(times > 1 ? `${text} (${times} times)` : text, () => go(address)),
    );
  into.replaceChildren(heading, served, ...list);
}

/** Of the list. */
const MOST_FAULTS = 4;
const REFUSED: Readonly<Record<string, string>> = {
  unmapped: 'in no buffer',
  'read-only': 'which it may only read',
};

/** Live and resident memory over time, and launches per second. */
export class Charts {
  readonly #box: HTMLElement;
  #plots: uPlot[] = [];

  constructor(box: HTMLElement) {
    this.#box = box;
    new ResizeObserver(() => {
      for (const plot of this.#plots) plot.setSize({ width: this.#width(), height: plot.height });
    }).observe(box);
  }

  #width(): number {
    return Math.max(200, this.#box.clientWidth);
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
          width: this.#width(),
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
          { label: 'in memory', stroke: palette.heat[3]!, width: 1.5, dash: [4, 3], points: { show: false } },
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
