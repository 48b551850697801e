/**
 * Those in an attached side who wait for a buffer of some name that is not there yet.
 *
 * @module
 */
import { TimeoutError } from '../../errors.ts';
import type { CheckedWait } from '../sync/wait-options.ts';
import type { AttachedBuffer } from './attached-buffer.ts';
import type { Bell } from './bell.ts';
import { cutName } from './buffer-table.ts';

interface Waiting {
  readonly name: string;
  readonly found: (buffer: AttachedBuffer) => void;
  readonly failed: (error: unknown) => void;
}

export class Expected {
  readonly #bell: Bell;
  readonly #waiting = new Set<Waiting>();

  constructor(bell: Bell) {
    this.#bell = bell;
  }

  /** Rejects with TimeoutError, the signal's reason, or what {@link failed} is given. */
  async wait(name: string, { timeout, signal, ref }: CheckedWait): Promise<AttachedBuffer> {
    let timer: NodeJS.Timeout | undefined;
    let aborted: (() => void) | undefined;
    let waiting: Waiting | undefined;
    if (ref) this.#bell.hold();
    try {
      return await new Promise<AttachedBuffer>((found, failed) => {
        waiting = { name: cutName(name), found, failed };
        this.#waiting.add(waiting);
        aborted = () => failed(signal?.reason);
        signal?.addEventListener('abort', aborted, { once: true });
        if (timeout === Number.POSITIVE_INFINITY) return;
        timer = setTimeout(
          () => failed(new TimeoutError(`buffer '${name}'`, timeout)),
          Math.min(timeout, 2 ** 31 - 1),
        );
        if (!ref) timer.unref();
      });
    } finally {
      if (waiting) this.#waiting.delete(waiting);
      if (aborted) signal?.removeEventListener('abort', aborted);
      clearTimeout(timer);
      if (ref) this.#bell.letGo();
    }
  }

  /** A buffer came to be. */
  found(buffer: AttachedBuffer): void {
    for (const { name, found } of this.#waiting) if (name === buffer.name) found(buffer);
  }

  /** Nothing will come any more, of that name or at all. */
  failed(error: unknown, only?: string): void {
    for (const { name, failed } of this.#waiting) if (only === undefined || name === only) failed(error);
  }
}
