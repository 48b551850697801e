/**
 * How much to fetch for a missing page: the page alone, the largest aligned subtree around it of which more than half is
 * there already (as NVIDIA's UVM and HMM drivers do it), or, while faults come in sequence, twice what the last one
 * fetched, up to a block. Never beyond the bounds, which are those of the mapping. Pure.
 *
 *     page    |.|x|.|.|      | fault, x resident: of the two of its subtree both would be there; of the four, half: stop
 *     fetch     |^|
 *
 * @module
 */
import { alignDown, type Range } from '../../../mm/address.ts';
import type { Residency } from './residency.ts';

/** How the last fetch went. */
export interface Sequence {
  /** Where a sequential reader would fault next. */
  readonly next: number;
  /** Bytes that the last fetch was to have, had there been no end in the way. */
  readonly size: number;
}

/** What to fetch, and how it went. */
export interface Chunk extends Range {
  readonly sequence: Sequence;
}

export const NO_SEQUENCE: Sequence = { next: -1, size: 0 };

/** What to fetch for `page`, which is within `bounds` and not resident; pages within that are resident stay as they are. */
export function chooseChunk(
  page: number,
  bounds: Range,
  resident: Residency,
  { next, size }: Sequence,
): Chunk {
  const { pageSize, blockSize } = resident;
  const subtree = fullestSubtree(page, bounds, resident);
  if (page !== next) return { ...subtree, sequence: { next: subtree.end, size: subtree.end - page } };
  const wanted = Math.min(blockSize, Math.max(pageSize, size * 2));
  const end = Math.min(bounds.end, alignDown(page, blockSize) + blockSize, page + wanted);
  const chunk = { start: subtree.start, end: Math.max(end, subtree.end) };
  return { ...chunk, sequence: { next: chunk.end, size: Math.max(wanted, chunk.end - page) } };
}

function fullestSubtree(page: number, bounds: Range, resident: Residency): Range {
  const { pageSize, blockSize } = resident;
  let start = page;
  let end = page + pageSize;
  /** Of the pages chosen, those that are there already: all others of them will be. */
  let had = 0;
  for (let size = 2 * pageSize; size <= blockSize; size *= 2) {
    const from = alignDown(page, size);
    const node = { start: Math.max(bounds.start, from), end: Math.min(bounds.end, from + size) };
    const there = resident.count(node);
    if (2 * (there - had + (end - start) / pageSize) <= (node.end - node.start) / pageSize) continue;
    ({ start, end } = node);
    had = there;
  }
  return { start, end };
}
