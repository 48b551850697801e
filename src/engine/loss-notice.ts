/**
 * The promise of a device's next loss: it resolves with the reason, and there is a new one as soon as the device is on
 * its way back. Pure.
 *
 * @module
 */
import type { DeviceLost } from '../errors.ts';

export class LossNotice {
  #promise!: Promise<DeviceLost>;
  #resolve!: (lost: DeviceLost) => void;
  #last: DeviceLost | undefined;

  constructor() {
    this.renew();
  }

  get promise(): Promise<DeviceLost> {
    return this.#promise;
  }

  /** The last loss that there was. */
  get last(): DeviceLost | undefined {
    return this.#last;
  }

  renew(): void {
    this.#promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  tell(lost: DeviceLost): void {
    this.#last = lost;
    this.#resolve(lost);
  }
}
