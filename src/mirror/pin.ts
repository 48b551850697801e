/**
 * Memory of the process that is to stay where it is while devices use it: a view's bytes at their address. The pin keeps
 * them alive, and may let kernels store there on devices that read system memory only.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import { addressOf } from '../ffi/library.ts';
import type { Address } from '../mm/address.ts';

export interface PinOptions {
  /** Kernels may store there, to the byte; what they have stored is there when their launch has ended. */
  readonly write?: boolean;
}

/** A pinned range. Disposable. */
export class Pin {
  readonly address: Address;
  readonly size: number;
  /** Held, so that the memory stays. */
  #bytes: Uint8Array | undefined;
  readonly #takeBack: (() => void)[];

  /** @internal Use {@link Mirror.pin}. */
  constructor(bytes: Uint8Array, takeBack: (pin: { start: Address; end: Address }) => (() => void)[]) {
    this.#bytes = bytes;
    this.address = addressOf(bytes);
    this.size = bytes.byteLength;
    this.#takeBack = takeBack({ start: this.address, end: this.address + this.size });
  }

  get end(): Address {
    return this.address + this.size;
  }

  /** The pinned bytes; undefined once disposed. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes;
  }

  /** Ends the pin; safe to call twice. Launches that store there must have ended. */
  dispose(): void {
    for (const each of this.#takeBack.splice(0)) each();
    this.#bytes = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Throws TypeError where `view` is no view or buffer, RangeError where it has no bytes (an empty or detached one) or lies
 * where a device that reaches system memory has something of its own.
 */
export function pinView(view: unknown, options: PinOptions, attached: readonly AttachedDevice[]): Pin {
  const bytes = bytesOf(view);
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { write = false } = options;
  if (typeof write !== 'boolean') throw invalidType('write', 'a boolean', write);
  if (bytes.length === 0) throw outOfRange('view', 'a view with bytes, not detached', 0);
  return new Pin(bytes, (range) => {
    const taken: (() => void)[] = [];
    try {
      for (const { port } of attached)
        if (port.pinned) taken.push(port.pinned({ ...range, write, held: () => bytes.byteLength > 0 }));
    } catch (error) {
      for (const each of taken) each();
      throw error;
    }
    return taken;
  });
}

function bytesOf(view: unknown): Uint8Array {
  if (view instanceof ArrayBuffer || view instanceof SharedArrayBuffer) return new Uint8Array(view);
  if (!ArrayBuffer.isView(view)) throw invalidType('view', 'a typed array, DataView or ArrayBuffer', view);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
