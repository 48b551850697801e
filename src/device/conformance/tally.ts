/**
 * Counts what of the suite was run: a case that was neither run nor skipped with a reason must not go unnoticed, nor one
 * that nobody allowed to be skipped.
 *
 * @module
 */
import assert from 'node:assert/strict';

export class Tally {
  readonly #names: readonly string[];
  readonly #ran = new Set<string>();
  readonly #skipped = new Map<string, Set<string>>();
  /** Of these the case itself said that it can't run. */
  readonly #unannounced = new Set<string>();

  /** `names`: of all cases. */
  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** The case has come to its end, for one device at least. */
  ran(name: string): void {
    this.#ran.add(name);
  }

  /** The case was skipped, as a whole or for a device; `announced`: for what the target says a device is without. */
  skipped(name: string, reason: string, announced = false): void {
    if (!announced) this.#unannounced.add(name);
    const reasons = this.#skipped.get(name) ?? new Set();
    this.#skipped.set(name, reasons.add(reason));
  }

  /** A line for each that was skipped, with the reason, and one for all. */
  lines(): string[] {
    const lines = [...this.#skipped].map(([name, reasons]) => `skipped: ${name}: ${[...reasons].join('; ')}`);
    return [`${this.#ran.size} of ${this.#names.length} cases ran`, ...lines];
  }

  /** Throws where a case is missing, or was skipped unannounced whose name begins with none of `allowed`. */
  check(allowed: readonly string[] | undefined): void {
    const missing = this.#names.filter((name) => !this.#ran.has(name) && !this.#skipped.has(name));
    assert.deepEqual(missing, [], 'cases that were not run to their end');
    if (!allowed) return;
    const others = [...this.#unannounced].filter(
      (name) => !allowed.some((beginning) => name.startsWith(beginning)),
    );
    assert.deepEqual(others, [], 'cases that were skipped, and may not be');
  }
}
