/**
 * Reading memory with the kernel in between: process_vm_readv(2). What can't be read is an error, never SIGSEGV or
 * SIGBUS.
 *
 * @module
 */

import { SystemError } from '../errors.ts';
import { libcFunction } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';
import { systemError } from './system-call.ts';

const cRead = libcFunction('int64_t process_vm_readv(int, void *, uint64_t, void *, uint64_t, uint64_t)');

/** At most so much per call: the kernel stops short of 2 GiB. */
const MOST = 2 ** 30;

/**
 * Copies `length` bytes of this process from `source` to `target`. Safe where the target is the caller's own. Throws
 * SystemError: `EFAULT` where a page can't be read (no permission, a hole, the end of a file); part of the target has
 * been written then.
 */
export function copyMemory(target: Address, source: Address, length: number): void {
  const local = new BigUint64Array(2);
  const remote = new BigUint64Array(2);
  for (let done = 0; done < length; ) {
    const size = Math.min(MOST, length - done);
    local.set([BigInt(target + done), BigInt(size)]);
    remote.set([BigInt(source + done), BigInt(size)]);
    const got = cRead(process.pid, local, 1, remote, 1, 0);
    const args = [process.pid, target + done, source + done, size];
    if (got === -1) throw systemError('process_vm_readv', args);
    if (got === 0) throw new SystemError('process_vm_readv', args, 'EFAULT', 'Nothing can be read there');
    done += got;
  }
}
