/**
 * The host's end of one ring: commands go into slots in order, or wait here while the ring is full or the device is
 * clearing up after a fault; completed ones are retired in order and settled. It touches shared memory and nothing
 * else: who pumps it, and when, is {@link CommandPump}'s business.
 *
 * @module
 */

import type { QueuedCommand } from './command.ts';
import { type PacketFailure, parseFailure, ringDoorbell } from './completion.ts';
import {
  ARGUMENT_TAG,
  CORE,
  coreWord,
  HEADER,
  hazard,
  PACKET_STATUS,
  QUEUE,
  queueWord,
  RING_SLOTS,
  SLOT,
  SLOT_ARGUMENTS,
  SLOT_ERROR,
  SLOT_F64,
  SLOT_TAGS,
  slotByte,
} from './control-layout.ts';
import { LinkedSet } from './linked-set.ts';
import { readText, type SharedMemory } from './shared-memory.ts';

const LARGEST_I64 = 2n ** 63n - 1n;

export class Ring {
  readonly number: number;
  readonly #control: SharedMemory;
  readonly #data: DataView;
  readonly #cores: number;
  readonly #word: number;
  readonly #explain: (command: QueuedCommand, failure: PacketFailure) => unknown;
  /** In the ring, oldest first: {@link RING_SLOTS} at most. */
  readonly #inFlight: QueuedCommand[] = [];
  /** Not yet in the ring. */
  readonly #waiting = new LinkedSet<QueuedCommand>();
  #pushed = 0;
  #write = 0;
  #retired = 0;

  constructor(
    control: SharedMemory,
    number: number,
    cores: number,
    explain: (command: QueuedCommand, failure: PacketFailure) => unknown,
  ) {
    this.#control = control;
    this.#data = new DataView(control.u8.buffer);
    this.number = number;
    this.#cores = cores;
    this.#word = queueWord(number);
    this.#explain = explain;
  }

  get pending(): number {
    return this.#inFlight.length + this.#waiting.size;
  }

  /** True where commands wait though nothing is running that could make room: look again soon. */
  get stuck(): boolean {
    return this.#waiting.size > 0 && this.#inFlight.length === 0;
  }

  /** The number of the last command that was pushed. */
  get last(): number {
    return this.#pushed;
  }

  /** The number of the oldest command that has not ended; beyond {@link last} where there is none. */
  get oldest(): number {
    return (this.#inFlight[0] ?? this.#waiting.first)?.sequence ?? this.#pushed + 1;
  }

  push(command: QueuedCommand): void {
    command.sequence = ++this.#pushed;
    if (this.#waiting.size > 0 || !this.#submit(command)) this.#waiting.add(command);
  }

  /** Retires what has completed, in order, and submits what waits. Gives the commands that ended. */
  pump(ended: QueuedCommand[]): void {
    const head = Atomics.load(this.#control.i32, this.#word + QUEUE.HEAD);
    while (this.#retired !== head) {
      const command = this.#inFlight.shift()!;
      this.#settle(command);
      this.#retired = (this.#retired + 1) | 0;
      ended.push(command);
    }
    for (let next = this.#waiting.first; next && this.#submit(next); next = this.#waiting.first)
      this.#waiting.shift();
  }

  /** Takes a command out that is not in the ring yet. */
  withdraw(command: QueuedCommand): boolean {
    return this.#waiting.delete(command);
  }

  /** Marks a packet as cancelled; false where it has failed or completed already. Cores claim no more of it. */
  cancel(command: QueuedCommand): boolean {
    const word = slotByte(this.number, command.index) / 4;
    return (
      Atomics.compareExchange(
        this.#control.i32,
        word + SLOT.STATUS,
        PACKET_STATUS.NONE,
        PACKET_STATUS.CANCELLED,
      ) === PACKET_STATUS.NONE
    );
  }

  /** True where a core has claimed some of it. */
  begun(command: QueuedCommand): boolean {
    return Atomics.load(this.#control.i32, slotByte(this.number, command.index) / 4 + SLOT.NEXT) > 0;
  }

  progressOf(command: QueuedCommand): number {
    if (command.index === -1) return 0;
    const word = slotByte(this.number, command.index) / 4;
    const next = Atomics.load(this.#control.i32, word + SLOT.NEXT);
    return Math.min(1, next / command.packet.chunks);
  }

  /** Everything that has not ended, oldest first; the ring is forgotten. */
  abandon(): QueuedCommand[] {
    return [...this.#inFlight.splice(0), ...this.#waiting.takeAll()];
  }

  #submit(command: QueuedCommand): boolean {
    const { i32, f64, u8 } = this.#control;
    const index = this.#write;
    if (((index - this.#retired) | 0) >= RING_SLOTS || Atomics.load(i32, HEADER.WILD_PAGES) !== 0)
      return false;
    const former = hazard(this.number, index - RING_SLOTS);
    for (let core = 0; core < this.#cores; core++) {
      if (Atomics.load(i32, coreWord(core) + CORE.HAZARD) === former) return false;
    }
    const { packet } = command;
    const byte = slotByte(this.number, index);
    const word = byte / 4;
    i32[word + SLOT.TYPE] = packet.type;
    i32[word + SLOT.KERNEL] = packet.kernel;
    i32[word + SLOT.CHUNKS] = packet.chunks;
    i32[word + SLOT.ARGUMENTS] = packet.args.length;
    i32[word + SLOT.NEXT] = 0;
    i32[word + SLOT.FINISHED] = 0;
    i32[word + SLOT.STATUS] = PACKET_STATUS.NONE;
    f64[byte / 8 + SLOT_F64.ITEMS] = packet.items;
    f64[byte / 8 + SLOT_F64.CHUNK] = packet.chunk;
    for (let i = 0; i < packet.args.length; i++) {
      const value = packet.args[i]!;
      const at = byte + SLOT_ARGUMENTS + i * 8;
      if (typeof value === 'bigint') {
        u8[byte + SLOT_TAGS + i] = value > LARGEST_I64 ? ARGUMENT_TAG.UNSIGNED : ARGUMENT_TAG.BIGINT;
        this.#data.setBigInt64(at, value, true);
      } else {
        u8[byte + SLOT_TAGS + i] = ARGUMENT_TAG.NUMBER;
        this.#data.setFloat64(at, value, true);
      }
    }
    command.submitted(index);
    this.#inFlight.push(command);
    this.#write = (index + 1) | 0;
    Atomics.store(i32, this.#word + QUEUE.WRITE, this.#write);
    ringDoorbell(this.#control, packet.chunks);
    return true;
  }

  #settle(command: QueuedCommand): void {
    const { i32, f64 } = this.#control;
    const byte = slotByte(this.number, command.index);
    const status = Atomics.load(i32, byte / 4 + SLOT.STATUS);
    if (status === PACKET_STATUS.CANCELLED) {
      command.fail(command.abortReason);
    } else if (status === PACKET_STATUS.FAILED) {
      const text = readText(this.#control, byte + SLOT_ERROR, i32[byte / 4 + SLOT.ERROR_LENGTH]!);
      command.fail(this.#explain(command, parseFailure(text)));
    } else {
      command.complete({
        queued: command.times.queued,
        started: f64[byte / 8 + SLOT_F64.STARTED]!,
        finished: f64[byte / 8 + SLOT_F64.FINISHED]!,
      });
    }
  }
}
