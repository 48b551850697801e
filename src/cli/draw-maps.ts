/**
 * An address space drawn for a terminal: a line per row, low addresses first, with the windows of devices as brackets
 * beside them, and a bar whose length is the size's logarithm, so that a page and a hole of 100 TiB both can be seen.
 *
 *     0x10000 ┬ ·   3.94 MiB      ··       hole
 *    0x400000 │ █   82.0 MiB r**p ▄▄▄      /usr/bin/node (3)
 *
 * @module
 */
import { formatBytes, hex, type Range, type Vma } from 'mirrorspace/mm';
import type { NamedRange } from './arguments.ts';
import { type Colours, plain, shorten } from './output.ts';
import { freeIn, type Row } from './survey.ts';

const BAR = 8;
const PAGE_BITS = 12;
const SPACE_BITS = 47;

export interface DrawOptions {
  readonly windows: readonly NamedRange[];
  readonly width: number;
  readonly colours: Colours;
  /** True for what is new since the last look. */
  readonly isNew?: (row: Row) => boolean;
}

/** The rows as lines. */
export function drawRows(rows: readonly Row[], { windows, width, colours, isNew }: DrawOptions): string[] {
  const paint = painters(colours);
  return rows.map((row) => {
    const size = formatBytes(row.end - row.start).padStart(10);
    const gutter = windows.map((window) => bracket(row, window)).join('');
    const mark = row.kind === 'hole' ? '·' : isNew?.(row) ? '+' : '█';
    const what = row.kind === 'hole' ? 'hole' : nameOf(row);
    const before = `${hex(row.start).padStart(14)} ${gutter ? `${gutter} ` : ''}`;
    const bar = (row.kind === 'hole' ? '·' : '▄').repeat(barLength(row)).padEnd(BAR);
    const after = `${row.protection.padEnd(4)} `;
    const room = width - before.length - 2 - size.length - 1 - after.length - BAR - 1;
    const shade = row.kind === 'hole' ? colours.dim : paint[row.kind];
    return [
      colours.dim(hex(row.start).padStart(14)),
      gutter ? ` ${colours.cyan(gutter)}` : '',
      ` ${shade(mark)} ${size} ${after}${shade(bar.trimEnd())}${' '.repeat(BAR - bar.trimEnd().length)} `,
      shade(shorten(what, Math.max(room, 8))),
    ].join('');
  });
}

/** What the drawing is of: totals, and each window with what is free in it. */
export function drawHead(
  title: string,
  vmas: readonly Vma[],
  range: Range,
  { windows, colours }: DrawOptions,
): string[] {
  const mapped = vmas.reduce((sum, { start, end }) => sum + (end - start), 0);
  const lines = [
    `${colours.bold(title)}: ${vmas.length} mappings, ${formatBytes(mapped)} of ${formatBytes(range.end - range.start)}`,
  ];
  for (const window of windows) {
    const { total, largest } = freeIn(vmas, window);
    const hole =
      largest === null
        ? ''
        : `, largest hole ${formatBytes(largest.end - largest.start)} at ${hex(largest.start)}`;
    lines.push(
      `${colours.cyan(window.name)} ${hex(window.start)}-${hex(window.end)}: ${formatBytes(total)} free${hole}`,
    );
  }
  if (windows.length > 1)
    lines.push(colours.dim(`brackets, from the left: ${windows.map(({ name }) => name).join(', ')}`));
  return lines;
}

/** `r-xp 132 KiB [stack]`, for a line that says what has changed. */
export function describeVma({ start, end, name }: Vma, protection: string): string {
  return `${hex(start)}-${hex(end)} ${protection} ${formatBytes(end - start)} ${plain(name) || 'anonymous'}`;
}

function nameOf({ name, parts }: Row): string {
  const shown = plain(name) || 'anonymous';
  return parts > 1 ? `${shown} (${parts})` : shown;
}

/** The window's part of a row; rows are cut at the windows' edges. */
function bracket({ start, end }: Row, window: Range): string {
  if (end <= window.start || window.end <= start) return ' ';
  const [first, last] = [start <= window.start, end >= window.end];
  if (first && last) return '[';
  if (first) return '┬';
  return last ? '┴' : '│';
}

/** From 1 for a page to {@link BAR} for all of user space. */
function barLength({ start, end }: Row): number {
  const bits = Math.max(0, Math.log2(end - start) - PAGE_BITS);
  return Math.min(BAR, 1 + Math.floor((bits / (SPACE_BITS - PAGE_BITS)) * (BAR - 1)));
}

function painters(colours: Colours): Record<Exclude<Row['kind'], 'hole'>, (text: string) => string> {
  return {
    file: colours.blue,
    heap: colours.green,
    stack: colours.yellow,
    special: colours.magenta,
    anonymous: (text) => text,
  };
}
