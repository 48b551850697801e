/**
 * What came of asking for huge pages: how much of a buffer has them, and if not all, why.
 *
 * @module
 */
import { formatBytes } from '../errors.ts';
import { hugeBytes, hugePageSize, sharedHugePages } from '../linux/huge-pages.ts';
import { alignDown, alignUp } from '../mm/address.ts';
import type { SvmBuffer } from './svm-buffer.ts';

/** Of one buffer, at the moment of asking. */
export interface HugePages {
  /** `alloc` was asked for them. */
  readonly asked: boolean;
  /** Bytes that this process has mapped by huge pages. Where neighbours share a mapping theirs count too. */
  readonly bytes: number;
  /** Why it is not all of the buffer. */
  readonly reason?: string;
}

export function describeHugePages(buffer: SvmBuffer): HugePages {
  const { asked, address, end, size, placement } = buffer;
  const bytes = hugeBytes({ start: address, end: address + placement.size });
  if (bytes !== undefined && bytes >= size) return { asked: asked.hugePages, bytes };
  const page = hugePageSize();
  const whole = alignDown(end, page) - alignUp(address, page);
  return { asked: asked.hugePages, bytes: bytes ?? 0, reason: reasonFor(buffer, bytes, whole, page) };
}

function reasonFor(buffer: SvmBuffer, bytes: number | undefined, whole: number, page: number): string {
  const setting = sharedHugePages();
  if (!buffer.asked.hugePages) return 'it was not asked for: alloc(..., { hugePages: true })';
  if (setting === undefined) return 'this kernel has no transparent huge pages for shared memory';
  if (setting === 'never' || setting === 'deny')
    return `/sys/kernel/mm/transparent_hugepage/shmem_enabled is '${setting}': root can write 'advise' to it`;
  if (whole < page)
    return `no ${formatBytes(page)} that are aligned to as much lie in the buffer: make it larger, or align it`;
  if (bytes === undefined) return '/proc/self/smaps, which would tell, can not be read';
  return `only pages that have been touched since count, ${formatBytes(page)} at a time, and the kernel may have had no such run of memory free; the rest of the buffer is ${formatBytes(buffer.size - bytes)}`;
}
