/**
 * What a heap tells of itself: how much address space it holds, what lies in it, and how much of that is gaps between
 * objects. Counted when asked for, so that allocating keeps no totals. Pure.
 *
 * @module
 */
import { COUNTS, SIZES, SPAN } from './size-classes.ts';
import { ARENA, ARENA_LARGE, FREE, LARGE } from './span-records.ts';
import type { SpanTable } from './span-table.ts';

export interface HeapStatistics {
  /** Address space in chunks and large objects, in bytes. Memory is used where a page of it was touched. */
  readonly reserved: number;
  readonly chunks: number;
  /** Live objects, those of arenas not counted. */
  readonly objects: number;
  /** Bytes that those objects take, with the padding of their size classes. */
  readonly allocated: number;
  /** Bytes of spans that are free for any size class or arena. */
  readonly free: number;
  /** Bytes of spans that belong to arenas. */
  readonly arenas: number;
  /** Objects above 32 KiB, which have buffers of their own; counted in the figures above. */
  readonly large: { readonly objects: number; readonly bytes: number };
  /**
   * External fragmentation, from 0 to 1: of the bytes in spans that belong to size classes, the share that no object
   * takes. Only objects of the same class can use them.
   */
  readonly fragmentation: number;
  /** The size classes that have spans. */
  readonly classes: readonly HeapClass[];
}

export interface HeapClass {
  /** Bytes of an object. */
  readonly size: number;
  readonly objects: number;
  /** How many more fit into its spans. */
  readonly free: number;
  /** Spans of 64 KiB. */
  readonly spans: number;
}

export function heapStatistics(table: SpanTable, reserved: number, chunks: number): HeapStatistics {
  const spans = new Array<number>(SIZES.length).fill(0);
  const objects = new Array<number>(SIZES.length).fill(0);
  let [free, arenas, largeObjects, largeBytes] = [0, 0, 0, 0];
  for (let id = 1; id <= table.lastSpan; id++) {
    const what = table.kindOf(id);
    if (what < SIZES.length) {
      spans[what]!++;
      objects[what]! += table.usedOf(id);
    } else if (what === FREE) free += SPAN;
    else if (what === ARENA) arenas += SPAN;
    else if (what === LARGE || what === ARENA_LARGE) {
      largeObjects++;
      largeBytes += table.largeSize(id);
    }
  }
  const classes = spans.flatMap((count, cls) =>
    count === 0
      ? []
      : [
          {
            size: SIZES[cls]!,
            objects: objects[cls]!,
            free: count * COUNTS[cls]! - objects[cls]!,
            spans: count,
          },
        ],
  );
  const inClasses = classes.reduce((sum, each) => sum + each.objects * each.size, 0);
  const held = classes.reduce((sum, each) => sum + each.spans * SPAN, 0);
  return {
    reserved,
    chunks,
    objects: classes.reduce((sum, each) => sum + each.objects, 0) + largeObjects,
    allocated: inClasses + largeBytes,
    free,
    arenas,
    large: { objects: largeObjects, bytes: largeBytes },
    fragmentation: held === 0 ? 0 : 1 - inClasses / held,
    classes,
  };
}
