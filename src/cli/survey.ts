/**
 * An address space as rows to draw: mappings, holes between them, cut where a device's window begins or ends, so that a
 * row is either inside of a window or outside of it. Neighbours of one name become one row unless asked otherwise.
 *
 * @module
 */
import { formatProtection, type Range, type Vma, type VmaKind } from 'mirrorspace/mm';
import type { NamedRange } from './arguments.ts';

export interface Row extends Range {
  readonly kind: VmaKind | 'hole';
  readonly name: string;
  /** `r-xp`; of several mappings what they have in common, with `*` where they differ; empty for a hole. */
  readonly protection: string;
  /** How many mappings it stands for; 0 for a hole. */
  readonly parts: number;
}

/** Everything in `range` in ascending order, mappings and holes. */
export function survey(
  vmas: readonly Vma[],
  range: Range,
  { every, cuts }: { readonly every: boolean; readonly cuts: readonly number[] },
): Row[] {
  const rows: Row[] = [];
  let at = range.start;
  for (const vma of vmas) {
    const start = Math.max(vma.start, range.start);
    const end = Math.min(vma.end, range.end);
    if (start >= end) continue;
    if (start > at) rows.push(hole(at, start));
    const last = rows.at(-1);
    const row: Row = {
      start,
      end,
      kind: vma.kind,
      name: vma.name,
      protection: formatProtection(vma),
      parts: 1,
    };
    if (!every && last && last.kind === row.kind && last.name === row.name && last.end === start)
      rows[rows.length - 1] = joined(last, row);
    else rows.push(row);
    at = end;
  }
  if (at < range.end) rows.push(hole(at, range.end));
  return cut(rows, cuts);
}

function hole(start: number, end: number): Row {
  return { start, end, kind: 'hole', name: '', protection: '', parts: 0 };
}

function joined(a: Row, b: Row): Row {
  const protection = [...a.protection]
    .map((letter, i) => (letter === b.protection[i] ? letter : '*'))
    .join('');
  return { ...a, end: b.end, protection, parts: a.parts + b.parts };
}

function cut(rows: readonly Row[], cuts: readonly number[]): Row[] {
  const sorted = [...new Set(cuts)].sort((a, b) => a - b);
  return rows.flatMap((row) => {
    const inside = sorted.filter((at) => row.start < at && at < row.end);
    const edges = [row.start, ...inside, row.end];
    return edges.slice(1).map((end, i) => ({ ...row, start: edges[i]!, end }));
  });
}

/** The names of the windows that the range reaches into. */
export function windowsOf({ start, end }: Range, windows: readonly NamedRange[]): string[] {
  return windows.filter((window) => window.start < end && start < window.end).map(({ name }) => name);
}

export interface Free {
  /** Bytes. */
  readonly total: number;
  readonly largest: Range | null;
}

/** What the mappings leave free of a range. */
export function freeIn(vmas: readonly Vma[], range: Range): Free {
  let total = 0;
  let largest: Range | null = null;
  for (const row of survey(vmas, range, { every: false, cuts: [] })) {
    if (row.kind !== 'hole') continue;
    total += row.end - row.start;
    if (largest === null || row.end - row.start > largest.end - largest.start)
      largest = { start: row.start, end: row.end };
  }
  return { total, largest };
}

/** What tells two looks at a process apart: mappings that came, and mappings that went. */
export function difference(before: readonly Vma[], after: readonly Vma[]): { came: Vma[]; went: Vma[] } {
  const keyOf = (vma: Vma) =>
    `${vma.start} ${vma.end} ${formatProtection(vma)} ${vma.device} ${vma.inode} ${vma.offset} ${vma.name}`;
  const [old, now] = [new Set(before.map(keyOf)), new Set(after.map(keyOf))];
  return {
    came: after.filter((vma) => !old.has(keyOf(vma))),
    went: before.filter((vma) => !now.has(keyOf(vma))),
  };
}
