/**
 * Which single change would make a refused request fit. Nothing here is a guess: each remedy was searched for,
 * and carries the address that the search gave.
 *
 * @module
 */

import type { Address } from '../mm/address.ts';
import type { DeviceSet, Picture } from './device-set.ts';
import { largestAt } from './holes.ts';
import type { PlacementRequest } from './request.ts';
import { findPlace } from './search.ts';

/** One change, and the address at which the request then fits. Sizes are in bytes. */
export type Remedy =
  /** Without the guard. */
  | { readonly kind: 'no-guard'; readonly address: Address }
  /** At this alignment, the largest that fits. */
  | { readonly kind: 'align'; readonly align: number; readonly address: Address }
  /** Without `at` or `within`. */
  | { readonly kind: 'anywhere'; readonly address: Address }
  /** Once the quarantined ranges at that place, `bytes` in all, are free again. */
  | { readonly kind: 'wait'; readonly bytes: number; readonly address: Address }
  /** If this device need not reach the buffer. */
  | { readonly kind: 'without-device'; readonly device: string; readonly address: Address }
  /** With this size, the largest that fits. */
  | { readonly kind: 'size'; readonly size: number; readonly address: Address };

/** The request with every default filled in, as a refusal repeats it. Plain JSON. */
export interface ResolvedRequest extends PlacementRequest {
  /** Bytes, whole pages. */
  readonly size: number;
  readonly align: number;
  readonly guard: number;
  readonly topdown: boolean;
  readonly devices: readonly string[];
}

/** The changed request; for `wait` it is the same one, to be made again later. */
export function applyRemedy(request: ResolvedRequest, remedy: Remedy): PlacementRequest {
  switch (remedy.kind) {
    case 'no-guard':
      return { ...request, guard: 0 };
    case 'align':
      return { ...request, align: remedy.align };
    case 'anywhere':
      return { ...request, place: undefined };
    case 'wait':
      return request;
    case 'without-device':
      return { ...request, devices: request.devices.filter((name) => name !== remedy.device) };
    case 'size':
      return { ...request, size: remedy.size };
  }
}

/**
 * All remedies, those that cost the caller least first.
 *
 * @param largest bytes of the largest buffer that fits under the request's other terms
 */
export function findRemedies(picture: Picture, request: ResolvedRequest, largest: number): Remedy[] {
  const { pageSize } = picture;
  const all = picture.set(request.devices);
  const remedies: Remedy[] = [];
  const { place } = request;
  const exactly = place !== undefined && 'at' in place;
  const search = (changed: PlacementRequest, set: DeviceSet = all): Address | undefined =>
    findPlace(set, changed, pageSize, () => '')?.address;

  if (request.guard > 0) {
    const address = search({ ...request, guard: 0 });
    if (address !== undefined) remedies.push({ kind: 'no-guard', address });
  }

  // An exact address is aligned as asked already, so there the alignment is never what is wrong.
  for (let align = request.align / 2; !exactly && align >= pageSize; align /= 2) {
    const address = search({ ...request, align });
    if (address === undefined) continue;
    remedies.push({ kind: 'align', align, address });
    break;
  }

  if (place !== undefined && !('hint' in place)) {
    const address = search({ ...request, place: undefined });
    if (address !== undefined) remedies.push({ kind: 'anywhere', address });
  }

  const waited = waitRemedy(picture, request);
  if (waited !== undefined) remedies.push(waited);

  // Without its only device a buffer would mirror nothing, so that is not offered.
  for (const device of request.devices.length > 1 ? request.devices : []) {
    const devices = request.devices.filter((name) => name !== device);
    const address = search({ ...request, devices }, picture.set(devices));
    if (address !== undefined) remedies.push({ kind: 'without-device', device, address });
  }

  const size = exactly ? largestIn(all, place.at, request.guard) : largest;
  if (size >= pageSize && size < request.size) {
    const address = search({ ...request, size });
    if (address !== undefined) remedies.push({ kind: 'size', size, address });
  }
  return remedies;
}

function largestIn(set: DeviceSet, address: Address, guard: number): number {
  return set.candidate === null ? 0 : largestAt(set, address, guard);
}

function waitRemedy(picture: Picture, request: ResolvedRequest): Remedy | undefined {
  const later = picture.withoutQuarantine(request.devices);
  const found = findPlace(later, request, picture.pageSize, () => '');
  if (found === undefined) return undefined;
  // Only these have to go: nowhere else would the search have found a place before this one.
  const place = { start: found.address, end: found.address + found.size + found.guard };
  let bytes = 0;
  for (const occupied of picture.occupants(place, request.devices))
    if (occupied.kind === 'quarantined') bytes += occupied.end - occupied.start;
  return bytes > 0 ? { kind: 'wait', bytes, address: found.address } : undefined;
}
