/**
 * What the gap tree must answer, computed the slow way: an array of ranges, and places tried one by one with
 * bigint arithmetic. Nothing here is shared with what it judges.
 *
 * @module
 */

export interface OracleRange {
  start: number;
  end: number;
}

export interface OracleRequest {
  length: number;
  low: number;
  high: number;
  alignMask?: number;
  alignOffset?: number;
  fit?: 'linux' | 'exact';
}

export class LinearOracle {
  readonly low: number;
  readonly high: number;
  ranges: OracleRange[] = [];

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
  }

  isFree(start: number, end: number): boolean {
    return this.ranges.every((r) => r.end <= start || r.start >= end);
  }

  isPresent(start: number, end: number): boolean {
    let inside = 0n;
    for (const r of this.ranges) {
      const from = Math.max(r.start, start);
      const to = Math.min(r.end, end);
      if (from < to) inside += BigInt(to) - BigInt(from);
    }
    return inside === BigInt(end) - BigInt(start);
  }

  insert(start: number, end: number): void {
    this.ranges.push({ start, end });
    this.ranges.sort((a, b) => a.start - b.start);
  }

  remove(start: number, end: number): void {
    const left: OracleRange[] = [];
    for (const r of this.ranges) {
      if (r.end <= start || r.start >= end) left.push(r);
      else {
        if (r.start < start) left.push({ start: r.start, end: start });
        if (r.end > end) left.push({ start: end, end: r.end });
      }
    }
    this.ranges = left;
  }

  /** Every free stretch, in ascending order, empty ones left out. */
  gaps(): OracleRange[] {
    const gaps: OracleRange[] = [];
    let free = this.low;
    for (const r of this.ranges) {
      if (r.start > free) gaps.push({ start: free, end: r.start });
      free = r.end;
    }
    if (this.high > free) gaps.push({ start: free, end: this.high });
    return gaps;
  }

  findGap(request: OracleRequest): number | undefined {
    return this.places(request).lowest;
  }

  findGapTopdown(request: OracleRequest): number | undefined {
    return this.places(request).highest;
  }

  private places(request: OracleRequest): { lowest: number | undefined; highest: number | undefined } {
    const length = BigInt(request.length);
    const mask = BigInt(request.alignMask ?? 0);
    const offset = BigInt(request.alignOffset ?? 0);
    const padded = length + mask;
    let lowest: number | undefined;
    let highest: number | undefined;
    for (const gap of this.gaps()) {
      const start = BigInt(Math.max(gap.start, request.low));
      const end = BigInt(Math.min(gap.end, request.high));
      if (start >= end) continue;
      if (request.fit !== 'exact' && end - start < padded) continue;
      const up = start + (BigInt.asUintN(64, offset - start) % (mask + 1n));
      if (up + length <= end) lowest ??= Number(up);
      const down = end - length - (BigInt.asUintN(64, end - length - offset) % (mask + 1n));
      if (down >= start) highest = Number(down);
    }
    return { lowest, highest };
  }

  at(x: number): OracleRange | undefined {
    return this.ranges.find((r) => r.start <= x && x < r.end);
  }

  next(x: number): OracleRange | undefined {
    return this.ranges.find((r) => r.start > x);
  }

  previous(x: number): OracleRange | undefined {
    return this.ranges.findLast((r) => r.end <= x);
  }
}
