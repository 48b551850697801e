/**
 * Something that ends once, well or badly, and that commands can wait for: a command, a user event, a gate of a queue.
 * Who waits is told in turn and never from within another's turn, so that a chain of a hundred thousand that ends at
 * once takes no more stack than one. Pure.
 *
 * @module
 */

/** Those that are yet to be told; one call tells them all. */
const untold: (() => void)[] = [];
let telling = false;

function tell(callbacks: readonly (() => void)[]): void {
  for (const callback of callbacks) untold.push(callback);
  if (telling) return;
  telling = true;
  try {
    for (let i = 0; i < untold.length; i++) untold[i]!();
  } finally {
    untold.length = 0;
    telling = false;
  }
}

export abstract class Settlement {
  /** Identifies the mirror that it belongs to. */
  abstract readonly scope: object;
  /** What it is, for those that fail with it: "launch of 'sum' on queue-0". */
  abstract readonly description: string;
  /** Somebody asked for `done`, or waits: a failure is not silent. */
  observed = false;
  #outcome: 'pending' | 'complete' | 'failed' = 'pending';
  #error: unknown;
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #callbacks: (() => void)[] | undefined;

  get outcome(): 'pending' | 'complete' | 'failed' {
    return this.#outcome;
  }

  get settled(): boolean {
    return this.#outcome !== 'pending';
  }

  get error(): unknown {
    return this.#error;
  }

  get done(): Promise<void> {
    this.observed = true;
    if (!this.#promise) {
      if (this.#outcome === 'complete') this.#promise = Promise.resolve();
      else if (this.#outcome === 'failed') this.#promise = Promise.reject(this.#error);
      else {
        this.#promise = new Promise((resolve, reject) => {
          this.#resolve = resolve;
          this.#reject = reject;
        });
      }
    }
    return this.#promise;
  }

  /** What must end before this can; nothing where that is somebody's decision, or a device's work. */
  waitsFor(): readonly Settlement[] {
    return [];
  }

  /** Calls back when it has ended; it must not have yet. */
  whenSettled(callback: () => void): void {
    this.#callbacks ??= [];
    this.#callbacks.push(callback);
  }

  /** @internal It has ended, with `error` where it has failed; nothing where that is known. */
  protected settle(outcome: 'complete' | 'failed', error: unknown): void {
    this.#outcome = outcome;
    this.#error = error;
    const callbacks = this.#callbacks;
    this.#callbacks = undefined;
    if (outcome === 'complete') this.#resolve?.();
    else this.#reject?.(error);
    if (callbacks) tell(callbacks);
  }
}

/** Ends when its queue's order allows what comes behind it, and never fails. */
export class Gate extends Settlement {
  readonly scope: object;
  readonly description = 'a barrier';
  readonly #waitsFor: () => readonly Settlement[];

  constructor(scope: object, waitsFor: () => readonly Settlement[]) {
    super();
    this.scope = scope;
    this.#waitsFor = waitsFor;
  }

  override waitsFor(): readonly Settlement[] {
    return this.#waitsFor();
  }

  open(): void {
    if (!this.settled) this.settle('complete', undefined);
  }
}
