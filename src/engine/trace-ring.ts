/**
 * What happens in a device's process, told to its host: records of fixed size in shared memory, one ring for each of the
 * two threads that answer page faults. Each writes alone, the host alone reads. Where the host is behind, records are
 * dropped and counted. Where nobody listens nothing is written: one load for each fault.
 *
 * @module
 */
import type { Address, Range } from '../mm/address.ts';
import { monotonicNow } from './completion.ts';
import {
  HEADER,
  TRACE,
  TRACE_RECORD_BYTES,
  TRACE_RECORDS,
  TRACE_RINGS,
  traceRecord,
  traceWord,
} from './control-layout.ts';
import type { SharedMemory } from './shared-memory.ts';

/** What records tell of, by their numbers. */
export const TRACED = {
  FAULT_ALLOCATED: 1,
  FAULT_MAPPED: 2,
  FAULT_OWN: 3,
  FAULT_UNMAPPED: 4,
  FAULT_READ_ONLY: 5,
  FETCH: 16,
  PREFETCH: 17,
  WRITE_BACK_COMPLETION: 32,
  WRITE_BACK_INVALIDATION: 33,
  WRITE_BACK_CAPACITY: 34,
  INVALIDATE_WRITTEN: 48,
  INVALIDATE_REMAPPED: 49,
  INVALIDATE_UNTRACKED: 50,
  INVALIDATE_ADVISED: 51,
} as const;

export interface TraceRecord extends Range {
  /** A {@link TRACED}. */
  readonly kind: number;
  /** Milliseconds on the monotonic clock. */
  readonly time: number;
  readonly duration: number;
  readonly address: Address;
  readonly bytes: number;
  /** For a fault: 2 * (core + 1), and 1 more for a store. For a write-back: bytes that could not be written. */
  readonly detail: number;
}

/** The writing end: of one thread. */
export class TraceWriter {
  readonly #control: SharedMemory;
  readonly #ring: number;
  readonly #word: number;

  constructor(control: SharedMemory, ring: number) {
    this.#control = control;
    this.#ring = ring;
    this.#word = traceWord(ring);
  }

  /** When something begins; undefined where nobody wants to know. */
  begin(): number | undefined {
    return Atomics.load(this.#control.i32, HEADER.TRACING) === 1 ? monotonicNow() : undefined;
  }

  /** What has begun has ended. Before anybody is woken who would tell the host more. */
  end(
    began: number | undefined,
    kind: number,
    address: Address,
    { start, end }: Range,
    bytes: number,
    detail = 0,
  ): void {
    if (began === undefined) return;
    const { i32, f64 } = this.#control;
    const word = this.#word;
    const written = i32[word + TRACE.WRITTEN]!;
    if (((written - Atomics.load(i32, word + TRACE.READ)) | 0) >= TRACE_RECORDS) {
      Atomics.add(i32, word + TRACE.DROPPED, 1);
      return;
    }
    const at = traceRecord(this.#ring, written);
    f64[at] = kind;
    f64[at + 1] = began;
    f64[at + 2] = monotonicNow() - began;
    f64[at + 3] = address;
    f64[at + 4] = start;
    f64[at + 5] = end;
    f64[at + 6] = bytes;
    f64[at + 7] = detail;
    Atomics.store(i32, word + TRACE.WRITTEN, (written + 1) | 0);
  }
}

/** Has the device's process tell, or no longer. */
export function setTracing({ i32 }: SharedMemory, on: boolean): void {
  const word = on ? 1 : 0;
  if (i32[HEADER.TRACING] !== word) Atomics.store(i32, HEADER.TRACING, word);
}

/** Takes out what has been written, in the order of time; and how many records are missing. */
export function drainTrace(control: SharedMemory): { records: TraceRecord[]; dropped: number } {
  const { i32, f64 } = control;
  const records: TraceRecord[] = [];
  let dropped = 0;
  for (let ring = 0; ring < TRACE_RINGS; ring++) {
    const word = traceWord(ring);
    const written = Atomics.load(i32, word + TRACE.WRITTEN);
    let read = i32[word + TRACE.READ]!;
    // What stands there after a process has gone astray may be anything.
    if ((written - read) >>> 0 > TRACE_RECORDS) read = written;
    for (; read !== written; read = (read + 1) | 0) {
      const at = traceRecord(ring, read);
      const [kind, time, duration, address, start, end, bytes, detail] = f64.subarray(
        at,
        at + TRACE_RECORD_BYTES / 8,
      ) as unknown as [number, number, number, number, number, number, number, number];
      records.push({ kind, time, duration, address, start, end, bytes, detail });
    }
    if (i32[word + TRACE.READ] !== written) Atomics.store(i32, word + TRACE.READ, written);
    if (i32[word + TRACE.DROPPED] !== 0) dropped += Atomics.exchange(i32, word + TRACE.DROPPED, 0);
  }
  // Each ring is in order by itself.
  records.sort((a, b) => a.time - b.time);
  return { records, dropped };
}
