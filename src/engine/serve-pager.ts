/**
 * The pager thread of a device process from its first message on: the pager itself, or its stand-in where the window
 * works by protection, with what they report. A device says where its window lies. The thread must touch no page of it.
 *
 * @module
 */
import { parentPort } from 'node:worker_threads';
import { pageSize } from '../linux/mmap.ts';
import { setThreadName } from '../linux/process.ts';
import type { Address, Range } from '../mm/address.ts';
import { restoreArena } from './arena-window.ts';
import { CHILD_FD } from './child-protocol.ts';
import { CONTROL_BYTES } from './control-layout.ts';
import { firstMessage } from './first-message.ts';
import { blame, lose } from './loss.ts';
import { MapLogReader } from './map-log.ts';
import { Pager } from './pager.ts';
import type { PagerOptions } from './pager-options.ts';
import { ProtectedWindow, runStandIn } from './protected-window.ts';
import { SharedMemory } from './shared-memory.ts';
import type { PagerReport, PagerStart } from './thread-messages.ts';

/** What a pager is given by {@link DeviceMain.startPager}, beside what the device adds. */
export interface PagerData extends PagerStart {
  /** Absent where the window works by protection. */
  readonly userfaultfd?: number;
}

/** Where the window lies in the process. */
export interface PagedWindow {
  /** The byte of address `a` is at `base + a`. */
  readonly base: Address;
  /** The end of the window. */
  readonly limit: Address;
  /** Memory of the device's own in the window: anonymous pages, always live; none by default. */
  readonly own?: readonly Range[];
  /** Maps and registers a page as it was at the start; by default that is the arena's. */
  restore?(page: Address, live: boolean, userfaultfd: number): void;
  /** The rest of the window, where another pager answers. */
  readonly system?: PagerOptions['system'];
}

/** Takes the thread over, once it has its data. */
export async function servePager<Data extends PagerData>(
  windowOf: (data: Data) => PagedWindow,
): Promise<void> {
  const data = await firstMessage<Data>();
  const { userfaultfd, cores, control: address, logSegments } = data;
  const { base, limit, own = [], restore, system } = windowOf(data);
  const report = (message: PagerReport): void => parentPort!.postMessage(message);
  const control = new SharedMemory(address, CONTROL_BYTES);
  const log = new MapLogReader(CHILD_FD.LOG, logSegments);
  const restored = (core: number): void => report({ type: 'restored', core });
  const { ARENA: arena, KICK: kick } = CHILD_FD;
  const page = pageSize();

  setThreadName('mirror-pager');
  report({ type: 'serving' });
  try {
    if (userfaultfd === undefined) {
      const window = new ProtectedWindow(log, base, arena, page);
      runStandIn({ control, window, kick, cores, restored });
    }
    new Pager({
      ...{ control, log, userfaultfd, base, limit, arena, kick, cores, pageSize: page, own },
      ...(system ? { system } : {}),
      restore: (start, live) => {
        if (restore) restore(start, live, userfaultfd);
        else restoreArena(base, start, start + page, live, arena, userfaultfd);
      },
      stopping: (core, loading) => report({ type: 'stopping', core, loading }),
      restored,
      blame: (core, loading) => blame(control, core, loading, true),
      lose: (reason) => lose(control, reason),
    }).run();
  } catch (error) {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    lose(control, `the pager failed: ${words}`);
  }
}
