/**
 * What a core does before the first chunk of a packet where the device reaches system memory: it asks the host's pager
 * which of the device's copies are out of date, and drops them. One core asks for a packet, others wait; and only once
 * the device's pager has mapped what the host has allocated by then.
 *
 * @module
 */
import { CORE, coreWord, MAX_QUEUES } from '../../../engine/control-layout.ts';
import type { MapLogReader } from '../../../engine/map-log.ts';
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import { futexWait, futexWake } from '../../../linux/futex.ts';
import { MADV_DONTNEED, madvise } from '../../../linux/mmap.ts';
import { signalEventfd } from '../../../linux/process.ts';
import { AREA, DROP_LIST, REQUEST } from './area.ts';

/** Looks at an answer before a core sleeps. */
const LOOKS = 2000;
/** Milliseconds that a core looks for the pager to be done before it sleeps in between. */
const SPIN_FOR = 0.2;
/** Milliseconds after which a sleeper looks by itself. */
const LOOK_AGAIN = 50;

export interface GateOptions {
  readonly area: SharedMemory;
  readonly control: SharedMemory;
  readonly core: number;
  readonly log: MapLogReader;
  /** An eventfd that the host's pager polls. */
  readonly bell: number;
  /** An eventfd that the device's pager polls. */
  readonly kick: number;
}

export class SystemGate {
  readonly #o: GateOptions;

  constructor(options: GateOptions) {
    this.#o = options;
  }

  /** Returns once whatever the device has of system memory is what the host had at this moment or later. */
  enter(): void {
    const { area, control, core } = this.#o;
    const packet = control.i32[coreWord(core) + CORE.HAZARD]!;
    const acquired = AREA.ACQUIRED + (packet >>> 27);
    this.#awaitMaps();
    if (Atomics.load(area.i32, acquired) === packet) return;
    this.#lock();
    try {
      if (Atomics.load(area.i32, acquired) === packet) return;
      do {
        this.#ask(REQUEST.ACQUIRE);
        this.#drop();
      } while (area.i32[AREA.MORE] === 1);
      Atomics.store(area.i32, acquired, packet);
    } finally {
      this.#unlock();
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

  #ask(kind: number): void {
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

  /** The ranges are the device's own mappings, and what is in there can be had again. */
  #drop(): void {
    const { i32, f64 } = this.#o.area;
    const count = i32[AREA.DROPS]!;
    for (let i = 0; i < count; i++) {
      const start = f64[DROP_LIST + 2 * i]!;
      madvise(start, f64[DROP_LIST + 2 * i + 1]! - start, MADV_DONTNEED);
    }
  }

  #lock(): void {
    const { i32, address } = this.#o.area;
    while (Atomics.compareExchange(i32, AREA.LOCK, 0, 1) !== 0)
      futexWait(address + AREA.LOCK * 4, 1, LOOK_AGAIN);
  }

  #unlock(): void {
    const { i32, address } = this.#o.area;
    Atomics.store(i32, AREA.LOCK, 0);
    futexWake(address + AREA.LOCK * 4, 1);
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
