/**
 * What every benchmark returns, and how it takes its times: some rounds to warm up, then several rounds, of
 * which the median counts. On a shared machine the median of many short rounds is steadier than one long one.
 *
 * @module
 */

/** One measurement, with that of a peer where there is one. */
export interface Row {
  /** Which benchmark: `gap search`. */
  group: string;
  /** What was measured: `search, 1e5 ranges`. */
  what: string;
  ours: number;
  /** `ns`, `bytes`, `MB/s`, … of both figures. */
  unit: string;
  peer?: string;
  theirs?: number;
  /** theirs / ours: how many times as much the peer takes. */
  ratio?: number;
  /** What the design asks for, in words. */
  target?: string;
}

/** Rounds, of which some come first and don't count. */
export interface Rounds {
  readonly warmups?: number;
  readonly rounds?: number;
}

/** Median nanoseconds of one operation; `round` performs `operations` of them. */
export function nanoseconds(operations: number, round: () => void, options: Rounds = {}): number {
  return inTurn(operations, [round], options)[0]!;
}

/** The same of several contenders, whose rounds take turns: what slows the machine for a while slows all of them. */
export function inTurn(
  operations: number,
  contenders: readonly (() => void)[],
  { warmups = 3, rounds = 9 }: Rounds = {},
): number[] {
  for (const round of contenders) for (let i = 0; i < warmups; i++) round();
  const times = contenders.map((): number[] => []);
  for (let i = 0; i < rounds; i++) {
    for (const [which, round] of contenders.entries()) {
      const start = process.hrtime.bigint();
      round();
      times[which]!.push(Number(process.hrtime.bigint() - start) / operations);
    }
  }
  return times.map(median);
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Rounded for reading: three significant digits. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** A row beside its peer, with the ratio worked out. */
export function beside(row: Omit<Row, 'peer' | 'theirs' | 'ratio'>, peer: string, theirs: number): Row {
  return { ...row, peer, theirs: rounded(theirs), ratio: rounded(theirs / row.ours) };
}

/** Prints rows as a table. */
export function printRows(rows: readonly Row[]): void {
  const cells = [
    ['group', 'what', 'ours', 'unit', 'peer', 'theirs', 'ratio', 'target'],
    ...rows.map((r) =>
      [r.group, r.what, r.ours, r.unit, r.peer, r.theirs, r.ratio, r.target].map((cell) =>
        String(cell ?? ''),
      ),
    ),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  for (const line of cells)
    process.stdout.write(
      `${line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    );
}
