// The worker beside a kernel: sums what it is sent.
import { parentPort } from 'node:worker_threads';
import { total } from './sum-kernel.mjs';

parentPort.on('message', (values) => parentPort.postMessage(total(values)));
