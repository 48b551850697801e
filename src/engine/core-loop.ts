/**
 * The life of a core: find a packet in one of the device's queues, claim chunks of its items with an atomic add, run
 * them, and count them as finished; spin briefly when there is nothing, then sleep on the doorbell. Nothing is sent
 * and nothing is allocated per packet but its argument list.
 *
 * Two rules make this safe. A core publishes the packet that it looks at (its hazard) and checks that the packet is
 * still the queue's head (or, in a queue out of order, not behind it) before it touches the slot; the host reuses a slot only when no core's hazard names it. And
 * a core is RUNNING only inside a kernel, so whoever stops it knows that exactly one claimed chunk is not counted.
 *
 * @module
 */
import { futexWait } from '../linux/futex.ts';
import { Completer, claimRest, monotonicNow, type PacketFailure } from './completion.ts';
import {
  ARGUMENT_TAG,
  CORE,
  CORE_STATE,
  coreWord,
  HEADER,
  hazard,
  NO_HAZARD,
  PACKET_STATUS,
  PACKET_TYPE,
  QUEUE,
  queueWord,
  SLOT,
  SLOT_ARGUMENTS,
  SLOT_F64,
  SLOT_TAGS,
  slotByte,
} from './control-layout.ts';
import { enterCall, leaveCall } from './core-call.ts';
import type { SharedMemory } from './shared-memory.ts';
import { UsefulSpin } from './useful-spin.ts';

/** A kernel as a core calls it: the items `[begin, end)`, then the packet's arguments. */
export type CoreKernel = (begin: number, end: number, ...args: (number | bigint)[]) => unknown;

export interface CoreProgram {
  /** The kernel of that number, or undefined where it is not there (a host that is ahead of this core). */
  kernel(id: number): CoreKernel | undefined;
  /** Called whenever the core has nothing to run: the place to take in new programs. `'leave'` ends the loop. */
  idle(): 'leave' | undefined;
  /** Called before a packet's first chunk on this core, when all that the host did before the launch is visible. */
  enter(): void;
  /** Called before a packet is complete, by the core that ran its last chunk. What it gives fails the packet. */
  leave?(): PacketFailure | undefined;
}

/** How long a core spins before it sleeps, in milliseconds and at most: what a futex wake-up costs on an idle machine. */
const SPIN_FOR = 0.05;
/** A sleep of so many milliseconds is the sleep of an idle device. */
const LONG_SLEEP = 0.2;
/** Looks at the doorbell between two looks at the clock. */
const LOOKS = 64;

export class CoreLoop {
  readonly #control: SharedMemory;
  readonly #data: DataView;
  readonly #core: number;
  readonly #completer: Completer;
  readonly #program: CoreProgram;
  readonly #block: number;
  readonly #usefulSpin = new UsefulSpin(SPIN_FOR);
  /** By queue out of order: the packets before this one are claimed. */
  readonly #claimed: number[] = [];

  constructor(control: SharedMemory, core: number, wakeFd: number, program: CoreProgram) {
    this.#control = control;
    this.#data = new DataView(control.u8.buffer);
    this.#core = core;
    this.#completer = new Completer(control, wakeFd, () => program.leave?.());
    this.#program = program;
    this.#block = coreWord(core);
  }

  /** Returns only where {@link CoreProgram.idle} says so. */
  run(): void {
    const { i32, address } = this.#control;
    let slept = 0;
    for (;;) {
      const bell = Atomics.load(i32, HEADER.DOORBELL);
      if (this.#program.idle() === 'leave') return;
      if (this.#serveAll()) continue;
      // Who is blocked puts nothing in; and whoever woke this core after a long time may need its processor to come up on.
      const alone = slept > LONG_SLEEP || Atomics.load(i32, HEADER.HOST_BLOCKED) > 0;
      slept = 0;
      if (!alone && this.#spin(bell)) continue;
      Atomics.add(i32, HEADER.SLEEPERS, 1);
      const from = performance.now();
      futexWait(address + HEADER.DOORBELL * 4, bell, Number.POSITIVE_INFINITY);
      slept = performance.now() - from;
      Atomics.sub(i32, HEADER.SLEEPERS, 1);
    }
  }

  /** True as soon as the doorbell has changed; false after a while. */
  #spin(bell: number): boolean {
    const { i32 } = this.#control;
    const spin = this.#usefulSpin.next();
    const until = performance.now() + spin;
    do {
      for (let looks = LOOKS; looks > 0; looks--) {
        if (Atomics.load(i32, HEADER.DOORBELL) === bell) continue;
        this.#usefulSpin.worked(spin);
        return true;
      }
    } while (performance.now() < until);
    this.#usefulSpin.failed(spin);
    return false;
  }

  /** Looks at the head of every queue once; true where it ran anything. */
  #serveAll(): boolean {
    const { i32 } = this.#control;
    const queues = Atomics.load(i32, HEADER.QUEUE_COUNT);
    let ran = false;
    for (let queue = 0; queue < queues; queue++) {
      const ring = queueWord(queue);
      if (i32[ring + QUEUE.OUT_OF_ORDER] === 1) {
        if (this.#serveAny(queue, ring)) ran = true;
        continue;
      }
      const index = Atomics.load(i32, ring + QUEUE.HEAD);
      if (index === Atomics.load(i32, ring + QUEUE.WRITE)) continue;
      Atomics.store(i32, this.#block + CORE.HAZARD, hazard(queue, index));
      if (Atomics.load(i32, ring + QUEUE.HEAD) === index && this.#serve(queue, index)) ran = true;
      Atomics.store(i32, this.#block + CORE.HAZARD, NO_HAZARD);
    }
    return ran;
  }

  /** Looks at the packets of a queue out of order until one has something to run; true where one had. */
  #serveAny(queue: number, ring: number): boolean {
    const { i32 } = this.#control;
    // The head first: it is not beyond what is loaded after it.
    const head = Atomics.load(i32, ring + QUEUE.HEAD);
    const write = Atomics.load(i32, ring + QUEUE.WRITE);
    // What this core has found claimed stays claimed.
    let index = this.#claimed[queue] ?? head;
    if (((index - head) | 0) < 0) index = head;
    let ran = false;
    while (!ran && index !== write) {
      Atomics.store(i32, this.#block + CORE.HAZARD, hazard(queue, index));
      // Behind the head the slot may be another packet's already.
      if (((index - Atomics.load(i32, ring + QUEUE.HEAD)) | 0) >= 0) ran = this.#serve(queue, index);
      index = (index + 1) | 0;
    }
    this.#claimed[queue] = index;
    Atomics.store(i32, this.#block + CORE.HAZARD, NO_HAZARD);
    return ran;
  }

  /** Runs chunks of one packet until none is left to claim; true where it got any. */
  #serve(queue: number, index: number): boolean {
    const { i32, f64 } = this.#control;
    const byte = slotByte(queue, index);
    const word = byte / 4;
    const chunks = i32[word + SLOT.CHUNKS]!;
    let claimed = Atomics.add(i32, word + SLOT.NEXT, 1);
    if (claimed >= chunks) {
      // Keep the counter from creeping towards overflow while cores wait for the last chunk.
      Atomics.sub(i32, word + SLOT.NEXT, 1);
      return false;
    }
    if (claimed === 0) f64[byte / 8 + SLOT_F64.STARTED] = monotonicNow();
    if (i32[word + SLOT.TYPE] === PACKET_TYPE.BARRIER) {
      this.#completer.finish(queue, index, 1);
      return true;
    }
    this.#program.enter();
    const kernel = this.#program.kernel(i32[word + SLOT.KERNEL]!);
    const args = this.#arguments(byte, i32[word + SLOT.ARGUMENTS]!);
    const items = f64[byte / 8 + SLOT_F64.ITEMS]!;
    const chunk = f64[byte / 8 + SLOT_F64.CHUNK]!;
    i32[this.#block + CORE.QUEUE] = queue;
    i32[this.#block + CORE.INDEX] = index;
    let finished = 0;
    while (claimed < chunks) {
      this.#awaitWindow();
      if (Atomics.load(i32, word + SLOT.STATUS) === PACKET_STATUS.NONE) {
        i32[this.#block + CORE.UNCOUNTED] = finished;
        const failure = this.#call(kernel, claimed * chunk, Math.min(items, (claimed + 1) * chunk), args);
        if (failure) this.#completer.fail(queue, index, failure);
      }
      finished++;
      if (Atomics.load(i32, word + SLOT.STATUS) !== PACKET_STATUS.NONE) {
        finished += claimRest(this.#control, queue, index);
      }
      claimed = Atomics.add(i32, word + SLOT.NEXT, 1);
    }
    Atomics.sub(i32, word + SLOT.NEXT, 1);
    this.#completer.finish(queue, index, finished);
    return true;
  }

  /**
   * Waits while a private page stands in for wild memory under a core that is being stopped: a kernel that touched the
   * same page now would get no fault.
   */
  #awaitWindow(): void {
    const { i32, address } = this.#control;
    for (;;) {
      const pages = Atomics.load(i32, HEADER.WILD_PAGES);
      if (pages === 0) return;
      futexWait(address + HEADER.WILD_PAGES * 4, pages, 1);
    }
  }

  /** One call of the kernel, RUNNING from before to after. */
  #call(
    kernel: CoreKernel | undefined,
    begin: number,
    end: number,
    args: (number | bigint)[],
  ): PacketFailure | undefined {
    if (!kernel) return { reason: 'trap', core: this.#core, detail: 'the core does not have this kernel' };
    let failure: PacketFailure | undefined;
    enterCall(this.#control, this.#core, CORE_STATE.RUNNING);
    try {
      kernel(begin, end, ...args);
    } catch (error) {
      failure = failureOf(error, this.#core);
    }
    leaveCall(this.#control, this.#core, CORE_STATE.RUNNING);
    return failure;
  }

  #arguments(byte: number, count: number): (number | bigint)[] {
    const args: (number | bigint)[] = [];
    for (let i = 0; i < count; i++) {
      const at = byte + SLOT_ARGUMENTS + i * 8;
      const tag = this.#control.u8[byte + SLOT_TAGS + i];
      if (tag === ARGUMENT_TAG.BIGINT) args.push(this.#data.getBigInt64(at, true));
      else if (tag === ARGUMENT_TAG.UNSIGNED) args.push(this.#data.getBigUint64(at, true));
      else args.push(this.#data.getFloat64(at, true));
    }
    return args;
  }
}

/**
 * V8 reports an access that the memory's protection forbids, or beyond 4 GiB, as a trap without an address. An error with
 * the code of an address that was refused before the access has it.
 */
function failureOf(error: unknown, core: number): PacketFailure {
  const { code, address } = Object(error) as { code?: unknown; address?: unknown };
  if (code === 'ERR_MIRROR_ADDRESS' && typeof address === 'number') {
    return { reason: 'unmapped', core, address };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { reason: /^memory access out of bounds/.test(detail) ? 'unmapped' : 'trap', core, detail };
}
