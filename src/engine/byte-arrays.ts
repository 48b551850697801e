/**
 * What is a Uint8Array or an ArrayBuffer, of whatever realm: a test runner's or a `vm` context's classes are not this
 * one's. By internal slots, as `node:util` would tell, whose import opens standard output on Node 26.
 *
 * @module
 */

const tagOf = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const lengthOf = getter(ArrayBuffer.prototype, 'byteLength');

export function isUint8Array(value: unknown): value is Uint8Array {
  return tagOf.call(value) === 'Uint8Array';
}

export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  try {
    lengthOf.call(value);
    return true;
  } catch {
    return false;
  }
}

function getter(of: object, name: string | symbol): (this: unknown) => unknown {
  return Object.getOwnPropertyDescriptor(of, name)!.get!;
}
