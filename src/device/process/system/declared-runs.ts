/**
 * Which pages of the host's memory a device without faults is to have, and with which access, given what is pinned; and
 * how to get there from the pages that it has. Pure.
 *
 *     pins      |--w--|  |---r---|      |-r-|
 *     pages    |  write |   read |     | read|       a page with bytes that may be stored to is open for stores
 *
 * @module
 */
import { alignDown, alignUp, type Range } from '../../../mm/address.ts';
import { Pins } from './pins.ts';

/** Pages that the device has as one mapping; it goes as it came. */
export interface DeclaredRun extends Range {
  readonly access: 'read' | 'write';
}

export interface DeclaredWishes {
  /** To the byte; may overlap. */
  readonly pins: readonly (Range & { readonly write: boolean })[];
  /** Live buffers, in whole pages, by start: the device has these anyway. */
  readonly live: readonly Range[];
  /** What the device can have, by start, disjoint. */
  readonly claims: readonly Range[];
  /** What it has. */
  readonly had: readonly DeclaredRun[];
  readonly pageSize: number;
}

export interface DeclaredChange {
  /** Of those that it had: to go before what comes. */
  readonly gone: readonly DeclaredRun[];
  readonly added: readonly DeclaredRun[];
}

const ALL: Range = { start: 0, end: Number.MAX_SAFE_INTEGER };

/** The change that makes what the device has what it is to have. What need not change stays as it is. */
export function planDeclared({ pins, live, claims, had, pageSize }: DeclaredWishes): DeclaredChange {
  const stored = new Pins();
  const loaded = new Pins();
  for (const { start, end, write } of pins)
    (write ? stored : loaded).add({ start: alignDown(start, pageSize), end: alignUp(end, pageSize) });
  const reachable = without(claims, live);
  const write = common(stored.within(ALL), reachable);
  const read = without(common(loaded.within(ALL), reachable), write);
  const wanted = { read, write };
  const gone: DeclaredRun[] = [];
  const kept: Record<'read' | 'write', DeclaredRun[]> = { read: [], write: [] };
  for (const run of had) {
    if (without([run], wanted[run.access]).length === 0) kept[run.access].push(run);
    else gone.push(run);
  }
  const added: DeclaredRun[] = [];
  for (const access of ['read', 'write'] as const) {
    const there = kept[access].sort((a, b) => a.start - b.start);
    for (const { start, end } of without(wanted[access], there)) added.push({ start, end, access });
  }
  return { gone, added: added.sort((a, b) => a.start - b.start) };
}

/** What of `ranges` is in none of `holes`; both by start and disjoint, and so is what is left. */
export function without(ranges: readonly Range[], holes: readonly Range[]): Range[] {
  const left: Range[] = [];
  let first = 0;
  for (const { start, end } of ranges) {
    while (first < holes.length && holes[first]!.end <= start) first++;
    let at: number = start;
    for (let i = first; i < holes.length && holes[i]!.start < end; i++) {
      if (holes[i]!.start > at) left.push({ start: at, end: holes[i]!.start });
      at = Math.max(at, holes[i]!.end);
    }
    if (at < end) left.push({ start: at, end });
  }
  return left;
}

/** What is in one of both lists; as {@link without}. */
export function common(a: readonly Range[], b: readonly Range[]): Range[] {
  return without(a, without(a, b));
}
