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
const monotonicOffset = measuredOffset();

/** How far `performance.now()` is behind the clock. A pause between the two readings makes it seem less: take the most. */
function measuredOffset(): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < 16; i++)
    most = Math.max(most, Number(process.hrtime.bigint()) / 1e6 - performance.now());
  return most;
}

/** A failure as JSON of at most `capacity` bytes: its detail, which may be a kernel's own words, is cut to fit. */
export function failureText(failure: PacketFailure, capacity: number): string {
  const { detail, ...rest } = failure;
  for (let length = Math.min(detail?.length ?? 0, capacity); length > 0; length = Math.floor(length / 2)) {
    const text = JSON.stringify({ ...rest, detail: detail!.slice(0, length) });
    if (Buffer.byteLength(text) <= capacity) return text;
  }
  return JSON.stringify(rest);
}

/** Reads it again. What stands in shared memory may be anything: it never throws. */
export function parseFailure(text: string): PacketFailure {
  try {
    const failure = JSON.parse(text) as PacketFailure;
    if (typeof failure === 'object' && failure !== null && typeof failure.reason === 'string') return failure;
  } catch {
    // Fall through: the words themselves are all there is.
  }
  return { reason: 'trap', core: -1, detail: text.slice(0, 200) };
}

/** Claims all chunks of a packet that nobody has claimed yet, so that they don't run; gives how many. */
export function claimRest(control: SharedMemory, queue: number, index: number): number {
  const { i32 } = control;
  const word = slotByte(queue, index) / 4;
  const chunks = i32[word + SLOT.CHUNKS]!;
  // By compare-and-exchange: a counter past the end belongs to cores that are about to take their claim back.
  for (let next = Atomics.load(i32, word + SLOT.NEXT); next < chunks; ) {
    const was = Atomics.compareExchange(i32, word + SLOT.NEXT, next, chunks);
    if (was === next) return chunks - next;
    next = was;
  }
  return 0;
}

/** Ends packets of one device process. */
export class Completer {
  readonly #control: SharedMemory;
  readonly #wakeFd: number;
  readonly #leave: (() => PacketFailure | undefined) | undefined;

  /** `leave` is called once before each packet is complete, when all of its stores have happened; it may fail it. */
  constructor(control: SharedMemory, wakeFd: number, leave?: () => PacketFailure | undefined) {
    this.#control = control;
    this.#wakeFd = wakeFd;
    this.#leave = leave;
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
    const text = failureText(failure, SLOT_ERROR_BYTES);
    i32[word + SLOT.ERROR_LENGTH] = writeText(this.#control, byte + SLOT_ERROR, SLOT_ERROR_BYTES, text);
  }

  /** Counts chunks as finished; the last one completes the packet. */
  finish(queue: number, index: number, chunks: number): void {
    const { i32, f64 } = this.#control;
    const byte = slotByte(queue, index);
    const word = byte / 4;
    const total = i32[word + SLOT.CHUNKS]!;
    if (Atomics.add(i32, word + SLOT.FINISHED, chunks) + chunks !== total) return;
    const failure = this.#leave?.();
    if (failure) this.fail(queue, index, failure);
    f64[byte / 8 + SLOT_F64.FINISHED] = monotonicNow();
    const ring = queueWord(queue);
    const outOfOrder = i32[ring + QUEUE.OUT_OF_ORDER] === 1;
    Atomics.store(i32, word + SLOT.DONE, 1);
    if (outOfOrder) this.#advance(queue, ring);
    else Atomics.store(i32, ring + QUEUE.HEAD, (index + 1) | 0);
    Atomics.add(i32, HEADER.COMPLETIONS, 1);
    if (Atomics.load(i32, HEADER.HOST_BLOCKED) > 0) {
      futexWake(this.#control.address + HEADER.COMPLETIONS * 4, 0x7fffffff);
    }
    if (Atomics.load(i32, HEADER.HOST_ASLEEP) === 1 && Atomics.exchange(i32, HEADER.HOST_ASLEEP, 0) === 1) {
      writeTo(this.#wakeFd, wakeByte);
    }
    // Only in order does the next packet begin with the end of this one.
    if (!outOfOrder && Atomics.load(i32, ring + QUEUE.WRITE) !== ((index + 1) | 0))
      ringDoorbell(this.#control, 0x7fffffff);
  }

  /**
   * Moves the head over all packets that are done. A slot that the host has put to use again meanwhile may be looked at
   * here, but then the head has moved and the exchange fails.
   */
  #advance(queue: number, ring: number): void {
    const { i32 } = this.#control;
    for (;;) {
      const head = Atomics.load(i32, ring + QUEUE.HEAD);
      if (head === Atomics.load(i32, ring + QUEUE.WRITE)) return;
      if (Atomics.load(i32, slotByte(queue, head) / 4 + SLOT.DONE) !== 1) return;
      Atomics.compareExchange(i32, ring + QUEUE.HEAD, head, (head + 1) | 0);
    }
  }
}

/** Says that there may be work: cores that spin see it, up to `count` that sleep are woken. */
export function ringDoorbell(control: SharedMemory, count: number): void {
  Atomics.add(control.i32, HEADER.DOORBELL, 1);
  if (Atomics.load(control.i32, HEADER.SLEEPERS) > 0) {
    futexWake(control.address + HEADER.DOORBELL * 4, count);
  }
}
