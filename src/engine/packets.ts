/**
 * The packets of commands: kernels over items, fills, and nothing at all. Pure.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { isUint8Array } from './byte-arrays.ts';
import type { Packet } from './command.ts';
import { BUILTIN_KERNEL, PACKET_TYPE } from './control-layout.ts';

/** Bytes that a core copies or fills at a time: a multiple of every pattern size that is a power of two. */
export const TRANSFER_CHUNK = 1 << 20;
const LARGEST_PATTERN = 128;

export function dispatch(
  kernel: number,
  items: number,
  chunk: number,
  args: readonly (number | bigint)[],
): Packet {
  if (items === 0) return nothing();
  return { type: PACKET_TYPE.DISPATCH, kernel, items, chunk, chunks: Math.ceil(items / chunk), args };
}

/** A packet that is complete as soon as a core sees it. */
export function nothing(): Packet {
  return { type: PACKET_TYPE.BARRIER, kernel: 0, items: 0, chunk: 1, chunks: 1, args: [] };
}

/** The bytes of a pattern; a number is one byte. */
export function patternBytes(pattern: number | Uint8Array): Uint8Array {
  const bytes = typeof pattern === 'number' ? oneByte(pattern) : pattern;
  if (!isUint8Array(bytes)) throw invalidType('pattern', 'a byte or a Uint8Array', pattern);
  if (bytes.length < 1 || bytes.length > LARGEST_PATTERN) {
    throw outOfRange('pattern', `1 to ${LARGEST_PATTERN} bytes long`, bytes.length);
  }
  return bytes;
}

/** Fills with a pattern of {@link patternBytes}, of which `size` is a multiple. */
export function fillPacket(address: number, size: number, pattern: Uint8Array): Packet {
  if (size % pattern.length !== 0)
    throw outOfRange('size', `a multiple of the pattern's ${pattern.length} bytes`, size);
  const padded = new Uint8Array(Math.ceil(pattern.length / 8) * 8);
  padded.set(pattern);
  const words = [...new BigInt64Array(padded.buffer)];
  const chunk = Math.max(1, Math.floor(TRANSFER_CHUNK / pattern.length)) * pattern.length;
  return dispatch(BUILTIN_KERNEL.FILL, size, chunk, [address, pattern.length, ...words]);
}

function oneByte(pattern: number): Uint8Array {
  if (!Number.isInteger(pattern) || pattern < 0 || pattern > 255)
    throw outOfRange('pattern', 'a byte, 0 to 255', pattern);
  return new Uint8Array([pattern]);
}
