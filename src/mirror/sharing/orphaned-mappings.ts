/**
 * What a thread leaves that had the buffers mapped for its process, and was terminated while the process lives on: its
 * mappings of buffers, which keep the owner from using their addresses again, and of the control memory. Another thread
 * of the process takes them away.
 *
 * @module
 */
import { mapZeroPages, munmap, pageSize } from '../../linux/mmap.ts';
import { readMaps } from '../../linux/process-maps.ts';
import { alignUp, type Range } from '../../mm/address.ts';
import { parseMaps } from '../../mm/parse-maps.ts';
import { placeOf, slotsUsed } from './buffer-table.ts';
import { HEADER_F64, JOINED, MARK, SHARE_BYTES } from './control-layout.ts';
import type { Membership } from './membership.ts';

/** A thread of this process (and of no former one of its number) that maps for it, or has. */
export function mapsHere({ members, slot: own }: Membership, slot: number): boolean {
  if (slot === own || !members.sameProcess(slot, own) || members.get(slot, 'LEADER') !== 0) return false;
  const joined = members.get(slot, 'JOINED');
  return joined === JOINED.YES || joined === JOINED.SERVING;
}

/**
 * Clears up after a thread that {@link mapsHere} and is dead, for whoever's turn it is (see `tryEnter`). Each step may be
 * the last of a thread that is terminated itself: the next one begins anew.
 */
export function clearUpAfter(own: Membership, leader: number): void {
  const { members, control } = own;
  for (let slot = 0; slot < slotsUsed(control); slot++) {
    if ((members.mark(leader, slot) & MARK.MAPPED) === 0) continue;
    // It had not taken the buffer's free in, so the table still has the place.
    const { start, size, grown } = placeOf(control, slot);
    const whole = { start, end: start + alignUp(size, pageSize()) };
    // One that has grown it may have had as it was before, with something else behind it.
    const mapped = grown ? arenaPieces(own, whole) : [whole];
    // Safe: over mappings of that thread, which nobody else can have replaced. Views that are left read zeros.
    for (const { start, end } of mapped) mapZeroPages(start, end - start);
    // The mark goes before the other threads' are looked at: see SeenMappings.
    members.setMark(leader, slot, 0);
    if (viewed(own, leader, slot)) continue;
    for (const { start, end } of mapped) munmap(start, end - start);
  }
  const mapped = members.number(leader, 'CONTROL');
  members.set(leader, 'JOINED', JOINED.LEAVING);
  munmap(mapped, SHARE_BYTES);
}

/** What is mapped of the arena in this range, in this process. */
function arenaPieces({ control }: Membership, range: Range): Range[] {
  const inode = String(control.f64[HEADER_F64.ARENA_INODE]);
  return parseMaps(readMaps('self'))
    .vmas.filter((vma) => vma.inode === inode && vma.start < range.end && range.start < vma.end)
    .map(({ start, end }) => ({ start: Math.max(start, range.start), end: Math.min(end, range.end) }));
}

function viewed({ members }: Membership, leader: number, slot: number): boolean {
  for (const other of members.present())
    if (
      members.follows(other, leader) &&
      (members.mark(other, slot) & MARK.VIEWED) !== 0 &&
      members.alive(other)
    )
      return true;
  return false;
}
