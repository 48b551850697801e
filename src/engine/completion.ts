/**
 * The end of a packet, as cores and their supervisor bring it about: a failure is recorded once, finished chunks are
 * counted, and whoever counts the last one completes the packet, advances the queue's head and wakes who waits.
 * HSA calls this the completion signal; there is no message, only words in shared memory and, for a host whose
 * event loop sleeps, one byte in a pipe.
 *
 * @module
 */
import { futexWake } from '../linux/futex.ts';
import { writeTo } from '../linux/process.ts';
import {
  HEADER,
  PACKET_STATUS,
  QUEUE,
  queueWord,
  SLOT,
  SLOT_ERROR,
  SLOT_ERROR_BYTES,
  SLOT_F64,
  slotByte,
} from './control-layout.ts';
import { type SharedMemory, writeText } from './shared-memory.ts';

/** What a failed packet says of itself; JSON in its slot. */
export interface PacketFailure {
  readonly reason: 'unmapped' | 'read-only' | 'trap';
  readonly core: number;
  readonly address?: number;
  readonly access?: 'read' | 'write';
  readonly detail?: string;
}

const wakeByte = new Uint8Array([1]);

/** Milliseconds on CLOCK_MONOTONIC, the same clock in every process of the machine. */
export const monotonicNow = (): number => performance.now() + monotonicOffset;
// The first call of performance.now() may take milliseconds: it must not come between the two readings.
performance.now();
const monotonicOffset = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Ends packets of one device process. */
export class Completer {
  readonly #control: SharedMemory;
  readonly #wakeFd: number;

  constructor(control: SharedMemory, wakeFd: number) {
    this.#control = control;
    this.#wakeFd = wakeFd;
  }

  /** Records the first failure of a packet; the chunk that failed must still be counted with {@link finish}. */
  fail(queue: number, index: number, failure: PacketFailure): void {
    const { i32 } = this.#control;
    const byte = slotByte(queue, index);
    const word = byte / 4;
    if (
      Atomics.compareExchange(i32, word + SLOT.STATUS, PACKET_STATUS.NONE, PACKET_STATUS.FAILED) !==
      PACKET_STATUS.NONE
    )
      return;
    const detail = failure.detail?.slice(0, 200);
    const text = JSON.stringify(detail === undefined ? failure : { ...failure, detail });
    i32[word + SLOT.ERROR_LENGTH] = writeText(this.#control, byte + SLOT_ERROR, SLOT_ERROR_BYTES, text);
  }

  /** Counts chunks as finished; the last one completes the packet. */
  finish(queue: number, index: number, chunks: number): void {
    const { i32, f64 } = this.#control;
    const byte = slotByte(queue, index);
    const word = byte / 4;
    const total = i32[word + SLOT.CHUNKS]!;
    if (Atomics.add(i32, word + SLOT.FINISHED, chunks) + chunks !== total) return;
    f64[byte / 8 + SLOT_F64.FINISHED] = monotonicNow();
    const ring = queueWord(queue);
    Atomics.store(i32, ring + QUEUE.HEAD, (index + 1) | 0);
    Atomics.add(i32, HEADER.COMPLETIONS, 1);
    if (Atomics.load(i32, HEADER.HOST_BLOCKED) > 0) {
      futexWake(this.#control.address + HEADER.COMPLETIONS * 4, 0x7fffffff);
    }
    if (Atomics.load(i32, HEADER.HOST_ASLEEP) === 1 && Atomics.exchange(i32, HEADER.HOST_ASLEEP, 0) === 1) {
      writeTo(this.#wakeFd, wakeByte);
    }
    if (Atomics.load(i32, ring + QUEUE.WRITE) !== ((index + 1) | 0)) ringDoorbell(this.#control, 0x7fffffff);
  }
}

/** Says that there may be work: cores that spin see it, up to `count` that sleep are woken. */
export function ringDoorbell(control: SharedMemory, count: number): void {
  Atomics.add(control.i32, HEADER.DOORBELL, 1);
  if (Atomics.load(control.i32, HEADER.SLEEPERS) > 0) {
    futexWake(control.address + HEADER.DOORBELL * 4, count);
  }
}
