/**
 * The pager thread of a wasm device's process, or its stand-in where the window works by protection. It touches no
 * page of the window itself.
 *
 * @module
 */
import { parentPort } from 'node:worker_threads';
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
import { ownRanges } from './regions.ts';
import { restorePage, WINDOW_BYTES } from './window.ts';

void firstMessage<PagerData>().then(serve);

function serve({ userfaultfd, base, cores, control: address, logSegments }: PagerData): void {
  const report = (message: PagerReport): void => parentPort!.postMessage(message);
  const control = new SharedMemory(address, CONTROL_BYTES);
  const log = new MapLogReader(CHILD_FD.LOG, logSegments);
  const restored = (core: number): void => report({ type: 'restored', core });
  const kick = CHILD_FD.KICK;

  setThreadName('mirror-pager');
  report({ type: 'serving' });
  try {
    if (userfaultfd === undefined) {
      const window = new ProtectedWindow(log, base, CHILD_FD.ARENA, pageSize());
      runStandIn({ control, window, kick, cores, restored });
    }
    new Pager({
      control,
      log,
      userfaultfd,
      base,
      limit: WINDOW_BYTES,
      arena: CHILD_FD.ARENA,
      kick,
      cores,
      pageSize: pageSize(),
      own: ownRanges(cores),
      restore: (page, live) => restorePage(base, page, page + pageSize(), live, CHILD_FD.ARENA, userfaultfd),
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
