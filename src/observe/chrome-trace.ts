/**
 * Events of mirrors as a trace that Chrome and Perfetto show: the host, each device, its queues and cores as tracks,
 * commands as slices with arrows from those that they waited for, faults as moments, counters as curves. Pure.
 *
 * @module
 */
import type { CompleteEvent, EventName, LaunchEvent, MirrorEvents, MirrorIdentity } from './events.ts';
import type { ChromeTrace, TraceEvent } from './trace-format.ts';
import { type Track, Tracks } from './tracks.ts';

/** An event with the name of its channel. */
export type RecordedEvent = {
  readonly [Name in EventName]: { readonly name: Name; readonly event: MirrorEvents[Name] };
}[EventName];

/** What a mirror's memory came to at a moment. */
export interface MemorySample {
  readonly name: 'sample';
  readonly event: {
    readonly mirror: MirrorIdentity;
    readonly time: number;
    /** Bytes of its live buffers that are in memory. */
    readonly residentBytes: number;
  };
}

export interface TraceOptions {
  /** The number of the process that the events are of. */
  readonly pid: number;
  /** The number of the thread, as `worker_threads` has it; 0, the main one, by default. */
  readonly thread?: number;
  /** Events that were not recorded. */
  readonly missing?: number;
}

/** A command that has run: where it is in the trace. */
interface Ran {
  readonly track: Track;
  /** Milliseconds. */
  readonly start: number;
  readonly end: number;
}

/** Nanoseconds are what is left of the digits. */
const nanos = (microseconds: number): number => Math.round(microseconds * 1e3) / 1e3;
const micros = (milliseconds: number): number => nanos(milliseconds * 1e3);

/** The trace of events in the order in which they were published. Events with times that are no numbers are left out. */
export function chromeTrace(
  records: readonly (RecordedEvent | MemorySample)[],
  options: TraceOptions,
): ChromeTrace {
  const trace = new TraceBuilder(options.pid, options.thread ?? 0);
  for (const record of records) if (Number.isFinite(record.event.time)) trace.add(record);
  return {
    traceEvents: trace.finish(),
    displayTimeUnit: 'ns',
    otherData: { recorder: 'mirrorspace', clock: 'CLOCK_MONOTONIC', missing: options.missing ?? 0 },
  };
}

class TraceBuilder {
  /** Begins the identities of arrows, so that traces can be put together. */
  readonly #scope: string;
  readonly #tracks: Tracks;
  readonly #events: TraceEvent[] = [];
  readonly #launches = new Map<number, LaunchEvent>();
  readonly #ended: CompleteEvent[] = [];
  readonly #live = new Map<number, number>();
  readonly #pending = new Map<string, number>();

  constructor(pid: number, thread: number) {
    this.#scope = `${pid}.${thread}`;
    this.#tracks = new Tracks(pid, thread);
  }

  add(record: RecordedEvent | MemorySample): void {
    const { event } = record;
    const of = title(event.mirror);
    const host = this.#tracks.host(of);
    const { mirror: _mirror, time, ...rest } = event;
    const args = rest as Readonly<Record<string, unknown>>;
    switch (record.name) {
      case 'place':
      case 'refuse':
      case 'unmap':
        this.#slice(host, time, time + record.event.duration, nameOf(record), 'memory', args);
        if (record.name === 'unmap') this.#memory(record.event, -record.event.mapped);
        return;
      case 'map':
        this.#instant(host, time, nameOf(record), 'memory', args);
        this.#memory(record.event, record.event.mapped - (record.event.grownFrom ?? 0));
        return;
      case 'launch':
        this.#launches.set(record.event.command, record.event);
        this.#queued(record.event, 1, time);
        return;
      case 'complete':
        this.#ended.push(record.event);
        this.#queued(record.event, -1, time);
        return;
      case 'fault': {
        const { device, core, outcome, access } = record.event;
        const track = this.#tracks.device(of, device, core < 0 ? 'device' : `core ${core}`);
        this.#instant(track, time, `${access} fault: ${outcome}`, 'fault', args);
        return;
      }
      case 'fetch':
      case 'write-back':
      case 'invalidate':
        this.#instant(
          this.#tracks.device(of, record.event.device, 'system memory'),
          time,
          `${record.name}: ${record.event.cause}`,
          'system',
          args,
        );
        return;
      case 'device-lost':
      case 'device-reopen':
      case 'dropped':
        this.#instant(
          this.#tracks.device(of, record.event.device, 'device'),
          time,
          record.name,
          'device',
          args,
        );
        return;
      case 'sample':
        this.#counter(host, time, `resident bytes of ${of}`, record.event.residentBytes);
        return;
      default:
        this.#instant(host, time, record.name, 'mirror', args);
    }
  }

  finish(): readonly TraceEvent[] {
    const ran = this.#commands();
    this.#arrows(ran);
    // Parents before what they enclose; a stable sort leaves the rest in order.
    const events = this.#events.sort((a, b) => at(a) - at(b) || length(b) - length(a));
    return [...this.#tracks.metadata, ...events];
  }

  /** Slices of what has run, by when it began, so that each finds a lane. */
  #commands(): ReadonlyMap<number, Ran> {
    const ran = new Map<number, Ran>();
    const began = ({ times: { started, finished } }: CompleteEvent): number =>
      started ?? finished ?? Number.NaN;
    for (const event of this.#ended.sort((a, b) => began(a) - began(b) || a.time - b.time)) {
      const { mirror, device, queue, command, type, kernel, status, error, times, time } = event;
      const first = this.#tracks.device(title(mirror), device, queue);
      const launch = this.#launches.get(command);
      const name = type === 'launch' ? kernel : type;
      const args = { command, type, status, times, ...(error ? { error } : {}), ...about(launch) };
      const { queued, started, finished } = times;
      if (!isTime(started) || !isTime(finished)) {
        this.#instant(first, time, `${name}: ${status}`, type, args);
        continue;
      }
      const end = Math.max(started, finished);
      const { track, start } = this.#tracks.lane(first, queue, started, end);
      this.#slice(track, start, Math.max(start, end), name, type, args);
      ran.set(command, { track, start, end: Math.max(start, end) });
      if (isTime(queued) && queued < start) this.#waiting(first, command, name, queued, start);
    }
    return ran;
  }

  #waiting(track: Track, command: number, name: string, from: number, to: number): void {
    const common = { ...track, id: `${this.#scope}.${command}`, cat: 'waiting', name: `${name} waits` };
    this.#events.push({ ph: 'b', ts: micros(from), ...common }, { ph: 'e', ts: micros(to), ...common });
  }

  #arrows(ran: ReadonlyMap<number, Ran>): void {
    let arrows = 0;
    for (const { command, after } of this.#launches.values()) {
      const target = ran.get(command);
      for (const number of new Set(after)) {
        const source = ran.get(number);
        if (!target || !source) continue;
        const common = { id: `${this.#scope}.${arrows++}`, cat: 'after', name: 'after' };
        const ts = micros(target.start);
        // From within the slice, and never backwards.
        const from = Math.min(Math.max(micros(source.start), micros(source.end) - 0.001), ts);
        this.#events.push(
          { ph: 's', ...source.track, ts: from, ...common },
          { ph: 'f', bp: 'e', ...target.track, ts, ...common },
        );
      }
    }
  }

  #memory({ mirror, time }: MirrorEvents['map' | 'unmap'], change: number): void {
    const bytes = Math.max(0, (this.#live.get(mirror.id) ?? 0) + change);
    this.#live.set(mirror.id, bytes);
    const of = title(mirror);
    this.#counter(this.#tracks.host(of), time, `live bytes of ${of}`, bytes);
  }

  #queued({ mirror, device, queue }: LaunchEvent | CompleteEvent, change: number, time: number): void {
    const track = this.#tracks.device(title(mirror), device, queue);
    const key = `${mirror.id} ${device}`;
    const count = Math.max(0, (this.#pending.get(key) ?? 0) + change);
    this.#pending.set(key, count);
    this.#counter(track, time, 'pending commands', count);
  }

  #slice(
    track: Track,
    start: number,
    end: number,
    name: string,
    cat: string,
    args: TraceEvent['args'],
  ): void {
    const ts = micros(start);
    this.#events.push({
      ph: 'X',
      ...track,
      ts,
      dur: Math.max(0, nanos(micros(end) - ts)),
      name,
      cat,
      args: args!,
    });
  }

  #instant(track: Track, time: number, name: string, cat: string, args: TraceEvent['args']): void {
    this.#events.push({ ph: 'i', s: 't', ...track, ts: micros(time), name, cat, args: args! });
  }

  /** Counters are of a process. */
  #counter({ pid }: Track, time: number, name: string, value: number): void {
    this.#events.push({ ph: 'C', pid, tid: 0, ts: micros(time), name, cat: 'counter', args: { value } });
  }
}

function title({ id, name }: MirrorIdentity): string {
  return `${name} #${id}`;
}

function nameOf(record: RecordedEvent): string {
  if (record.name === 'map' || record.name === 'unmap') return `${record.name} ${record.event.buffer}`;
  return record.name;
}

function about(launch: LaunchEvent | undefined): object {
  if (!launch) return {};
  const { items, after, site } = launch;
  return { ...(items === undefined ? {} : { items }), after, ...(site === undefined ? {} : { site }) };
}

const isTime = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);
const at = (event: TraceEvent): number => (event.ph === 'M' ? 0 : event.ts);
const length = (event: TraceEvent): number => (event.ph === 'X' ? event.dur : 0);
