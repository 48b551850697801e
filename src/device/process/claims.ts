/**
 * Which of its addresses a device process claims for mirrored memory, and which it keeps: a pure decision about a list of
 * its mappings. It claims all that is free in its window at the start, so that nothing of its own can come to lie there
 * later: what it maps from then on (heaps of restarted cores, stacks, libraries) must go where it has claimed nothing.
 * For that it keeps room around the place where the kernel puts a mapping that asks for none, above its heap, and below
 * its stack, which both grow. Pure.
 *
 *     0   64K      node   heap             V8     V8        room        stack        2^47
 *     |....|#######|xxxx|##|xxx---|########|x|####|x|#######|--xxxxxx--|####|---xx|....|
 *           claimed                                                                        x mapped   - kept
 *
 * @module
 */
import { alignDown, alignUp, GiB, MiB, type Range, TiB } from '../../mm/address.ts';
import type { ReservedRegion } from '../device.ts';

/** A mapping of the process. */
export interface OwnMapping extends Range {
  readonly name: string;
}

/** On both sides of the place of the next mapping: cores, their heaps and stacks, whatever a kernel's module allocates. */
const ROOM = TiB;
/**
 * The room's edges are multiples of this. The kernel chooses that place anew for each process, within 1 TiB as most
 * systems are set up (vm.mmap_rnd_bits 28): so the room of the next life is the same, and no buffer of this one in it.
 */
const ROOM_STEP = 4 * TiB;
/** What the C library can't have there it maps elsewhere; more would take too much of the low addresses from 32-bit devices. */
const HEAP_ROOM = 16 * MiB;
const STACK_ROOM = GiB;
/** Where the host's own memory is to be reached, whatever lies there: what a stack grows to, and its guard gap. */
const LEAST_STACK_ROOM = 16 * MiB;

const ROOM_NAME = 'room for its own mappings';

/** The room around the place where a mapping that asks for none would go now. */
function usualRoom(next: number): Range {
  return { start: alignDown(Math.max(0, next - ROOM), ROOM_STEP), end: alignUp(next + ROOM, ROOM_STEP) };
}

/**
 * What the process keeps free of mirrored memory, by start; ranges may overlap. `next`: where a mapping would go now.
 * `room`: where they are to go instead, since the host has its own mappings about that place and they are to be reached.
 */
function kept(own: readonly OwnMapping[], next: number, room?: Range): OwnMapping[] {
  const ranges: OwnMapping[] = [{ ...(room ?? usualRoom(next)), name: ROOM_NAME }];
  const stackRoom = room ? LEAST_STACK_ROOM : STACK_ROOM;
  for (const mapping of own) {
    ranges.push(mapping);
    const { start: from, end, name } = mapping;
    if (name === '[heap]' && !room)
      ranges.push({ start: end, end: end + HEAP_ROOM, name: 'room for its heap' });
    if (name === '[stack]')
      ranges.push({ start: Math.max(0, from - stackRoom), end: from, name: 'room for its stack' });
  }
  return ranges.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The free parts of the window that are to be claimed, in whole pages, by start. */
export function claimable(
  own: readonly OwnMapping[],
  next: number,
  window: Range,
  pageSize: number,
  room?: Range,
): Range[] {
  const free: Range[] = [];
  let at = alignUp(window.start, pageSize);
  const end = alignDown(window.end, pageSize);
  for (const range of kept(own, next, room)) {
    if (range.start > at) free.push({ start: at, end: Math.min(alignDown(range.start, pageSize), end) });
    at = Math.max(at, alignUp(range.end, pageSize));
    if (at >= end) break;
  }
  if (at < end) free.push({ start: at, end });
  return free.filter((range) => range.end > range.start);
}

/** Sorted, and neighbours as one. */
export function joined(ranges: readonly Range[]): Range[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && last.end >= start) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

/** What of the window is not claimed, each named after what the process has there. `claims` as {@link joined}. */
export function notClaimed(
  claims: readonly Range[],
  own: readonly OwnMapping[],
  next: number,
  window: Range,
  room?: Range,
): ReservedRegion[] {
  const regions: ReservedRegion[] = [];
  const names = kept(own, next, room);
  let at: number = window.start;
  for (const claim of [...claims, { start: window.end, end: window.end }]) {
    if (claim.start > at) regions.push({ start: at, end: claim.start, name: nameOf(names, at, claim.start) });
    at = Math.max(at, claim.end);
  }
  return regions;
}

function nameOf(names: readonly OwnMapping[], start: number, end: number): string {
  const found = new Set<string>();
  for (const range of names) {
    if (range.start >= end) break;
    if (range.end > start) found.add(range.name.replace(/^.*\//, '') || 'anonymous memory');
  }
  // All that lies in the room is in there because it is the room.
  if (found.has(ROOM_NAME)) return ROOM_NAME;
  return [...found].slice(0, 4).join(', ') || 'not claimed';
}

/** The size of a room that is not about the usual place, and the addresses where it is looked for, from the top down. */
const OTHER_ROOM = TiB;
/** Above what V8 and position-independent programs ask for, below where the kernel puts mappings. */
const OTHER_ROOMS: Range = { start: 0x4100_0000_0000, end: 0x6800_0000_0000 };

/** A room for the mappings of a device's process where the host has none: the highest, so that it mostly stays the same. */
export function roomClearOf(host: readonly Range[]): Range | undefined {
  for (let start = OTHER_ROOMS.end - OTHER_ROOM; start >= OTHER_ROOMS.start; start -= OTHER_ROOM) {
    const end = start + OTHER_ROOM;
    if (!host.some((range) => range.start < end && start < range.end)) return { start, end };
  }
  return undefined;
}

/** Whether one of the claims holds all of a range. `claims` as {@link joined}. */
export function covers(claims: readonly Range[], { start, end }: Range): boolean {
  return claims.some((claim) => claim.start <= start && end <= claim.end);
}
