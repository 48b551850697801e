/**
 * What may be asked of placement, what a place looks like, and the check at the door: a bad argument is refused
 * here, before anything is looked at or changed. A request that is well formed and cannot be met is no bad
 * argument; it gets a refusal (see refusal.ts).
 *
 * @module
 */

import { hex, invalidType, outOfRange } from '../errors.ts';
import { type Address, alignUp, isPowerOfTwo, type Range } from '../mm/address.ts';

/** Where the caller wants the buffer; without it, anywhere in the common window. */
export type Place =
  /** Exactly here, or not at all. */
  | { readonly at: Address }
  /** The buffer (though not necessarily its guard) lies in `[low, high)`. */
  | { readonly within: readonly [low: Address, high: Address] }
  /** Here if possible (rounded down to the alignment), else anywhere. */
  | { readonly hint: Address };

export interface PlacementRequest {
  /** Bytes, above 0; rounded up to whole pages. */
  readonly size: number;
  /** Bytes, a power of two that is not below the page size; one page if absent. */
  readonly align?: number | undefined;
  /** Bytes to keep free after the buffer, a multiple of the page size; the end of the window may cut it short. */
  readonly guard?: number | undefined;
  /** Search from the highest address down, not from the lowest up. */
  readonly topdown?: boolean | undefined;
  /** Names of the devices that must reach the buffer; all if absent, none (the host alone) if empty. */
  readonly devices?: readonly string[] | undefined;
  readonly place?: Place | undefined;
}

/** The outcome of a search. */
export interface Placement {
  readonly address: Address;
  /** Bytes, whole pages. */
  readonly size: number;
  /** Bytes that are free after the buffer and belong to it: what was asked for, or up to the window's end. */
  readonly guard: number;
  readonly align: number;
  /** What was searched: the addresses that the host can map and all devices reach, and `within` if asked. */
  readonly window: Range;
  /** `driver`: nothing was searched, the driver of a device has allocated the memory. */
  readonly strategy: 'at' | 'within' | 'hint' | 'search' | 'driver';
  /** Why a hint was not followed: `taken by [heap] (vma of host) 0x1000-0x3000`. */
  readonly hintMissed?: { readonly hint: Address; readonly reason: string };
}

/** What a request is checked against. */
export interface RequestContext {
  readonly pageSize: number;
  /** The names of the known devices. */
  readonly deviceNames: readonly string[];
}

/**
 * Refuses a malformed request.
 *
 * @throws TypeError if a field is of the wrong kind, or `place` is none of its three shapes
 * @throws RangeError if a field has a value that no request may have; an address outside of the windows is not
 *   among these
 */
export function checkRequest(request: PlacementRequest, context: RequestContext): void {
  if (typeof request !== 'object' || request === null) throw invalidType('request', 'an object', request);
  const { pageSize } = context;
  const { size, align = pageSize, guard = 0, topdown, devices, place } = request;

  checkInteger('size', size);
  if (size <= 0) throw outOfRange('size', 'above 0', size);
  if (alignUp(size, pageSize) > Number.MAX_SAFE_INTEGER)
    throw outOfRange('size', 'below 2 ** 53 in whole pages', size);

  checkInteger('align', align);
  if (align !== pageSize && (!isPowerOfTwo(align) || align < pageSize))
    throw outOfRange('align', `a power of two of at least the page size (${pageSize})`, align);

  checkInteger('guard', guard);
  if (guard < 0 || guard % pageSize !== 0)
    throw outOfRange('guard', `a multiple of the page size (${pageSize}), 0 or more`, guard);

  if (topdown !== undefined && typeof topdown !== 'boolean')
    throw invalidType('topdown', 'a boolean', topdown);
  if (devices !== undefined) checkDevices(devices, context.deviceNames);
  if (place !== undefined) checkPlace(place, align);
}

function checkInteger(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isSafeInteger(value)) throw outOfRange(name, 'a safe integer', value);
}

function checkAddress(name: string, value: unknown): asserts value is Address {
  checkInteger(name, value);
  if (value < 0) throw outOfRange(name, 'an address, 0 or more', value);
}

function checkDevices(devices: readonly string[], known: readonly string[]): void {
  if (!Array.isArray(devices)) throw invalidType('devices', 'an array of device names', devices);
  for (let i = 0; i < devices.length; i++) {
    const name: unknown = devices[i];
    if (typeof name !== 'string') throw invalidType(`devices[${i}]`, 'the name of a device', name);
    if (!known.includes(name)) {
      const names = known.map((device) => `'${device}'`).join(', ');
      throw outOfRange(
        `devices[${i}]`,
        known.length ? `one of ${names}` : 'absent: there are no devices',
        name,
      );
    }
  }
}

function checkPlace(place: Place, align: number): void {
  const shapes = '{ at }, { within: [low, high] } or { hint }';
  if (typeof place !== 'object' || place === null) throw invalidType('place', shapes, place);
  const at = 'at' in place;
  const within = 'within' in place;
  const hint = 'hint' in place;
  if (Number(at) + Number(within) + Number(hint) !== 1)
    throw invalidType('place', `exactly one of ${shapes}`, place);

  if (at) {
    checkAddress('place.at', place.at);
    if (place.at % align !== 0)
      throw outOfRange('place.at', `a multiple of the alignment ${hex(align)}`, place.at);
  } else if (within) {
    const bounds: unknown = place.within;
    if (!Array.isArray(bounds) || bounds.length !== 2)
      throw invalidType('place.within', 'a pair [low, high]', bounds);
    checkAddress('place.within[0]', bounds[0]);
    checkAddress('place.within[1]', bounds[1]);
    if (bounds[0] >= bounds[1]) throw outOfRange('place.within[1]', `above ${hex(bounds[0])}`, bounds[1]);
  } else if (hint) {
    checkAddress('place.hint', place.hint);
  }
}
