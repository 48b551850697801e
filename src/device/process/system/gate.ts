/**
 * What a core does before the first chunk of a packet where the device reaches system memory: it asks the host's pager
 * which of the device's copies are out of date, and drops them. One core asks for a packet, others wait; and only once
 * the device's pager has mapped what the host has allocated by then.
 *
 * @module
 */
import type { PacketFailure } from '../../../engine/completion.ts';
import { CORE, coreWord, MAX_QUEUES } from '../../../engine/control-layout.ts';
import type { MapLogReader } from '../../../engine/map-log.ts';
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import { MADV_DONTNEED, madvise } from '../../../linux/mmap.ts';
import { signalEventfd } from '../../../linux/process.ts';
import { AREA, DROP_LIST, REQUEST } from './area.ts';
import { type AskOptions, Requests } from './requests.ts';

/** Milliseconds that a core looks for the pager to be done before it sleeps in between. */
const SPIN_FOR = 0.2;

export interface GateOptions extends AskOptions {
  readonly control: SharedMemory;
  readonly core: number;
  readonly log: MapLogReader;
  /** An eventfd that the device's pager polls. */
  readonly kick: number;
}

export class SystemGate {
  readonly #o: GateOptions;
  readonly #requests: Requests;

  constructor(options: GateOptions) {
    this.#o = options;
    this.#requests = new Requests(options);
  }

  /** To be called before a packet is complete: see {@link Requests.release}. */
  leave(): PacketFailure | undefined {
    return this.#requests.release(this.#o.core);
  }

  /** Returns once whatever the device has of system memory is what the host had at this moment or later. */
  enter(): void {
    const { area, control, core } = this.#o;
    const packet = control.i32[coreWord(core) + CORE.HAZARD]!;
    const acquired = AREA.ACQUIRED + (packet >>> 27);
    this.#awaitMaps();
    if (Atomics.load(area.i32, acquired) === packet) return;
    this.#requests.lock();
    try {
      if (Atomics.load(area.i32, acquired) === packet) return;
      do {
        this.#requests.ask(REQUEST.ACQUIRE);
        this.#drop();
      } while (area.i32[AREA.MORE] === 1);
      Atomics.store(area.i32, acquired, packet);
    } finally {
      this.#requests.unlock();
    }
  }

  /** Buffers are mapped by the pager, which reads their log. */
  #awaitMaps(): void {
    const { log, kick } = this.#o;
    if (!log.behind) return;
    signalEventfd(kick);
    const until = performance.now() + SPIN_FOR;
    while (log.behind) if (performance.now() > until) sleep(1);
  }

  /** The ranges are the device's own mappings, and what is in there can be had again. */
  #drop(): void {
    const { i32, f64 } = this.#o.area;
    const count = i32[AREA.DROPS]!;
    for (let i = 0; i < count; i++) {
      const start = f64[DROP_LIST + 2 * i]!;
      madvise(start, f64[DROP_LIST + 2 * i + 1]! - start, MADV_DONTNEED);
    }
    Atomics.store(i32, AREA.DROPPED, i32[AREA.REQUEST]!);
    if (Atomics.load(i32, AREA.STORE_WAITS) === 1) signalEventfd(this.#o.bell);
  }
}

const never = new Int32Array(new SharedArrayBuffer(4));

function sleep(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds);
}

/** No queue has acquired for any packet. */
export function initializeArea({ i32 }: SharedMemory): void {
  i32.fill(-1, AREA.ACQUIRED, AREA.ACQUIRED + MAX_QUEUES);
}
