/**
 * Tables and figures for a terminal of 100 columns, with and without colour.
 *
 * @module
 */

import Table from 'cli-table3';
import colours from 'picocolors';

export interface Column {
  readonly head?: string;
  readonly align?: 'left' | 'right';
  /** Wraps words at this width. */
  readonly width?: number;
}

export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: columns.some(({ head }) => head) ? columns.map(({ head }) => (head ? colours.bold(head) : '')) : [],
    colAligns: columns.map(({ align = 'left' }) => align),
    colWidths: columns.map(({ width = null }) => width),
    wordWrap: true,
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
    chars: {
      ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', left: '', right: '', middle: ' ' },
      ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
      ...{ 'left-mid': '', mid: '', 'mid-mid': '', 'right-mid': '' },
    },
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

export function heading(text: string): string {
  return `\n${colours.bold(colours.cyan(text))}`;
}

/** `1,600,000`; three significant digits below 100. */
export function count(value: number): string {
  return value.toLocaleString(
    'en-US',
    value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 },
  );
}

/** A duration in the unit that suits it. */
export function duration(milliseconds: number): string {
  if (milliseconds >= 1000) return `${count(milliseconds / 1000)} s`;
  return milliseconds >= 1 ? `${count(milliseconds)} ms` : `${count(milliseconds * 1000)} µs`;
}

/** The end of a text that is too long, since the end of a path tells most. */
export function shorten(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(1 - width)}`;
}
