/**
 * Requests of a device's threads to the pager of its host, one at a time; and the one at the end of each packet, for what
 * its kernel has stored to be written back.
 *
 * @module
 */
import type { PacketFailure } from '../../../engine/completion.ts';
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import { formatBytes, hex } from '../../../errors.ts';
import { futexWait, futexWake } from '../../../linux/futex.ts';
import { signalEventfd } from '../../../linux/process.ts';
import { AREA, DROP_LIST, REQUEST } from './area.ts';

/** Looks at an answer before a thread sleeps. */
const LOOKS = 2000;
/** Milliseconds after which a sleeper looks by itself. */
const LOOK_AGAIN = 50;

/** How a thread of the device asks the host's pager. */
export interface AskOptions {
  readonly area: SharedMemory;
  /** An eventfd that the host's pager polls. */
  readonly bell: number;
}

export class Requests {
  readonly #o: AskOptions;

  constructor(options: AskOptions) {
    this.#o = options;
  }

  /**
   * Returns once whatever kernels have stored so far is in the host's memory: costs one load where they have stored
   * nothing. What could not be written back is a failure of the packet that `core` ends.
   */
  release(core: number): PacketFailure | undefined {
    const { i32, f64 } = this.#o.area;
    if (Atomics.load(i32, AREA.DIRTY) === 0) return undefined;
    this.lock();
    try {
      this.ask(REQUEST.RELEASE);
      const count = i32[AREA.DROPS]!;
      if (count === 0) return undefined;
      let bytes = 0;
      const ranges: string[] = [];
      for (let i = 0; i < count; i++) {
        const start = f64[DROP_LIST + 2 * i]!;
        const end = f64[DROP_LIST + 2 * i + 1]!;
        bytes += end - start;
        if (i < 4) ranges.push(`[${hex(start)}, ${hex(end)})`);
      }
      const detail = `${formatBytes(bytes)} could not be written back: the host has changed what is mapped there: ${ranges.join(', ')}${count > 4 ? ', ...' : ''}`;
      return { reason: 'unmapped', core, address: f64[DROP_LIST]!, access: 'write', detail };
    } finally {
      this.unlock();
    }
  }

  /** With the lock held. */
  ask(kind: number): void {
    const { i32, address } = this.#o.area;
    const request = (i32[AREA.REQUEST]! + 1) | 0;
    i32[AREA.KIND] = kind;
    Atomics.store(i32, AREA.REQUEST, request);
    signalEventfd(this.#o.bell);
    for (let looks = LOOKS; looks > 0; looks--) if (Atomics.load(i32, AREA.ANSWER) === request) return;
    for (;;) {
      const seen = Atomics.load(i32, AREA.ANSWER);
      if (seen === request) return;
      futexWait(address + AREA.ANSWER * 4, seen, LOOK_AGAIN);
    }
  }

  lock(): void {
    const { i32, address } = this.#o.area;
    while (Atomics.compareExchange(i32, AREA.LOCK, 0, 1) !== 0)
      futexWait(address + AREA.LOCK * 4, 1, LOOK_AGAIN);
  }

  unlock(): void {
    const { i32, address } = this.#o.area;
    Atomics.store(i32, AREA.LOCK, 0);
    futexWake(address + AREA.LOCK * 4, 1);
  }
}
