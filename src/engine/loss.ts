/**
 * The end of a device process by its own decision: the reason is left in shared memory, where the host reads it, and
 * the process is killed at once. A worker blocked in a system call would keep `process.exit` waiting for ever.
 *
 * @module
 */
import { HEADER, LOST_REASON, LOST_REASON_BYTES } from './control-layout.ts';
import { type SharedMemory, writeText } from './shared-memory.ts';

export function lose(control: SharedMemory | undefined, reason: string): never {
  if (control) control.i32[HEADER.LOST_LENGTH] = writeText(control, LOST_REASON, LOST_REASON_BYTES, reason);
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; run nothing more.
  for (;;);
}
