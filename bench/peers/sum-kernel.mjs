// A kernel over ordinary memory of the host, and the same function for a worker thread that is sent a copy.
import { view } from '../../dist/device/process/kernel/index.js';

/** @param {Float64Array} values */
export function total(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}

/** @type {(begin: number, end: number, from: number, count: number, to: number) => void} */
export function sum(_begin, _end, from, count, to) {
  view(Float64Array, to, 1)[0] = total(view(Float64Array, from, count));
}

/**
 * Reads a byte of each page of a list of addresses.
 * @type {(begin: number, end: number, list: number, count: number, to: number) => void}
 */
export function touchListed(_begin, _end, list, count, to) {
  const addresses = view(Float64Array, list, count);
  let seen = 0;
  for (let i = 0; i < count; i++) seen += view(Uint8Array, addresses[i], 1)[0];
  view(Float64Array, to, 1)[0] = seen;
}
