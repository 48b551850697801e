/**
 * What the gap-search benchmark asks of everyone: ranges in an address space of 47 bits, windows, lengths, ranges to take
 * out and put back. The same in every process and every run.
 *
 * @module
 */
export const SPAN = 2 ** 47;
export const PAGE = 4096;
/** Queries that are asked in turn. */
export const QUERIES = 1 << 14;

export interface Workload {
  readonly count: number;
  /** Ranges [start, end) in ascending order. After every 999 of them comes a hole that is larger than any other gap. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** Windows, by query. */
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  /** Such as many gaps hold, by query. */
  readonly lengths: Float64Array;
  /** Such as only the holes hold. */
  readonly rare: number;
  /** More than any gap holds. */
  readonly none: number;
  /** Indexes of ranges to take out and put back, by query. */
  readonly victims: Int32Array;
  /** All indexes, shuffled. */
  readonly order: Int32Array;
}

/** A small generator with a fixed seed (Park and Miller's), so that every run measures the same. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

export function workload(count: number): Workload {
  const random = generator(count + 1);
  const slots = count + Math.ceil(count / 999);
  const slot = Math.floor(SPAN / slots / PAGE);
  const pages = (most: number) => Math.floor(random() * most) * PAGE;
  const starts = new Float64Array(count);
  const ends = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    starts[i] = (i + Math.floor(i / 999)) * slot * PAGE + pages(slot / 4);
    ends[i] = starts[i]! + (Math.floor(slot / 4) + 1) * PAGE + pages(slot / 2);
  }
  const lows = new Float64Array(QUERIES);
  const highs = new Float64Array(QUERIES);
  const lengths = new Float64Array(QUERIES);
  const victims = new Int32Array(QUERIES);
  for (let i = 0; i < QUERIES; i++) {
    const a = Math.floor(random() * SPAN);
    const b = Math.floor(random() * SPAN);
    lows[i] = Math.min(a, b);
    highs[i] = Math.max(a, b);
    lengths[i] = PAGE + pages(slot * 0.7);
    victims[i] = Math.floor(random() * count);
  }
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const rare = (slot + 1) * PAGE;
  return { count, starts, ends, lows, highs, lengths, rare, none: 4 * slot * PAGE, victims, order };
}
