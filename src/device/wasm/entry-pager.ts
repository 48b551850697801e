/**
 * The pager thread of a wasm device's process: its window is the linear memory.
 *
 * @module
 */
import { CHILD_FD } from '../../engine/child-protocol.ts';
import { servePager } from '../../engine/serve-pager.ts';
import { pageSize } from '../../linux/mmap.ts';
import type { PagerData } from './child-messages.ts';
import { ownEnd, ownRanges } from './regions.ts';
import { restorePage, WINDOW_BYTES } from './window.ts';

void servePager<PagerData>(({ base, cores, scratch }) => ({
  base,
  limit: WINDOW_BYTES,
  own: ownRanges(cores, scratch),
  restore: (page, live, userfaultfd) =>
    restorePage(base, page, page + pageSize(), live, ownEnd(cores, scratch), CHILD_FD.ARENA, userfaultfd),
}));
