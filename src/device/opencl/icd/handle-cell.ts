/**
 * A place of 8 bytes for one object of the driver's, read and written as two words: a bigint for each would cost more than
 * some of the calls that it is given to. Pure.
 *
 * @module
 */
import type { Handle } from './loader.ts';

export class HandleCell {
  /** What a call is given. */
  readonly bytes = new Uint32Array(2);

  get value(): Handle {
    return this.bytes[0]! + this.bytes[1]! * 2 ** 32;
  }

  set value(handle: Handle) {
    this.bytes[0] = handle;
    this.bytes[1] = handle / 2 ** 32;
  }
}
