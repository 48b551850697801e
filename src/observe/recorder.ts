/**
 * Keeps what mirrors of this thread publish, for a trace. Beside the events it looks at how much memory buffers have, ten
 * times a second at most, and for no more than a fiftieth of the time.
 *
 * @module
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { invalidType, outOfRange } from '../errors.ts';
import { subscribe } from './channels.ts';
import { chromeTrace, type MemorySample, type RecordedEvent } from './chrome-trace.ts';
import { EVENT_NAMES } from './event-names.ts';
import type { MirrorIdentity } from './events.ts';
import type { ChromeTrace } from './trace-format.ts';

/** Milliseconds between two looks at the memory of a mirror. */
const SAMPLE_EVERY = 100;
/** A look at large buffers takes long: the next one comes after so many times as long. */
const SPARING = 50;
const MOST_EVENTS = 1_000_000;
/** Events that are written at once. */
const LINES = 10_000;

export interface RecorderOptions {
  /** Events that are kept at most, the first ones; 1,000,000 by default. */
  readonly limit?: number;
}

/** What is asked of a mirror. */
interface Sampled {
  readonly closed: boolean;
  buffers(): readonly { residentBytes(): number }[];
}

export class Recorder {
  readonly #records: (RecordedEvent | MemorySample)[] = [];
  readonly #limit: number;
  readonly #ends: (() => void)[];
  readonly #mirrors = new Map<number, { readonly object: Sampled; next: number }>();
  #missing = 0;

  /** Records from now on. Throws TypeError or RangeError. */
  constructor(options: RecorderOptions = {}) {
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
    const { limit = MOST_EVENTS } = options;
    if (typeof limit !== 'number') throw invalidType('limit', 'a number', limit);
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw outOfRange('limit', 'an integer of at least 1', limit);
    this.#limit = limit;
    this.#ends = EVENT_NAMES.map((name) =>
      subscribe(name, (event) => this.#take({ name, event } as RecordedEvent)),
    );
  }

  /** Events that are kept. */
  get size(): number {
    return this.#records.length;
  }

  /** Events that came when {@link RecorderOptions.limit} had been reached. */
  get missing(): number {
    return this.#missing;
  }

  /** What was recorded, as a trace that Chrome and Perfetto show. */
  trace(): ChromeTrace {
    return chromeTrace(this.#records, { pid: process.pid, thread: threadId, missing: this.#missing });
  }

  /** Writes {@link Recorder.trace} as JSON into a file; throws what the file system does. */
  write(path: string | URL): void {
    const { traceEvents, ...rest } = this.trace();
    const file = openSync(path, 'w');
    try {
      writeFileSync(file, `${JSON.stringify(rest).slice(0, -1)},"traceEvents":[`);
      for (let i = 0; i < traceEvents.length; i += LINES) {
        // One event per line; all together may be longer than a string can be.
        const lines = traceEvents.slice(i, i + LINES).map((event) => JSON.stringify(event));
        writeFileSync(file, `${i === 0 ? '' : ','}\n${lines.join(',\n')}`);
      }
      writeFileSync(file, '\n]}\n');
    } finally {
      closeSync(file);
    }
  }

  /** Records no more; what was recorded stays. */
  [Symbol.dispose](): void {
    for (const end of this.#ends.splice(0)) end();
    this.#mirrors.clear();
  }

  #take(record: RecordedEvent): void {
    const { name, event } = record;
    if (name === 'open') this.#mirrors.set(event.mirror.id, { object: event.object as Sampled, next: 0 });
    if (name === 'close') this.#mirrors.delete(event.mirror.id);
    this.#keep(record);
    this.#sample(event.mirror, event.time);
  }

  #keep(record: RecordedEvent | MemorySample): void {
    if (this.#records.length < this.#limit) this.#records.push(record);
    else this.#missing++;
  }

  #sample(mirror: MirrorIdentity, time: number): void {
    const known = this.#mirrors.get(mirror.id);
    if (!known || time < known.next || known.object.closed) return;
    const began = performance.now();
    let residentBytes = 0;
    for (const buffer of known.object.buffers()) residentBytes += buffer.residentBytes();
    known.next = time + Math.max(SAMPLE_EVERY, SPARING * (performance.now() - began));
    this.#keep({ name: 'sample', event: { mirror, time, residentBytes } });
  }
}
