/**
 * The supervisor: the main thread of a device process. It starts a worker thread per core, ends a core that faulted
 * or must be stopped, settles that core's chunk as failed, and starts the core anew. It never runs a kernel, so it
 * can always answer.
 *
 * Stopping is a hand-over by the core's state word: RUNNING -> STOPPING (pager or supervisor) -> TERMINATING (V8 has
 * been asked; the pager lets held faults go) -> STOPPED (thread gone) -> IDLE (pager took the wild pages away) ->
 * the packet's chunk is counted -> a new thread.
 *
 * @module
 */
import type { Worker } from 'node:worker_threads';
import { Completer, claimRest, type PacketFailure } from './completion.ts';
import {
  CORE,
  CORE_STATE,
  coreWord,
  HEADER,
  hazard,
  NO_HAZARD,
  QUEUE,
  queueWord,
  SLOT,
  slotByte,
} from './control-layout.ts';
import { blame, wildFailure } from './loss.ts';
import type { SharedMemory } from './shared-memory.ts';

/** V8 notices a termination within milliseconds, or never (a bulk operation in native code). */
const TERMINATION_PATIENCE = 2000;
/** A core that is in one call of a native library all this time is not waited for any longer. */
const NATIVE_PATIENCE = 200;

export interface SupervisorOptions {
  readonly control: SharedMemory;
  readonly wakeFd: number;
  readonly cores: number;
  /** Starts the thread of a core. It may serve packets, and fault, before `serving` resolves. */
  start(core: number): { readonly thread: Worker; readonly serving: Promise<void> };
  /** Wakes the pager, to look at the cores' states. */
  kickPager(): void;
  /** Called before a packet is complete that a stopped core had begun; see {@link CoreProgram}. */
  leave?(): PacketFailure | undefined;
  /** The device can't go on. */
  lose(reason: string): never;
  /** The core ended while it was loading a program. */
  loadFailed(core: number, failure: PacketFailure): void;
}

export class Supervisor {
  readonly #o: SupervisorOptions;
  readonly #completer: Completer;
  readonly #threads: (Worker | undefined)[] = [];
  readonly #stops = new Map<number, { loading: boolean; failure: PacketFailure | undefined }>();
  /** Cores that have come up, with all programs that there were. */
  readonly #serving = new Set<number>();

  constructor(options: SupervisorOptions) {
    this.#o = options;
    this.#completer = new Completer(options.control, options.wakeFd, () => options.leave?.());
  }

  async startAll(): Promise<void> {
    await Promise.all(Array.from({ length: this.#o.cores }, (_, core) => this.#start(core)));
  }

  async #start(core: number): Promise<void> {
    const { thread, serving } = this.#o.start(core);
    this.#threads[core] = thread;
    thread.on('error', (error) => {
      if (!this.#stops.has(core))
        this.#o.lose(`core ${core} failed: ${error instanceof Error ? error.message : String(error)}`);
    });
    thread.on('exit', () => this.#exited(core));
    await serving;
    this.#serving.add(core);
  }

  /** The pager has taken the core from its kernel at a wild fault. */
  faulted(core: number, loading: boolean): void {
    this.#terminate(core, loading, wildFailure(this.#o.control, core));
  }

  /**
   * Stops every core that is inside a kernel of that packet, which is marked cancelled already; looks again until the
   * packet is complete, since a core may have been between its check and its kernel. One that has gone on to another
   * packet in between is let go on: a core that is back from its kernel waits for that.
   */
  stopPacket(queue: number, index: number): void {
    const { i32 } = this.#o.control;
    if (((Atomics.load(i32, queueWord(queue) + QUEUE.HEAD) - index) | 0) > 0) return;
    // In a queue out of order it may be complete before the head is.
    if (Atomics.load(i32, slotByte(queue, index) / 4 + SLOT.DONE) === 1) return;
    setTimeout(() => this.stopPacket(queue, index), 20);
    for (let core = 0; core < this.#o.cores; core++) {
      const block = coreWord(core);
      if (Atomics.load(i32, block + CORE.HAZARD) !== hazard(queue, index)) continue;
      const was = Atomics.compareExchange(i32, block + CORE.STATE, CORE_STATE.RUNNING, CORE_STATE.STOPPING);
      if (was !== CORE_STATE.RUNNING) continue;
      if (i32[block + CORE.QUEUE] === queue && i32[block + CORE.INDEX] === index) {
        this.#terminate(core, false, undefined);
      } else {
        Atomics.store(i32, block + CORE.STATE, CORE_STATE.RUNNING);
        // A fault that it had meanwhile was held for a stop.
        this.#o.kickPager();
      }
    }
  }

  #terminate(core: number, loading: boolean, failure: PacketFailure | undefined): void {
    if (this.#stops.has(core)) return;
    this.#stops.set(core, { loading, failure });
    const thread = this.#threads[core];
    const { i32 } = this.#o.control;
    const native = coreWord(core) + CORE.NATIVE;
    const call = Atomics.load(i32, native);
    const wild = failure !== undefined;
    const patience = [
      setTimeout(() => {
        blame(this.#o.control, core, loading, wild);
        this.#o.lose(`core ${core} could not be stopped within ${TERMINATION_PATIENCE} ms`);
      }, TERMINATION_PATIENCE),
      setTimeout(() => {
        if (call % 2 === 0 || Atomics.load(i32, native) !== call) return;
        blame(this.#o.control, core, loading, wild);
        this.#o.lose(`core ${core} could not be stopped inside a native library`);
      }, NATIVE_PATIENCE),
    ];
    thread?.once('exit', () => patience.forEach(clearTimeout));
    void thread?.terminate();
    Atomics.store(this.#o.control.i32, coreWord(core) + CORE.STATE, CORE_STATE.TERMINATING);
    this.#o.kickPager();
  }

  #exited(core: number): void {
    if (!this.#stops.has(core)) this.#o.lose(`core ${core} ended by itself`);
    this.#threads[core] = undefined;
    Atomics.store(this.#o.control.i32, coreWord(core) + CORE.STATE, CORE_STATE.STOPPED);
    this.#o.kickPager();
  }

  /** The pager has taken the stopped core's wild pages away: settle its packet and start it anew. */
  restored(core: number): void {
    const { i32 } = this.#o.control;
    const stop = this.#stops.get(core);
    this.#stops.delete(core);
    const block = coreWord(core);
    Atomics.add(i32, HEADER.CORE_RESTARTS, 1);
    if (stop?.loading) {
      // It would fault again, and again.
      if (!this.#serving.has(core)) {
        const at = stop.failure?.address;
        this.#o.lose(
          `core ${core} did not start again: the start function of a program faulted${at === undefined ? '' : ` at 0x${at.toString(16)}`}`,
        );
      }
      this.#o.loadFailed(core, stop.failure ?? { reason: 'trap', core });
    } else {
      const queue = i32[block + CORE.QUEUE]!;
      const index = i32[block + CORE.INDEX]!;
      if (stop?.failure) this.#completer.fail(queue, index, stop.failure);
      // The other chunks must not run: claim what is left in this core's name.
      const left = claimRest(this.#o.control, queue, index);
      this.#completer.finish(queue, index, left + i32[block + CORE.UNCOUNTED]! + 1);
    }
    Atomics.store(i32, block + CORE.HAZARD, NO_HAZARD);
    this.#serving.delete(core);
    this.#start(core).catch((error) => this.#o.lose(`core ${core} did not start again: ${String(error)}`));
  }
}
