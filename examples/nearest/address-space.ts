/**
 * The collision problem, live: what takes up addresses inside a device's window, what is left between, and why
 * a buffer was placed where it was. Everything here comes from `mirror.occupants` and `mirror.plan`; it only
 * arranges and words it.
 *
 * @module
 */

import { formatBytes, hex, type Occupied, type Range } from 'mirrorspace';
import colours from 'picocolors';
import { table } from './table.ts';

/** Neighbours that belong together, or the free space between two of them. */
export interface Stretch extends Range {
  readonly what: 'free' | Occupied['kind'];
  readonly name: string;
  readonly owner: string;
  /** How many there are of that name; 0 for free space. */
  readonly parts: number;
}

/** Free space up to this size between two parts of the same thing is not worth a line. */
const SLIVER = 64 * 1024;

/** The window from end to end: what is there and what is free, in order. */
export function survey(window: Range, occupants: readonly Occupied[]): Stretch[] {
  const stretches: Stretch[] = [];
  let at = window.start;
  for (const { start, end, kind, name, owner } of occupants) {
    const last = stretches.at(-1);
    if (last?.what === kind && last.name === name && last.owner === owner && start - last.end <= SLIVER) {
      stretches[stretches.length - 1] = { ...last, end, parts: last.parts + 1 };
    } else {
      if (start > at) stretches.push(freeSpace(at, start));
      stretches.push({ start: Math.max(start, at), end, what: kind, name, owner, parts: 1 });
    }
    at = Math.max(at, end);
  }
  if (at < window.end) stretches.push(freeSpace(at, window.end));
  return stretches;
}

function freeSpace(start: number, end: number): Stretch {
  return { start, end, what: 'free', name: 'free', owner: '', parts: 0 };
}

const PAINT: Record<Stretch['what'], (text: string) => string> = {
  free: colours.green,
  vma: colours.red,
  reserved: colours.yellow,
  buffer: colours.cyan,
  quarantined: colours.magenta,
};

export function surveyTable(stretches: readonly Stretch[]): string {
  const columns = [
    { head: 'from', align: 'right' },
    { head: 'to', align: 'right' },
    { head: 'size', align: 'right' },
    { head: 'what' },
    { head: 'whose' },
  ] as const;
  const rows = stretches.map(({ start, end, what, name, owner, parts }) => {
    const whose = { free: '', reserved: `reserved by device ${owner}`, vma: 'mapped by this process' };
    const shown = parts > 1 ? `${name} (${parts} mappings)` : name;
    return [
      hex(start),
      hex(end),
      formatBytes(end - start),
      PAINT[what](shorten(shown, 36)),
      what in whose ? whose[what as keyof typeof whose] : 'mirrored: host and device',
    ];
  });
  return table(columns, rows);
}

/** The window as one line, each character an equal part of it: what is rarest in a part wins. */
export function surveyLine(window: Range, stretches: readonly Stretch[], width = 88): string {
  const marks: readonly [Stretch['what'], string][] = [
    ['buffer', '█'],
    ['quarantined', '▒'],
    ['vma', '▓'],
    ['reserved', '▒'],
    ['free', '·'],
  ];
  const part = (window.end - window.start) / width;
  const cells = Array.from({ length: width }, (_, cell) => {
    const [low, high] = [window.start + cell * part, window.start + (cell + 1) * part];
    const here = stretches.filter(({ start, end }) => start < high && low < end);
    const [what, mark] = marks.find(([kind]) => here.some((stretch) => stretch.what === kind)) ?? marks[4]!;
    return PAINT[what](mark);
  });
  return `  |${cells.join('')}|`;
}

/** The legend of {@link surveyLine}. */
export function surveyKey(window: Range, width = 88): string {
  const key = [
    PAINT.buffer('█ mirrored'),
    PAINT.vma('▓ this process'),
    PAINT.reserved('▒ device'),
    PAINT.free('· free'),
  ];
  return `   ${key.join('   ')}   ${colours.dim(`one character is ${formatBytes(Math.round((window.end - window.start) / width))}`)}`;
}

/** Why a buffer that was searched for lies where it does: the holes below its place, which all were too small. */
export function whyThere(address: number, bytes: number, before: readonly Occupied[], window: Range): string {
  const holes: Range[] = [];
  let at = window.start;
  for (const { start, end } of [...before, { start: window.end, end: window.end }]) {
    if (start > at) holes.push({ start: at, end: start });
    at = Math.max(at, end);
  }
  const below = holes.filter((hole) => hole.end <= address);
  const own = holes.find((hole) => hole.start <= address && address < hole.end);
  const previous = before.findLast(({ end }) => end <= address);
  const where = previous ? `above ${shorten(previous.name, 24)}` : 'at the start of the window';
  const size = own === undefined ? '' : `, in a hole of ${formatBytes(own.end - own.start)}`;
  if (below.length === 0) return `lowest hole in reach, ${where}${size}`;
  const largest = Math.max(...below.map((hole) => hole.end - hole.start));
  const passed = below.length === 1 ? 'the hole below it is' : `the ${below.length} holes below it are`;
  return `lowest that fits ${formatBytes(bytes)}, ${where}${size}; ${passed} too small (at most ${formatBytes(largest)})`;
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(1 - width)}`;
}
