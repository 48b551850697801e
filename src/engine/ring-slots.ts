/**
 * The slots of one ring as the host uses them: packets are written, looked at, and read again when they are complete.
 * It touches shared memory and nothing else; in what order commands come here is the business of {@link Ring} and
 * {@link OutOfOrderRing}.
 *
 * @module
 */
import type { QueueOrder } from '../device/device.ts';
import type { Packet, QueuedCommand } from './command.ts';
import { type PacketFailure, parseFailure, ringDoorbell } from './completion.ts';
import {
  ARGUMENT_TAG,
  CORE,
  coreWord,
  HEADER,
  hazard,
  PACKET_STATUS,
  PACKET_TYPE,
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
import { readText, type SharedMemory } from './shared-memory.ts';

const LARGEST_I64 = 2n ** 63n - 1n;

/** Where commands go that are the device's to carry out, and come back from when it has: the ring itself, or a driver. */
export interface Slots {
  readonly number: number;
  /** Commands that are complete, with all before them; their slots are free from {@link Slots.retire} on. */
  readonly head: number;
  readonly retired: number;
  retire(upTo: number): void;
  /** Hands a command to the device; false where there is no room for it now. */
  submit(command: QueuedCommand, packet: Packet, at: number): boolean;
  /** True where it is complete, or has failed. */
  done(command: QueuedCommand): boolean;
  /** Settles a command that is {@link Slots.done}. */
  settle(command: QueuedCommand): void;
  progressOf(command: QueuedCommand): number;
}

/** The host's end of a ring, whatever its order. */
export interface CommandRing {
  readonly number: number;
  readonly slots: Slots;
  /** Commands that have not ended. */
  readonly pending: number;
  /** Commands that only the host can move on: they are not in the ring. */
  readonly waiting: number;
  /** True where commands could be submitted but for a slot, though nothing runs that could make room: look again soon. */
  readonly stuck: boolean;
  /** Those in the ring now: the device may have begun with them. */
  readonly submitted: readonly QueuedCommand[];
  /** The number of the last command that was pushed. */
  readonly last: number;
  /** The number of the oldest command that has not ended; beyond {@link last} where there is none. */
  readonly oldest: number;
  push(command: QueuedCommand): void;
  /** A command that was pushed waits for no prerequisite any more. */
  release(command: QueuedCommand): void;
  /** Settles what has ended, submits what waits, does what is the host's to do. Gives the commands that ended. */
  pump(ended: QueuedCommand[]): void;
  /** Takes a command out that is not in the ring yet; false where it is, or the host is carrying it out. */
  withdraw(command: QueuedCommand): boolean;
  /** What stands before a command that waits here. */
  ahead(command: QueuedCommand): QueuedCommand | undefined;
  /** Those that wait for prerequisites, or for others that do. */
  blocked(): readonly QueuedCommand[];
  /** Everything that has not ended, oldest first; the ring is forgotten. */
  abandon(): QueuedCommand[];
}

/** What the host does around packets that run kernels. */
export interface PacketAround {
  /** Before one is handed over; false where it can't be now. */
  enter(): boolean;
  /** After it has ended, before anybody learns of it; gives what makes it fail. */
  leave(): PacketFailure | undefined;
}

export class RingSlots implements Slots {
  readonly number: number;
  readonly #control: SharedMemory;
  readonly #data: DataView;
  readonly #cores: number;
  readonly #word: number;
  readonly #explain: (command: QueuedCommand, failure: PacketFailure) => unknown;
  readonly #around: PacketAround | undefined;
  #write = 0;
  #retired = 0;

  constructor(
    control: SharedMemory,
    number: number,
    cores: number,
    explain: (command: QueuedCommand, failure: PacketFailure) => unknown,
    order: QueueOrder = 'in',
    around?: PacketAround,
  ) {
    this.#control = control;
    this.#data = new DataView(control.u8.buffer);
    this.number = number;
    this.#cores = cores;
    this.#word = queueWord(number);
    this.#explain = explain;
    this.#around = around;
    // Before cores see the queue.
    if (order === 'out') control.i32[this.#word + QUEUE.OUT_OF_ORDER] = 1;
  }

  /** Packets that are complete, with all before them; their slots are free from {@link retire} on. */
  get head(): number {
    return Atomics.load(this.#control.i32, this.#word + QUEUE.HEAD);
  }

  get retired(): number {
    return this.#retired;
  }

  /** All packets before that one have been settled. */
  retire(upTo: number): void {
    this.#retired = upTo;
  }

  /** Writes a command's packet; false where there is no slot for it now. */
  submit(command: QueuedCommand, packet: Packet, at: number): boolean {
    const { i32, f64, u8 } = this.#control;
    const index = this.#write;
    if (((index - this.#retired) | 0) >= RING_SLOTS || Atomics.load(i32, HEADER.WILD_PAGES) !== 0)
      return false;
    const former = hazard(this.number, index - RING_SLOTS);
    for (let core = 0; core < this.#cores; core++) {
      if (Atomics.load(i32, coreWord(core) + CORE.HAZARD) === former) return false;
    }
    if (this.#around && packet.type === PACKET_TYPE.DISPATCH && !this.#around.enter()) return false;
    const byte = slotByte(this.number, index);
    const word = byte / 4;
    i32[word + SLOT.TYPE] = packet.type;
    i32[word + SLOT.KERNEL] = packet.kernel;
    i32[word + SLOT.CHUNKS] = packet.chunks;
    i32[word + SLOT.ARGUMENTS] = packet.args.length;
    i32[word + SLOT.NEXT] = 0;
    i32[word + SLOT.FINISHED] = 0;
    i32[word + SLOT.STATUS] = PACKET_STATUS.NONE;
    i32[word + SLOT.DONE] = 0;
    f64[byte / 8 + SLOT_F64.ITEMS] = packet.items;
    f64[byte / 8 + SLOT_F64.CHUNK] = packet.chunk;
    for (let i = 0; i < packet.args.length; i++) {
      const value = packet.args[i]!;
      const to = byte + SLOT_ARGUMENTS + i * 8;
      if (typeof value === 'bigint') {
        u8[byte + SLOT_TAGS + i] = value > LARGEST_I64 ? ARGUMENT_TAG.UNSIGNED : ARGUMENT_TAG.BIGINT;
        this.#data.setBigInt64(to, value, true);
      } else {
        u8[byte + SLOT_TAGS + i] = ARGUMENT_TAG.NUMBER;
        this.#data.setFloat64(to, value, true);
      }
    }
    command.submitted(index, at);
    this.#write = (index + 1) | 0;
    Atomics.store(i32, this.#word + QUEUE.WRITE, this.#write);
    ringDoorbell(this.#control, packet.chunks);
    return true;
  }

  /** True where the packet is complete. */
  done({ index }: QueuedCommand): boolean {
    return Atomics.load(this.#control.i32, slotByte(this.number, index) / 4 + SLOT.DONE) === 1;
  }

  /** Settles a command whose packet is complete. */
  settle(command: QueuedCommand): void {
    const { i32, f64 } = this.#control;
    const byte = slotByte(this.number, command.index);
    const status = Atomics.load(i32, byte / 4 + SLOT.STATUS);
    command.ran(f64[byte / 8 + SLOT_F64.STARTED]!, f64[byte / 8 + SLOT_F64.FINISHED]!);
    const late = i32[byte / 4 + SLOT.TYPE] === PACKET_TYPE.DISPATCH ? this.#around?.leave() : undefined;
    if (status === PACKET_STATUS.CANCELLED) {
      command.fail(command.abortReason);
    } else if (status === PACKET_STATUS.FAILED) {
      const text = readText(this.#control, byte + SLOT_ERROR, i32[byte / 4 + SLOT.ERROR_LENGTH]!);
      command.fail(this.#explain(command, parseFailure(text)));
    } else if (late) {
      command.fail(this.#explain(command, late));
    } else {
      command.complete();
    }
  }

  /** Marks a packet as cancelled; false where it has failed or completed already. Cores claim no more of it. */
  cancel({ index }: QueuedCommand): boolean {
    const word = slotByte(this.number, index) / 4;
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
  begun({ index }: QueuedCommand): boolean {
    return Atomics.load(this.#control.i32, slotByte(this.number, index) / 4 + SLOT.NEXT) > 0;
  }

  progressOf({ index }: QueuedCommand): number {
    if (index === -1) return 0;
    const word = slotByte(this.number, index) / 4;
    const chunks = this.#control.i32[word + SLOT.CHUNKS]!;
    return Math.min(1, Atomics.load(this.#control.i32, word + SLOT.NEXT) / chunks);
  }
}
