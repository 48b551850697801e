/**
 * The thread of the host's process that is its pager for system SVM.
 *
 * @module
 */
import { workerData } from 'node:worker_threads';
import { close } from '../../../linux/memfd.ts';
import { setThreadName } from '../../../linux/process.ts';
import { HostPager } from './host-pager.ts';
import type { HostPagerData } from './messages.ts';

setThreadName('mirror-system');
const data = workerData as HostPagerData;
try {
  new HostPager(data).run();
} finally {
  close(data.bell);
  Atomics.store(data.ended, 0, 1);
  Atomics.notify(data.ended, 0);
}
data.port.close();
