/**
 * The bytes that a program is given as: copied at once, since the caller may go on to change them, and taken from any
 * realm (a test runner's, a `vm` context's), whose classes are not this one's.
 *
 * @module
 */
import { isArrayBuffer, isUint8Array } from '../engine/byte-arrays.ts';
import { invalidType } from '../errors.ts';

/** A copy; undefined where the source is no bytes. Throws TypeError where their ArrayBuffer was transferred. */
export function programBytes(source: unknown): Uint8Array<ArrayBuffer> | undefined {
  const isArray = isUint8Array(source);
  if (!isArray && !isArrayBuffer(source)) return undefined;
  try {
    const bytes = isArray
      ? new Uint8Array(source.buffer, source.byteOffset, source.length)
      : new Uint8Array(source);
    return Uint8Array.from(bytes);
  } catch {
    throw invalidType('program', 'bytes whose ArrayBuffer has not been transferred', source);
  }
}
