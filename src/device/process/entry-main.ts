/**
 * Where a process device's process begins: its threads are started before anything else is loaded, since a thread takes
 * as long to come up as the rest of this process. They wait for their data; device-main.ts gives it to them.
 *
 * @module
 */
import { Worker } from 'node:worker_threads';
import type { DeviceInit } from './child-messages.ts';

const init = JSON.parse(process.argv[2]!) as DeviceInit;
const startThread = (entry: string): Worker => new Worker(new URL(entry, import.meta.url));

const pager = startThread('./entry-pager.cjs');
const early = Array.from({ length: init.cores }, () => startThread('./entry-core.cjs'));

void import('./device-main.ts').then(({ serve }) => {
  serve(init, { pager, core: () => early.pop() ?? startThread('./entry-core.cjs') });
});
