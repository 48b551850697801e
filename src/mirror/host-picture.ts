/**
 * What else is mapped in this process, as placement wants to see it: /proc/self/maps, read afresh whenever the picture
 * turns out to be old, and the range in which the host can map at all.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { pageSize } from '../linux/mmap.ts';
import { readMaps } from '../linux/process-maps.ts';
import type { Range } from '../mm/address.ts';
import { parseMaps } from '../mm/parse-maps.ts';
import type { Occupied } from '../placement/index.ts';

export function readHostPicture(): Occupied[] {
  return parseMaps(readMaps('self')).vmas.map(({ start, end, name }) => ({
    start,
    end,
    kind: 'vma',
    owner: 'host',
    name: name || 'anonymous memory',
  }));
}

/** Where this process may map: from vm.mmap_min_addr to the end of user space, and within the arena. */
export function hostLimit(arenaSize: number): Range {
  const page = pageSize();
  let lowest = page;
  try {
    lowest = Math.max(page, Number(readFileSync('/proc/sys/vm/mmap_min_addr', 'utf8')));
  } catch {
    // Hidden in some containers; the default of most kernels is safe.
    lowest = Math.max(page, 65536);
  }
  return { start: Math.ceil(lowest / page) * page, end: Math.min(arenaSize, 2 ** 47 - page) };
}
