/**
 * The pager thread of a process device: see {@link servePager}. Where memory is reached that no buffer holds, copies of
 * it come and go in the rest of the window.
 *
 * @module
 */
import { servePager } from '../../engine/serve-pager.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import { pageSize } from '../../linux/mmap.ts';
import type { PagerData } from './child-messages.ts';
import { AREA_BYTES } from './system/area.ts';
import { CopiesWindow } from './system/copies-window.ts';

/** Addresses of the device are those of its process. */
const WINDOW = { base: 0, limit: 2 ** 47 };

void servePager(({ userfaultfd, cores, system }: PagerData) => {
  if (!system || userfaultfd === undefined) return WINDOW;
  const area = new SharedMemory(system.area, AREA_BYTES);
  const copies = new CopiesWindow({
    area,
    userfaultfd: system.userfaultfd,
    buffers: userfaultfd,
    pageSize: pageSize(),
    cores,
  });
  return { ...WINDOW, system: copies };
});
