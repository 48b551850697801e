/**
 * Where the page's data comes from: pictures that are asked for now and then, sooner after something has changed, and
 * events as they happen. Says when the program has gone.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { EVENT_NAMES } from '../observe/event-names.ts';
import type { EventName, MirrorEvents } from '../observe/events.ts';
import type { LivePlan, LiveResidence, LiveSnapshot } from '../web/live-mirrors.ts';

export interface Listener {
  snapshot(live: LiveSnapshot): void;
  event<Name extends EventName>(name: Name, event: MirrorEvents[Name]): void;
  state(text: string, bad: boolean): void;
}

/** Milliseconds between two pictures: where nothing happens, and at least. */
const SELDOM = 2000;
const OFTEN = 150;
/** And at most, however long the last one took. */
const LONGEST = 5000;
/** After these the picture is another. */
const CHANGES = new Set<EventName>([
  'open',
  'close',
  'map',
  'unmap',
  'place',
  'device-lost',
  'device-reopen',
]);

export class Source {
  readonly #listener: Listener;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = Number.NEGATIVE_INFINITY;
  #took = 0;
  #asking = false;
  #again = false;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  start(): void {
    const events = new EventSource('events');
    events.addEventListener('open', () => this.#listener.state('live', false));
    events.addEventListener('error', () =>
      this.#listener.state('the program does not answer: it may have ended', true),
    );
    for (const name of EVENT_NAMES)
      events.addEventListener(name, ({ data }: MessageEvent<string | undefined>) => {
        // The connection's own `open` is of the same name, and tells nothing.
        if (data === undefined) return;
        this.#listener.event(name, JSON.parse(data));
        if (CHANGES.has(name)) this.soon();
      });
    void this.#ask();
  }

  /** A new picture, as soon as it is time. */
  soon(): void {
    this.#schedule(Math.max(0, this.#last + this.#often() - performance.now()));
  }

  async plan(mirror: number, size: number, at: number | undefined): Promise<LivePlan> {
    const query = new URLSearchParams({ mirror: String(mirror), size: String(size) });
    if (at !== undefined) query.set('at', String(at));
    const response = await fetch(`plan?${query}`);
    const answer = await response.json();
    return response.ok ? answer : { ok: false, message: answer.error.message };
  }

  /** What of the buffers in a range is in memory; nothing where the mirror has gone. */
  async residence(mirror: number, { start, end }: Range): Promise<LiveResidence['parts']> {
    const query = new URLSearchParams({ mirror: `${mirror}`, start: `${start}`, end: `${end}` });
    const response = await fetch(`residence?${query}`);
    return response.ok ? ((await response.json()) as LiveResidence).parts : [];
  }

  /** A picture of thousands of buffers is work for the program that is looked at: it has most of the time for itself. */
  #often(): number {
    return Math.max(OFTEN, Math.min(LONGEST, 5 * this.#took));
  }

  #schedule(after: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), after);
  }

  async #ask(): Promise<void> {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    this.#last = performance.now();
    try {
      const response = await fetch('snapshot');
      if (response.ok) this.#listener.snapshot(await response.json());
      else this.#listener.state((await response.json()).error.message, true);
    } catch {
      this.#listener.state('the program does not answer: it may have ended', true);
    }
    this.#asking = false;
    this.#took = performance.now() - this.#last;
    this.#schedule(this.#again ? this.#often() : Math.max(SELDOM, this.#often()));
    this.#again = false;
  }
}
