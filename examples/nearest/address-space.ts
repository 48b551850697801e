/**
 * The collision problem, live: what takes up addresses inside a device's window, what is left between, and why
 * a buffer was placed where it was. Everything here comes from `mirror.occupants` and `mirror.plan`; it only
 * arranges and words it.
 *
 * @module
 */

import { formatBytes, hex, type Occupied, type Range } from 'mirrorspace';
import colours from 'picocolors';
import { shorten, table } from './table.ts';

/** Neighbours that belong together, or the free space between two of them. */
export interface Stretch extends Range {
  readonly what: 'free' | Occupied['kind'];
  readonly name: string;
  readonly owner: string;
  /** How many there are of that name; 0 for free space. */
  readonly parts: number;
}

/** Free space up to this size between two mappings of one file is not worth a line in a table. */
export const SLIVER = 64 * 1024;

/**
 * The window from end to end: what is there and what is free, in order. Parts of the same thing become one
 * stretch where at most `sliver` bytes lie between.
 */
export function survey(window: Range, occupants: readonly Occupied[], sliver = 0): Stretch[] {
  const stretches: Stretch[] = [];
  let at = window.start;
  for (const { start, end, kind, name, owner } of occupants) {
    const last = stretches.at(-1);
    if (last?.what === kind && last.name === name && last.owner === owner && start - last.end <= sliver) {
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
      PAINT[what](shorten(shown, 32)),
      what in whose ? whose[what as keyof typeof whose] : 'mirrored: host and device',
    ];
  });
  return table(columns, rows);
}

/** The window as one line, each character an equal part of it, in the colour of what takes most of it up. */
export function surveyLine(window: Range, stretches: readonly Stretch[], width = 88): string {
  const marks = { buffer: '█', quarantined: '▒', vma: '▓', reserved: '▒', free: '·' };
  const part = (window.end - window.start) / width;
  const cells = Array.from({ length: width }, (_, cell) => {
    const low = window.start + cell * part;
    const share = ({ start, end }: Range) => Math.min(end, low + part) - Math.max(start, low);
    const taken = stretches.filter((stretch) => stretch.what !== 'free' && share(stretch) > 0);
    const what = taken.sort((a, b) => share(b) - share(a))[0]?.what ?? 'free';
    return PAINT[what](marks[what]);
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

/** Why a buffer lies where the search put it: the lowest hole that is large enough. */
export function whyThere(address: number, before: readonly Occupied[], window: Range): string {
  const holes = survey(window, before).filter(({ what }) => what === 'free');
  const own = holes.find((hole) => hole.start <= address && address < hole.end);
  const previous = before.findLast(({ end }) => end <= address);
  const where = previous ? `above ${shorten(previous.name, 24)}` : 'at the start';
  const size = own === undefined ? '' : `, in a hole of ${formatBytes(own.end - own.start)}`;
  const tooSmall = holes.filter((hole) => hole.end <= address).map((hole) => hole.end - hole.start);
  if (tooSmall.length === 0) return `lowest hole: ${where}${size}`;
  const lower = tooSmall.length === 1 ? 'one lower hole is' : `${tooSmall.length} lower holes are`;
  return `lowest fit: ${where}${size}; ${lower} too small (at most ${formatBytes(Math.max(...tooSmall))})`;
}
