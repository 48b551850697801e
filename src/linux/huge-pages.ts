/**
 * Huge pages under shared memory, as far as a process can learn about them: what of a range is mapped by them
 * (/proc/PID/smaps), and whether the system makes any (transparent_hugepage/shmem_enabled). Documentation/admin-guide/mm/transhuge.rst
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import type { Range } from '../mm/address.ts';
import { parseSmaps } from '../mm/parse-smaps.ts';

const SETTINGS = '/sys/kernel/mm/transparent_hugepage';

/** Bytes of huge pages in the mappings that overlap the range; undefined where the kernel does not tell. */
export function hugeBytes(range: Range): number | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/self/smaps', 'utf8');
  } catch {
    return undefined;
  }
  let bytes = 0;
  for (const { start, end, huge } of parseSmaps(text)) {
    if (start < range.end && range.start < end) bytes += huge;
  }
  return Math.min(bytes, range.end - range.start);
}

/** The setting for shared memory: `never`, `advise`, ...; undefined where the kernel has no huge pages. */
export function sharedHugePages(): string | undefined {
  return setting('shmem_enabled')?.match(/\[(\w+)\]/)?.[1];
}

/** Bytes of one. */
export function hugePageSize(): number {
  return Number(setting('hpage_pmd_size') ?? 0) || 2 * 2 ** 20;
}

function setting(name: string): string | undefined {
  try {
    return readFileSync(`${SETTINGS}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}
