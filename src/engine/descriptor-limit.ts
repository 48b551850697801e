/**
 * Whether a device's process can have the descriptors that it needs. It begins with the hard limit of this one (Node raises
 * the soft one to that), and where that is too low it would fail amid its start, in words of its own.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { UnsupportedError } from '../errors.ts';

const NODE = Number.parseInt(process.versions.node, 10);
/** Measured: what a process with its pager has open, and each core more. Node 22 opens more than 20. */
const OF_PROCESS = NODE < 22 ? 30 : 34;
const OF_CORE = NODE < 22 ? 4 : 5;
/** Shared memory, eventfd and userfaultfd of system SVM; files that threads read when they start, at the same time. */
const MORE = 6;

/** Throws UnsupportedError where a process with so many cores could not be started under RLIMIT_NOFILE. */
export function checkDescriptorLimit(device: string, cores: number): void {
  const needed = OF_PROCESS + OF_CORE * cores + MORE;
  const limit = hardLimit(readFileSync('/proc/self/limits', 'latin1'));
  if (limit >= needed) return;
  throw new UnsupportedError(
    'file descriptors',
    `The process of device '${device}' with ${cores} core${cores === 1 ? '' : 's'} needs ${needed} file descriptors, and RLIMIT_NOFILE allows ${limit}: raise the hard limit (ulimit -Hn), or give the device fewer cores`,
    { errno: 'EMFILE' },
  );
}

/** Of open files, in the text of /proc/PID/limits (proc(5)); Infinity where there is none. */
export function hardLimit(limits: string): number {
  const hard = /^Max open files +\S+ +(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard);
}
