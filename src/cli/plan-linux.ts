/**
 * Where the kernel's own search would put the bytes: `vm_unmapped_area()` with a driver's window, over the same mappings
 * and reserved regions as the exact search of `mirrorspace/placement`.
 *
 * @module
 */
import { alignUp, GapTree, type Range, type Vma, vmUnmappedArea } from 'mirrorspace/mm';

/** Pages below a stack in which the kernel places nothing (stack_guard_gap). */
const STACK_GUARD_PAGES = 256;

export interface LinuxSearch {
  readonly vmas: readonly Vma[];
  /** Of the devices: taken as well. */
  readonly reserved: readonly Range[];
  /** What all reach. */
  readonly window: Range;
  readonly size: number;
  /** A power of two. */
  readonly align: number;
  readonly topdown: boolean;
  readonly pageSize: number;
}

/** The address that the kernel would give, or undefined: ENOMEM. */
export function linuxPlace(search: LinuxSearch): number | undefined {
  const { vmas, reserved, window, size, align, topdown, pageSize } = search;
  const stacks = new Set(vmas.filter(({ kind }) => kind === 'stack').map(({ start }) => start));
  const ranges = GapTree.from(union([...vmas, ...reserved], stacks), 0, 2 ** 52);
  return vmUnmappedArea(
    {
      ranges,
      guardBefore: (start) => (stacks.has(start) ? STACK_GUARD_PAGES * pageSize : 0),
    },
    {
      length: alignUp(size, pageSize),
      lowLimit: window.start,
      highLimit: window.end,
      alignMask: align > pageSize ? align - 1 : 0,
      topdown,
      fit: 'linux',
    },
  );
}

/** Sorted and disjoint, without what lies beyond 2^52; a stack keeps its start, where its guard is. */
function union(ranges: readonly Range[], stacks: ReadonlySet<number>): Range[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (end > 2 ** 52) continue;
    if (last && start <= last.end && !(start === last.end && stacks.has(start)))
      last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}
