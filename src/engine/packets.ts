/**
 * The packets that queues make of commands: a kernel over its items, or nothing but a place in the order. Pure.
 *
 * @module
 */
import type { Packet } from './command.ts';
import { PACKET_TYPE } from './control-layout.ts';

/** Runs a kernel over its items; nothing where there are none. */
export function dispatch(
  kernel: number,
  items: number,
  chunk: number,
  args: readonly (number | bigint)[],
): Packet {
  if (items === 0) return nothing();
  return { type: PACKET_TYPE.DISPATCH, kernel, items, chunk, chunks: Math.ceil(items / chunk), args };
}

/** Ends when all before it have ended. */
export function nothing(): Packet {
  return { type: PACKET_TYPE.BARRIER, kernel: 0, items: 0, chunk: 1, chunks: 1, args: [] };
}
