/**
 * How VMAs become one and how one becomes several: the rules of mm/vma.c (`vma_merge_new_range`,
 * `vma_merge_existing_range`, `vma_modify`, `__split_vma`). Neighbours merge when flags, file and name are the
 * same, their page offsets continue each other, and not both have written pages of a different origin.
 * A merge takes in the two direct neighbours at most.
 *
 * @module
 */

import type { Address } from './address.ts';
import { type AnonVma, VM_SPECIAL, type VmArea, type VmAreaKind } from './vm-area.ts';
import type { VmaTree } from './vma-tree.ts';

/** Joins a range that is not in the tree yet to its neighbours; undefined, and nothing done, where it can't be. */
export function mergeNew(tree: VmaTree, area: VmArea, justExpand = false): VmArea | undefined {
  if (area.vmFlags & VM_SPECIAL) return undefined;
  const previous = continues(tree.endingAt(area.start), area);
  let next = justExpand ? undefined : continuedBy(area, tree.startingAt(area.end));
  if (previous && next && !shareable(previous.anonVma, next.anonVma)) next = undefined;
  if (!previous && !next) return undefined;
  // A copy that mremap makes of written memory hands its origin on.
  const anonVma = previous?.anonVma ?? next?.anonVma ?? area.anonVma;
  if (previous) tree.remove(previous);
  if (next) tree.remove(next);
  const merged = (previous ?? area)
    .within(previous?.start ?? area.start, next?.end ?? area.end)
    .with({ anonVma });
  tree.insert(merged);
  return merged;
}

/** {@link mergeNew}, or put in as a VMA of its own. */
export function insertMerging(tree: VmaTree, area: VmArea): VmArea {
  const merged = mergeNew(tree, area);
  if (!merged) tree.insert(area);
  return merged ?? area;
}

/**
 * Gives [start, end) of `area` other flags: joins it to a neighbour that has them already, or splits the VMA at
 * the edges. A split needs room for one more VMA; where there is none the answer is undefined, and an earlier
 * split of the same call stays, as in the kernel.
 */
export function modifyFlags(
  tree: VmaTree,
  area: VmArea,
  start: Address,
  end: Address,
  vmFlags: number,
  mostAreas: number,
): VmArea | undefined {
  const changed = area.within(start, end).with({ vmFlags });
  const merged = mergeExisting(tree, area, changed);
  if (merged) return merged;
  let rest = area;
  if (rest.start < start) {
    if (tree.size >= mostAreas) return undefined;
    [, rest] = split(tree, rest, start);
  }
  if (rest.end > end) {
    if (tree.size >= mostAreas) return undefined;
    [rest] = split(tree, rest, end);
  }
  tree.replace(rest, changed);
  return changed;
}

/** Cuts a VMA in two. */
export function split(tree: VmaTree, area: VmArea, at: Address): [VmArea, VmArea] {
  const halves: [VmArea, VmArea] = [area.within(area.start, at), area.within(at, area.end)];
  tree.replace(area, ...halves);
  return halves;
}

function mergeExisting(tree: VmaTree, area: VmArea, changed: VmArea): VmArea | undefined {
  if (changed.vmFlags & VM_SPECIAL) return undefined;
  const atStart = changed.start === area.start;
  const atEnd = changed.end === area.end;
  const previous = atStart ? continues(tree.endingAt(changed.start), changed) : undefined;
  let next = atEnd ? continuedBy(changed, tree.startingAt(changed.end)) : undefined;
  if (previous && next && !shareable(previous.anonVma, next.anonVma)) next = undefined;
  if (!previous && !next) return undefined;
  const anonVma = previous?.anonVma ?? next?.anonVma ?? area.anonVma;
  const merged = (previous ?? changed)
    .within(previous?.start ?? changed.start, next?.end ?? changed.end)
    .with({ anonVma });
  if (previous) tree.remove(previous);
  if (next) tree.remove(next);
  tree.remove(area);
  if (!atStart) tree.insert(area.within(area.start, changed.start));
  if (!atEnd) tree.insert(area.within(changed.end, area.end));
  tree.insert(merged);
  return merged;
}

function continues(previous: VmArea | undefined, area: VmArea): VmArea | undefined {
  return previous && sameKind(previous, area) && previous.endPageOffset === area.pageOffset
    ? previous
    : undefined;
}

function continuedBy(area: VmArea, next: VmArea | undefined): VmArea | undefined {
  return next && sameKind(area, next) && area.endPageOffset === next.pageOffset ? next : undefined;
}

function sameKind(a: VmAreaKind, b: VmAreaKind): boolean {
  return (
    a.vmFlags === b.vmFlags &&
    a.file === b.file &&
    givenName(a) === givenName(b) &&
    shareable(a.anonVma, b.anonVma)
  );
}

/** The heap is called so only because of where it lies. */
function givenName({ name }: VmAreaKind): string {
  return name === '[heap]' ? '' : name;
}

function shareable(a: AnonVma | undefined, b: AnonVma | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}
