/**
 * Whether a pager that has just answered looks for the next fault before it sleeps. Looking saves a wake-up for each fault
 * of a run of faults, and takes a processor's time where none comes. It goes on for as long as one of the last few times
 * was of use, however long that took; then it tries now and then. Pure.
 *
 * @module
 */

/** Times in a row of no use after which it stops. */
const CREDIT = 4;
/** Of the times after that, one in so many is tried. */
const TRY_AGAIN = 16;

export class SpinCredit {
  #credit = CREDIT;
  #waits = 0;

  /** Whether to look in the wait that begins now. */
  next(): boolean {
    return this.#credit > 0 || ++this.#waits % TRY_AGAIN === 0;
  }

  /** What came of it. */
  looked(found: boolean): void {
    this.#credit = found ? CREDIT : Math.max(0, this.#credit - 1);
  }
}
