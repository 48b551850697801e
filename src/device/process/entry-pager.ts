/**
 * The pager thread of a process device's process, or its stand-in where the window works by protection. It touches no
 * mirrored memory itself.
 *
 * @module
 */
import { parentPort } from 'node:worker_threads';
import { restoreArena } from '../../engine/arena-window.ts';
import { CHILD_FD } from '../../engine/child-protocol.ts';
import { CONTROL_BYTES } from '../../engine/control-layout.ts';
import { firstMessage } from '../../engine/first-message.ts';
import { blame, lose } from '../../engine/loss.ts';
import { MapLogReader } from '../../engine/map-log.ts';
import { Pager } from '../../engine/pager.ts';
import { ProtectedWindow, runStandIn } from '../../engine/protected-window.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import type { PagerReport } from '../../engine/thread-messages.ts';
import { pageSize } from '../../linux/mmap.ts';
import { setThreadName } from '../../linux/process.ts';
import type { PagerData } from './child-messages.ts';
import { AREA_BYTES } from './system/area.ts';
import { CopiesWindow } from './system/copies-window.ts';

/** Addresses of the device are those of its process. */
const BASE = 0;
const LIMIT = 2 ** 47;

void firstMessage<PagerData>().then(serve);

function serve({ userfaultfd, cores, control: address, logSegments, system }: PagerData): void {
  const report = (message: PagerReport): void => parentPort!.postMessage(message);
  const control = new SharedMemory(address, CONTROL_BYTES);
  const log = new MapLogReader(CHILD_FD.LOG, logSegments);
  const restored = (core: number): void => report({ type: 'restored', core });
  const { ARENA: arena, KICK: kick } = CHILD_FD;

  setThreadName('mirror-pager');
  report({ type: 'serving' });
  try {
    if (userfaultfd === undefined) {
      const window = new ProtectedWindow(log, BASE, arena, pageSize());
      runStandIn({ control, window, kick, cores, restored });
    }
    new Pager({
      control,
      log,
      userfaultfd,
      base: BASE,
      limit: LIMIT,
      arena,
      kick,
      cores,
      pageSize: pageSize(),
      own: [],
      ...(system
        ? {
            system: new CopiesWindow({
              area: new SharedMemory(system.area, AREA_BYTES),
              userfaultfd: system.userfaultfd,
              buffers: userfaultfd,
              pageSize: pageSize(),
              cores,
            }),
          }
        : {}),
      restore: (page, live) => restoreArena(BASE, page, page + pageSize(), live, arena, userfaultfd),
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
