/**
 * A device's window without userfaultfd: everything is inaccessible but the live buffers, by mprotect. The log of maps
 * is applied before the next packet runs, by whichever core gets there first, and by the pager's stand-in when the host
 * asks. A wild access is SIGSEGV, which V8 turns into a trap for plain loads and stores; the address is not known.
 *
 * @module
 */
import { mapLimit } from '../linux/map-count.ts';
import { punchHole } from '../linux/memfd.ts';
import { mprotect, PROT_NONE, PROT_READ, PROT_WRITE } from '../linux/mmap.ts';
import { Poller, readFrom } from '../linux/process.ts';
import type { Address } from '../mm/address.ts';
import { CORE, CORE_STATE, coreWord, MAP_ENTRY } from './control-layout.ts';
import type { MapLogReader } from './map-log.ts';
import type { SharedMemory } from './shared-memory.ts';

/** Mappings that are left to the rest of a device's process. */
const LEFT_TO_OTHERS = 2048;

/** How many ranges can be live in a protected window: each is a mapping, and so is what lies before it. */
export function mostProtectedRanges(): number {
  return Math.max(1, Math.floor((mapLimit() - LEFT_TO_OTHERS) / 2));
}

/** Brings the protection of the window up to date; each thread has its own, and the log keeps them from clashing. */
export class ProtectedWindow {
  readonly #log: MapLogReader;
  readonly #base: Address;
  readonly #arena: number;
  readonly #pageSize: number;

  constructor(log: MapLogReader, base: Address, arena: number, pageSize: number) {
    this.#log = log;
    this.#base = base;
    this.#arena = arena;
    this.#pageSize = pageSize;
  }

  /** Applies what the host has logged. Costs two loads where there is nothing new. */
  catchUp(): void {
    this.#log.catchUp(this.#apply);
  }

  readonly #apply = (kind: number, start: Address, end: Address): void => {
    const length = Math.ceil((end - start) / this.#pageSize) * this.#pageSize;
    if (kind === MAP_ENTRY.MAP_WRITE) mprotect(this.#base + start, length, PROT_READ | PROT_WRITE);
    else if (kind === MAP_ENTRY.MAP_READ) mprotect(this.#base + start, length, PROT_READ);
    else {
      mprotect(this.#base + start, length, PROT_NONE);
      // A kernel may have stored there after the host had punched the range.
      if (kind === MAP_ENTRY.UNMAP_IN_USE) punchHole(this.#arena, start, length);
    }
  };
}

export interface StandInOptions {
  readonly control: SharedMemory;
  readonly window: ProtectedWindow;
  readonly kick: number;
  readonly cores: number;
  restored(core: number): void;
}

/** What is left of the pager's work: acknowledging the log, and handing stopped cores on. Never returns. */
export function runStandIn({ control, window, kick, cores, restored }: StandInOptions): never {
  const poller = new Poller([kick]);
  const count = new BigUint64Array(1);
  for (;;) {
    poller.wait(-1);
    readFrom(kick, count);
    window.catchUp();
    for (let core = 0; core < cores; core++) {
      const state = coreWord(core) + CORE.STATE;
      if (Atomics.load(control.i32, state) !== CORE_STATE.STOPPED) continue;
      Atomics.store(control.i32, state, CORE_STATE.IDLE);
      restored(core);
    }
  }
}
