/**
 * Memory that was mapped before a device appeared may lie where the device does not reach. This plans where each such
 * VMA would fit inside the device's window if it were moved (with mremap, by whoever owns it). The plan as a whole
 * fits: every place that is given is taken for the next one. Nothing is changed.
 *
 * @module
 */

import { invalidType, outOfRange } from '../errors.ts';
import { type Address, isPowerOfTwo, type Range } from './address.ts';
import type { AddressSpace } from './address-space.ts';
import { GapTree } from './gap-tree.ts';
import { vmUnmappedArea } from './unmapped-area.ts';
import { VM_GROWSDOWN, VM_SPECIAL, type VmArea } from './vm-area.ts';

export interface EvacuationOptions {
  /** Parts of the window that the device keeps for itself. Default: none. */
  readonly reserved?: readonly Range[];
  /** Of the new places, in bytes, a power of two. Default: the page size. */
  readonly alignment?: number;
  /**
   * Whether a VMA may move. Default: all but stacks, device memory and what the kernel maps itself, `[vdso]` and its
   * like.
   */
  readonly movable?: (vma: VmArea) => boolean;
}

export interface PlannedMove {
  readonly vma: VmArea;
  /** Where it would fit. */
  readonly to: Address;
}

export interface StrandedVma {
  readonly vma: VmArea;
  /** `'pinned'`: it may not move. `'no-room'`: no hole of the window that is left is long enough. */
  readonly reason: 'pinned' | 'no-room';
}

/** Both in ascending order of the VMAs. Every VMA that is not wholly inside the window is in one of them. */
export interface EvacuationPlan {
  readonly moves: readonly PlannedMove[];
  readonly stranded: readonly StrandedVma[];
}

/**
 * Where each VMA that `window` does not hold wholly would fit inside it. Large ones are placed first, at the lowest
 * place; guard gaps and reserved regions are kept.
 *
 * @throws TypeError or RangeError where window or options are not what they must be
 */
export function planEvacuation(
  space: AddressSpace,
  window: Range,
  options: EvacuationOptions = {},
): EvacuationPlan {
  const { pageSize, taskSize } = space.options;
  const { reserved = [], alignment = pageSize, movable = isMovable } = options;
  checkWindow('window', window);
  for (const region of reserved) checkWindow('reserved', region);
  if (!isPowerOfTwo(alignment) || alignment < pageSize)
    throw outOfRange('alignment', `a power of two, at least ${pageSize}`, alignment);
  if (typeof movable !== 'function') throw invalidType('movable', 'a function', movable);

  const outside = space.vmas().filter(({ start, end }) => start < window.start || end > window.end);
  const ranges = GapTree.from(union([...space.vmas(), ...reserved], taskSize), 0, taskSize);
  const source = {
    ranges,
    mmapMinAddr: space.mmapMinAddr,
    guardBefore: (start: Address) => space.guardBefore(start),
  };
  const moves: PlannedMove[] = [];
  const stranded: StrandedVma[] = [];
  for (const vma of [...outside].sort((a, b) => b.size - a.size || a.start - b.start)) {
    if (!movable(vma)) {
      stranded.push({ vma, reason: 'pinned' });
      continue;
    }
    const to = vmUnmappedArea(source, {
      length: vma.size,
      lowLimit: window.start,
      highLimit: window.end,
      alignMask: alignment - 1,
      fit: 'exact',
    });
    if (to === undefined) stranded.push({ vma, reason: 'no-room' });
    else {
      ranges.insert(to, to + vma.size);
      moves.push({ vma, to });
    }
  }
  const byStart = (a: { vma: VmArea }, b: { vma: VmArea }) => a.vma.start - b.vma.start;
  return { moves: moves.sort(byStart), stranded: stranded.sort(byStart) };
}

function isMovable({ vmFlags, name }: VmArea): boolean {
  return (vmFlags & (VM_SPECIAL | VM_GROWSDOWN)) === 0 && (!name.startsWith('[') || name.startsWith('[anon'));
}

/** Disjoint ranges that cover the same, each start that a VMA has still a start. */
function union(ranges: readonly Range[], end: Address): Range[] {
  const result: Range[] = [];
  let covered = 0;
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const start = Math.max(range.start, covered);
    const stop = Math.min(range.end, end);
    if (stop <= start) continue;
    result.push({ start, end: stop });
    covered = stop;
  }
  return result;
}

function checkWindow(name: string, range: Range): void {
  if (typeof range !== 'object' || range === null) throw invalidType(name, 'a range', range);
  const { start, end } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start)
    throw outOfRange(name, 'a range of safe integers, its end above its start', `[${start}, ${end})`);
}
