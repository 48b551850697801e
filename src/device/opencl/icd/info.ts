/**
 * The answers of `clGet…Info`: texts, numbers, lists, each asked for with the size that the driver names.
 *
 * @module
 */
import { checkStatus } from './status.ts';

/** A `clGet…Info` with its object and the name of what is asked for: `(size, value, sizeReturned) => status`. */
export type Query = (
  size: number,
  value: NodeJS.ArrayBufferView | null,
  needed: NodeJS.ArrayBufferView | null,
) => number;

/** The answer's bytes. Throws OpenClError. */
function infoBytes(call: string, query: Query): Uint8Array<ArrayBuffer> {
  const needed = new BigUint64Array(1);
  checkStatus(call, query(0, null, needed));
  const bytes = new Uint8Array(Number(needed[0]));
  if (bytes.length > 0) checkStatus(call, query(bytes.length, bytes, null));
  return bytes;
}

/** Up to the null that ends it, blanks around it removed. */
export function infoText(call: string, query: Query): string {
  const bytes = infoBytes(call, query);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.buffer, 0, end === -1 ? bytes.length : end)
    .toString('utf8')
    .trim();
}

/** A number of 4 bytes (cl_uint, cl_bool) or 8 (cl_ulong, size_t, a handle). Above 2^53 it is rounded. */
export function infoNumber(call: string, query: Query): number {
  const bytes = infoBytes(call, query);
  const data = new DataView(bytes.buffer);
  return bytes.length === 4 ? data.getUint32(0, true) : Number(data.getBigUint64(0, true));
}

/** Numbers of 8 bytes (size_t). */
export function infoNumbers(call: string, query: Query): number[] {
  const bytes = infoBytes(call, query);
  return [...new BigUint64Array(bytes.buffer)].map(Number);
}

/** The `cl_int` behind the error argument of a `clCreate…`. */
export function created(call: string, create: (status: Int32Array) => number): number {
  const status = new Int32Array(1);
  const handle = create(status);
  checkStatus(call, status[0]!);
  return handle;
}
