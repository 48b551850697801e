/**
 * System SVM of one life of a device's process, on the host's side: the pager that serves it, and what that counts.
 *
 * @module
 */
import { SharedMemory } from '../../../engine/shared-memory.ts';
import type { DeviceLost } from '../../../errors.ts';
import { close } from '../../../linux/memfd.ts';
import { checkMemoryAccess, takeDescriptor } from '../../../linux/other-process.ts';
import { pidfdOpen } from '../../../linux/process.ts';
import type { Range } from '../../../mm/address.ts';
import { AREA_BYTES, COUNTERS, counterIndex } from './area.ts';
import type { DeclaredSession } from './declared-session.ts';
import type { Advice, AttachRequest } from './messages.ts';
import { lossOfStores } from './opened.ts';
import { type Attachment, attachDevice, refusal } from './system-pager.ts';

/** Counters of system SVM on one device since it was opened. */
export interface SystemCounters {
  /** Page faults of the device outside of buffers. */
  readonly faults: number;
  /** Faults that were answered by copying, and the bytes copied. */
  readonly fetches: number;
  readonly fetchedBytes: number;
  /** Faults at what is not there for the device, and at buffers that it had not mapped yet. */
  readonly refused: number;
  /** Packets before which the host was asked what has changed. */
  readonly acquires: number;
  /** Ranges that were dropped since they were out of date, and the bytes of it by cause: the host has written there, */
  readonly invalidations: number;
  readonly writtenBytes: number;
  /** something else is mapped there, or may not be read any more, */
  readonly remappedBytes: number;
  /** or changes can't be seen, as with files and shared memory. */
  readonly untrackedBytes: number;
  /** or it was advised. */
  readonly advisedBytes: number;
  readonly prefetchedBytes: number;
  /** Bytes that were dropped as out of date and copied again at once, since they were advised to be read mostly. */
  readonly refreshedBytes: number;
  /** Stores that opened pages for writing. */
  readonly writableFaults: number;
  /** Packets after which there was something to compare; bytes that had changed and went to the host; pages that could not. */
  readonly writeBacks: number;
  readonly writtenBackBytes: number;
  readonly unwrittenBytes: number;
  /** In declared mode: bytes of what is declared that were copied to the device, since they had changed. */
  readonly declaredBytes: number;
}

export const NO_SYSTEM_COUNTERS: SystemCounters = {
  faults: 0,
  fetches: 0,
  fetchedBytes: 0,
  refused: 0,
  acquires: 0,
  invalidations: 0,
  writtenBytes: 0,
  remappedBytes: 0,
  untrackedBytes: 0,
  advisedBytes: 0,
  prefetchedBytes: 0,
  refreshedBytes: 0,
  writableFaults: 0,
  writeBacks: 0,
  writtenBackBytes: 0,
  unwrittenBytes: 0,
  declaredBytes: 0,
};

/** With what a device without faults has counted. */
export function addDeclared(counters: SystemCounters, declared: DeclaredSession | undefined): SystemCounters {
  if (!declared) return counters;
  const { acquires, copiedBytes, writeBacks, writtenBackBytes, unwrittenBytes } = declared;
  return {
    ...counters,
    acquires: counters.acquires + acquires,
    writeBacks: counters.writeBacks + writeBacks,
    writtenBackBytes: counters.writtenBackBytes + writtenBackBytes,
    unwrittenBytes: counters.unwrittenBytes + unwrittenBytes,
    declaredBytes: counters.declaredBytes + copiedBytes,
  };
}

export class SystemSession {
  readonly #area: SharedMemory;
  readonly #before: SystemCounters;
  #attachment: Attachment | undefined;
  #closed: SystemCounters | undefined;

  private constructor(area: SharedMemory, before: SystemCounters) {
    this.#area = area;
    this.#before = before;
  }

  /**
   * Has the pager serve the device's process; it goes on counting from `before`. Throws UnsupportedError where this
   * process may not have the device's descriptors.
   */
  static async open(
    request: Omit<AttachRequest, 'type' | 'id' | 'areaFd'>,
    before: SystemCounters,
    lost: (reason: string) => void,
  ): Promise<SystemSession> {
    const session = new SystemSession(mapArea(request), before);
    try {
      checkCopies(request.pid);
      session.#attachment = await attachDevice({ ...request, areaFd: session.#area.fd }, lost);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** A loss with the ranges to which stores may be missing; undefined where none are. */
  aboutLoss(lost: DeviceLost): DeviceLost | undefined {
    return this.#closed ? undefined : lossOfStores(this.#area, lost);
  }

  /** Kernels may store to a range, or no longer. */
  pin(range: Range, on: boolean): void {
    if (!this.#closed) this.#attachment?.pin(range, on);
  }

  advise(range: Range, advice: Advice): void {
    if (!this.#closed) this.#attachment?.advise(range, advice);
  }

  counters(): SystemCounters {
    if (this.#closed) return this.#closed;
    const counted = COUNTERS.map((counter) => [
      counter,
      this.#before[counter] + this.#area.f64[counterIndex(counter)]!,
    ]);
    return { ...NO_SYSTEM_COUNTERS, ...Object.fromEntries(counted) };
  }

  /** The process has ended, or ends at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = this.counters();
    this.#attachment?.detach();
    this.#area.unmap();
    close(this.#area.fd);
  }
}

function mapArea({ pid, descriptors }: Pick<AttachRequest, 'pid' | 'descriptors'>): SharedMemory {
  const pidfd = pidfdOpen(pid);
  try {
    return SharedMemory.map(takeDescriptor(pidfd, descriptors.area), 0, AREA_BYTES);
  } catch (error) {
    throw refusal(error);
  } finally {
    close(pidfd);
  }
}

function checkCopies(pid: number): void {
  try {
    checkMemoryAccess(pid);
  } catch (error) {
    throw refusal(error);
  }
}
