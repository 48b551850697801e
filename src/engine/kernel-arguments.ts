/**
 * Checks the arguments of a launch by their kinds, and turns them into what its packet holds. Everything is refused here,
 * before a byte of shared memory changes. Pure.
 *
 * @module
 */
import type { Addressed, ArgumentKind } from '../device/device.ts';
import { invalidType, outOfRange } from '../errors.ts';
import type { Range } from '../mm/address.ts';

export const ARGUMENT_KINDS: readonly ArgumentKind[] = ['pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64'];

export function checkTimeout(timeout: unknown): asserts timeout is number {
  if (typeof timeout !== 'number') throw invalidType('timeout', 'a number of milliseconds', timeout);
  if (!(timeout >= 0)) throw outOfRange('timeout', '>= 0 milliseconds', timeout);
}

export function isAddressed(value: unknown): value is Addressed {
  return typeof value === 'object' && value !== null && typeof (value as Addressed).address === 'number';
}

/** How arguments are checked against the device. */
export interface ArgumentContext {
  /** The end of what a pointer can reach, exclusive. */
  readonly pointerLimit: number;
  /**
   * Throws where a buffer is not live, not this device's to touch, or mapped by the host; or where what is no buffer can't
   * be reached.
   */
  checkBuffer(name: string, buffer: Addressed): void;
  /** Throws where the address is in a buffer that the host has mapped, or can't be reached. */
  checkPointer(name: string, address: number): void;
  /** As both, for what a launch names beside its arguments: the range where it is no buffer, which may be out of reach. */
  foreign(name: string, used: unknown): Range | undefined;
}

/** One value per kind: numbers as they are, 64-bit kinds as bigints. */
export function packArguments(
  kernel: string,
  kinds: readonly ArgumentKind[],
  args: unknown,
  context: ArgumentContext,
): (number | bigint)[] {
  checkCount(kernel, kinds, args);
  return kinds.map((kind, i) => packArgument(`args[${i}]`, kind, args[i], context));
}

/** Throws where the arguments are not as many as the kinds. */
export function checkCount(
  kernel: string,
  kinds: readonly string[],
  args: unknown,
): asserts args is readonly unknown[] {
  if (!Array.isArray(args)) throw invalidType('args', 'an array', args);
  if (args.length !== kinds.length) {
    throw outOfRange(
      'args',
      `${kinds.length} values, as kernel '${kernel}' takes (${kinds.join(', ')})`,
      args.length,
    );
  }
}

/** One value: a number as it is, of a 64-bit kind a bigint. */
export function packArgument(
  name: string,
  kind: ArgumentKind,
  value: unknown,
  context: ArgumentContext,
): number | bigint {
  switch (kind) {
    case 'pointer':
      if (isAddressed(value)) {
        context.checkBuffer(name, value);
        return value.address;
      }
      if (typeof value !== 'number') throw invalidType(name, 'an address or a buffer', value);
      integer(name, value, 0, context.pointerLimit - 1);
      context.checkPointer(name, value);
      return value;
    case 'u32':
      return integer(name, number(name, value), 0, 0xffffffff);
    case 'i32':
      return integer(name, number(name, value), -(2 ** 31), 2 ** 31 - 1);
    case 'u64':
      return wide(name, value, 0n, 2n ** 64n - 1n);
    case 'i64':
      return wide(name, value, -(2n ** 63n), 2n ** 63n - 1n);
    case 'f32':
      return Math.fround(number(name, value));
    case 'f64':
      return number(name, value);
  }
}

function number(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  return value;
}

function integer(name: string, value: number, low: number, high: number): number {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    throw outOfRange(name, `an integer from ${low} to ${high}`, value);
  }
  return value;
}

function wide(name: string, value: unknown, low: bigint, high: bigint): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw invalidType(name, 'a number or a bigint', value);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw outOfRange(name, 'a safe integer, or a bigint', value);
  }
  const exact = BigInt(value);
  if (exact < low || exact > high) throw outOfRange(name, `from ${low} to ${high}`, value);
  return exact;
}
