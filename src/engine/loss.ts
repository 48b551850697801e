/**
 * The end of a device process by its own decision: the reason is left in shared memory, where the host reads it, and
 * the process is killed at once. A worker blocked in a system call would keep `process.exit` waiting for ever. Where a
 * runaway kernel is the cause, a record beside the reason says whose it was: the host blames that launch, and opens the
 * device again.
 *
 * @module
 */
import type { PacketFailure } from './completion.ts';
import {
  CORE,
  CORE_STATE,
  coreFaultAddress,
  coreWord,
  FAULT_REASON,
  HEADER,
  hazard,
  LOST_CAUSE,
  LOST_REASON,
  LOST_REASON_BYTES,
  MAX_CORES,
  NO_HAZARD,
} from './control-layout.ts';
import { type SharedMemory, writeText } from './shared-memory.ts';

export function lose(control: SharedMemory | undefined, reason: string): never {
  if (control) control.i32[HEADER.LOST_LENGTH] = writeText(control, LOST_REASON, LOST_REASON_BYTES, reason);
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; run nothing more.
  for (;;);
}

/** A core whose kernel, or start function, could not be ended without ending the process. */
export interface Runaway {
  /** It was loading a program: no packet is to blame. */
  readonly loading: boolean;
  readonly queue: number;
  readonly index: number;
  /** Its first wild access; without an address where it was to be stopped for another reason. */
  readonly failure: PacketFailure;
}

/** What the core's wild fault was, as the pager noted it in the core's block. */
export function wildFailure({ i32, f64 }: SharedMemory, core: number): PacketFailure {
  const block = coreWord(core);
  return {
    reason: i32[block + CORE.FAULT_REASON] === FAULT_REASON.READ_ONLY ? 'read-only' : 'unmapped',
    core,
    address: f64[coreFaultAddress(core)]!,
    access: i32[block + CORE.FAULT_ACCESS] === 1 ? 'write' : 'read',
  };
}

/** To be called before {@link lose}: this core is why. `wild` where it had a wild fault. */
export function blame({ i32 }: SharedMemory, core: number, loading: boolean, wild: boolean): void {
  i32[HEADER.LOST_CORE] = core;
  i32[HEADER.LOST_CAUSE] = loading
    ? LOST_CAUSE.RUNAWAY_START
    : wild
      ? LOST_CAUSE.RUNAWAY_KERNEL
      : LOST_CAUSE.UNSTOPPABLE_KERNEL;
}

/** The packets whose kernels the cores were inside of, each once; for the host, once the process has ended. */
export function packetsInside({ i32 }: SharedMemory): { queue: number; index: number }[] {
  const packets = new Map<number, { queue: number; index: number }>();
  for (let core = 0; core < MAX_CORES; core++) {
    const block = coreWord(core);
    const state = Atomics.load(i32, block + CORE.STATE);
    // LOADING, or stopped from there, is no kernel; its block may name a packet of before.
    const inside =
      state === CORE_STATE.RUNNING ||
      ((state === CORE_STATE.STOPPING || state === CORE_STATE.TERMINATING) &&
        i32[block + CORE.HAZARD] !== NO_HAZARD);
    if (!inside) continue;
    const [queue, index] = [i32[block + CORE.QUEUE]!, i32[block + CORE.INDEX]!];
    packets.set(hazard(queue, index), { queue, index });
  }
  return [...packets.values()];
}

/** The host reads it once the process has ended; undefined where no runaway is to blame. */
export function readRunaway(control: SharedMemory): Runaway | undefined {
  const { i32 } = control;
  const cause = i32[HEADER.LOST_CAUSE]!;
  if (cause === LOST_CAUSE.OTHER) return undefined;
  const core = i32[HEADER.LOST_CORE]!;
  const block = coreWord(core);
  return {
    loading: cause === LOST_CAUSE.RUNAWAY_START,
    queue: i32[block + CORE.QUEUE]!,
    index: i32[block + CORE.INDEX]!,
    failure:
      cause === LOST_CAUSE.UNSTOPPABLE_KERNEL
        ? { reason: 'trap', core, detail: 'it could not be stopped' }
        : wildFailure(control, core),
  };
}
