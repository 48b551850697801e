/**
 * The pager thread of a wasm device's process. It touches no page of the window itself.
 *
 * @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import { CHILD_FD } from '../../engine/child-protocol.ts';
import { CONTROL_BYTES } from '../../engine/control-layout.ts';
import { lose } from '../../engine/loss.ts';
import { MapLogReader } from '../../engine/map-log.ts';
import { Pager } from '../../engine/pager.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import { pageSize } from '../../linux/mmap.ts';
import { setThreadName } from '../../linux/process.ts';
import type { PagerData, PagerReport } from './child-messages.ts';
import { ownRanges } from './regions.ts';
import { mapWindow, WINDOW_BYTES } from './window.ts';

const data = workerData as PagerData;
const report = (message: PagerReport): void => parentPort!.postMessage(message);
const control = new SharedMemory(data.control, CONTROL_BYTES);
setThreadName('mirror-pager');

const pager = new Pager({
  control,
  log: new MapLogReader(CHILD_FD.LOG, data.logSegments),
  userfaultfd: data.userfaultfd,
  base: data.base,
  limit: WINDOW_BYTES,
  arena: CHILD_FD.ARENA,
  kick: CHILD_FD.KICK,
  cores: data.cores,
  pageSize: pageSize(),
  own: ownRanges(data.cores),
  restore: (start, end) => mapWindow(data.base, start, end, CHILD_FD.ARENA, data.userfaultfd),
  stopping: (core, loading) => report({ type: 'stopping', core, loading }),
  restored: (core) => report({ type: 'restored', core }),
  lose: (reason) => lose(control, reason),
});
report({ type: 'serving' });
try {
  pager.run();
} catch (error) {
  lose(
    control,
    `the pager failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}
