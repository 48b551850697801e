/**
 * Moving memory to where it is about to be used (clEnqueueSVMMigrateMem, a prefetch elsewhere). Host and devices here
 * have one copy of each page, so that nothing is moved: what a migration does is to put pages into the page tables of
 * one side, which its first accesses would have paid for with faults. Pages that nobody has touched are allocated.
 *
 * @module
 */
import type { Addressed, DeviceContext, MemoryRange, MigrateOptions } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import { MADV_POPULATE_READ, madvise, pageSize } from '../linux/mmap.ts';
import { type Address, alignDown, alignUp, type Range } from '../mm/address.ts';
import { checkBuffer, checkRange } from './buffer-checks.ts';
import type { HostAction, Packet } from './command.ts';
import { BUILTIN_KERNEL, MAX_ARGUMENTS } from './control-layout.ts';
import { isAddressed } from './kernel-arguments.ts';
import { dispatch } from './packets.ts';

/** Ranges that one packet has room for, beside the page size. */
const RANGES_IN_PACKET = Math.floor((MAX_ARGUMENTS - 1) / 2);
/** What a core touches at a time: what the pager fills at once. */
const PREFETCH_CHUNK = 2 ** 21;

/** The options of a migration, with whom it is for. */
export function migrateOptions(options: MigrateOptions): MigrateOptions & { to: 'device' | 'host' } {
  const { to = 'device', contentUndefined } = options;
  if (typeof to !== 'string') throw invalidType('to', "'device' or 'host'", to);
  if (to !== 'device' && to !== 'host') throw outOfRange('to', "'device' or 'host'", to);
  if (contentUndefined !== undefined && typeof contentUndefined !== 'boolean')
    throw invalidType('contentUndefined', 'a boolean', contentUndefined);
  return { ...options, to };
}

/** The pages of the ranges, each once, by address. A size of zero is all of the buffer that holds the address. */
export function checkRanges(context: DeviceContext, ranges: unknown): Range[] {
  const list: readonly unknown[] = Array.isArray(ranges) ? ranges : [ranges];
  if (list.length === 0) throw outOfRange('ranges', 'at least one range', 0);
  const found = list.map((range, i) =>
    checkOne(context, Array.isArray(ranges) ? `ranges[${i}]` : 'ranges', range),
  );
  return mergeRanges(found);
}

function checkOne(context: DeviceContext, name: string, range: unknown): Range {
  const { address, size = 0 } =
    typeof range === 'number' ? { address: range } : (Object(range) as MemoryRange);
  if (typeof address !== 'number')
    throw invalidType(name, 'a buffer, an address, or { address, size }', range);
  if (typeof size !== 'number') throw invalidType(`${name}.size`, 'a number of bytes', size);
  if (!Number.isSafeInteger(size) || size < 0) throw outOfRange(`${name}.size`, 'an integer >= 0', size);
  if (isAddressed(range) && 'freed' in range) checkBuffer(context, name, range as Addressed);
  checkRange(context, name, address, size, 'read');
  context.checkUnmapped(name, address);
  const page = pageSize();
  if (size > 0) return { start: alignDown(address, page), end: alignUp(address + size, page) };
  const whole = context.bufferAt(address);
  if (!whole) throw outOfRange(name, `in a live buffer that device '${context.name}' may touch`, address);
  return { start: whole.start, end: alignUp(whole.end, page) };
}

/** The union of ranges, by address. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: { start: Address; end: Address }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end) as Address;
    else merged.push({ start, end });
  }
  return merged;
}

/** Packets that make the device touch every page of the ranges. */
export function prefetchPackets(ranges: readonly Range[]): Packet[] {
  const page = pageSize();
  const packets: Packet[] = [];
  for (let i = 0; i < ranges.length; i += RANGES_IN_PACKET) {
    const part = ranges.slice(i, i + RANGES_IN_PACKET);
    const pages = part.reduce((sum, { start, end }) => sum + (end - start) / page, 0);
    const args = part.flatMap(({ start, end }) => [start, (end - start) / page]);
    packets.push(dispatch(BUILTIN_KERNEL.PREFETCH, pages, PREFETCH_CHUNK / page, [page, ...args]));
  }
  return packets;
}

/** Maps the pages in this process. Best effort: before Linux 5.14 nothing is done. */
export function prefetchHere(ranges: readonly Range[]): HostAction {
  return () => {
    for (const { start, end } of ranges) madvise(start, end - start, MADV_POPULATE_READ);
  };
}
