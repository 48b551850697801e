/**
 * The processes and threads of a trace, by what they stand for: numbers, and the records that name them. Slices that
 * overlap can't share a thread, so a queue whose commands run side by side gets as many as it needs. Pure.
 *
 * @module
 */
import type { Metadata } from './trace-format.ts';

/** Numbers of processes end below that (PID_MAX_LIMIT); those of devices and of other threads are made up, above it. */
const MOST_PIDS = 2 ** 22;
/** Made-up numbers for one thread, and threads of one process. */
const PER_THREAD = 32;
const THREADS = 32;
/**
 * Milliseconds by which a command of a queue in order may seem to begin before its predecessor has ended: cores read one
 * clock by different ways.
 */
const CLOCK_NOISE = 0.02;

/** A thread of a trace. */
export interface Track {
  readonly pid: number;
  readonly tid: number;
}

interface Process {
  readonly pid: number;
  readonly threads: Map<string, Track>;
}

export class Tracks {
  readonly metadata: Metadata[] = [];
  readonly #host: number;
  readonly #thread: number;
  readonly #processes = new Map<string, Process>();
  /** By the thread of the first: when the last slice of each ends. */
  readonly #lanes = new Map<Track, { readonly track: Track; end: number }[]>();

  /** `host`: the number of the process that was traced; `thread`: that of its thread, 0 for the main one. */
  constructor(host: number, thread: number) {
    this.#host = host;
    this.#thread = thread;
  }

  /** A thread of the traced process. */
  host(thread: string): Track {
    const which = this.#thread === 0 ? '' : `, thread ${this.#thread}`;
    const process = this.#process('', `host (pid ${this.#host}${which})`);
    return this.#track(process, thread);
  }

  /** A thread of a device. */
  device(mirror: string, device: string, thread: string): Track {
    return this.#track(this.#process(`${mirror}\n${device}`, `device ${device} of ${mirror}`), thread);
  }

  /** A thread beside `first` that has room for a slice, and when that begins: later by at most what clocks are apart. */
  lane(
    first: Track,
    name: string,
    start: number,
    end: number,
  ): { readonly track: Track; readonly start: number } {
    const lanes = this.#lanes.get(first) ?? [];
    this.#lanes.set(first, lanes);
    let lane = lanes.find((each) => each.end - start <= CLOCK_NOISE);
    if (!lane) {
      const process = [...this.#processes.values()].find(({ pid }) => pid === first.pid)!;
      const track = lanes.length === 0 ? first : this.#track(process, `${name} (${lanes.length + 1})`);
      lane = { track, end: start };
      lanes.push(lane);
    }
    const from = Math.max(start, lane.end);
    lane.end = Math.max(from, end);
    return { track: lane.track, start: from };
  }

  #madeUp(number: number): number {
    const ofThread = (this.#host % 2 ** 18) * THREADS + (this.#thread % THREADS);
    return MOST_PIDS + ofThread * PER_THREAD + (number % PER_THREAD);
  }

  #process(key: string, name: string): Process {
    const known = this.#processes.get(key);
    if (known) return known;
    const number = this.#processes.size;
    const pid = key === '' && this.#thread === 0 ? this.#host : this.#madeUp(number);
    const made: Process = { pid, threads: new Map() };
    this.#processes.set(key, made);
    this.metadata.push(
      { ph: 'M', pid, tid: 0, name: 'process_name', args: { name } },
      { ph: 'M', pid, tid: 0, name: 'process_sort_index', args: { sort_index: number } },
    );
    return made;
  }

  #track({ pid, threads }: Process, name: string): Track {
    const known = threads.get(name);
    if (known) return known;
    const track = { pid, tid: threads.size + 1 };
    threads.set(name, track);
    this.metadata.push(
      { ph: 'M', ...track, name: 'thread_name', args: { name } },
      { ph: 'M', ...track, name: 'thread_sort_index', args: { sort_index: track.tid } },
    );
    return track;
  }
}
