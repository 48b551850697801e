/**
 * The events' clock as the page sees it: the machine's monotonic time, guessed from the newest event, so that bars move on
 * between events. Pure.
 *
 * @module
 */
export class EventClock {
  /** What the page's clock is behind: the least that was seen, since an event may be late but never early. */
  #ahead = Number.NEGATIVE_INFINITY;

  /** An event of that time came in now. */
  seen(time: number, now: number): void {
    this.#ahead = Math.max(this.#ahead, time - now);
  }

  /** Milliseconds; undefined before the first event. */
  at(now: number): number | undefined {
    return this.#ahead === Number.NEGATIVE_INFINITY ? undefined : now + this.#ahead;
  }
}
