/**
 * How long a thread that is to block looks at a word before it sleeps. Looking saves a wake-up where the answer comes soon.
 * Where it was of no use (the answer takes long, or the machine is busy and looking only takes time from the one that is
 * waited for) the next wait looks for a quarter of it, and once in a while for long again. Pure.
 *
 * @module
 */

const TRY_LONG = 64;

export class UsefulSpin {
  readonly #longest: number;
  #spin: number;
  #waits = 0;

  /** At most so many milliseconds. */
  constructor(longest: number) {
    this.#longest = longest;
    this.#spin = longest;
  }

  /** Milliseconds to look in the wait that begins now. */
  next(): number {
    return ++this.#waits % TRY_LONG === 0 ? this.#longest : this.#spin;
  }

  /** The answer came within `spin` milliseconds of looking. */
  worked(spin: number): void {
    this.#spin = Math.min(this.#longest, spin * 1.5 + 0.001);
  }

  failed(spin: number): void {
    this.#spin = Math.min(this.#spin, spin) / 4;
  }
}
