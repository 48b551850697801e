/**
 * A request met: the hot path of every allocation. It validates nothing, explains nothing and allocates nothing
 * but its result; the explanation is made only when there is no result (see refusal.ts).
 *
 * @module
 */

import { type Address, alignDown, alignUp, type Range } from '../mm/address.ts';
import type { DeviceSet } from './device-set.ts';
import { intersection, pagesWithin } from './occupied.ts';
import type { Placement, PlacementRequest } from './request.ts';

/** Says in a few words what is in the way in a range; asked only when a hint was missed. */
export type Explain = (start: Address, size: number, guard: number, set: DeviceSet) => string;

/**
 * The place for a checked request, or `undefined`.
 *
 * The guard must be free as well, but the end of the candidate may cut it short. So it never needs to be longer
 * than what the candidate has besides the buffer, and with that bound an arbitrary guard cannot overflow.
 */
export function findPlace(
  set: DeviceSet,
  request: PlacementRequest,
  pageSize: number,
  explain: Explain,
): Placement | undefined {
  const { candidate } = set;
  if (candidate === null) return undefined;
  const size = alignUp(request.size, pageSize);
  const span = candidate.end - candidate.start;
  if (size > span) return undefined;
  const align = request.align ?? pageSize;
  const guard = Math.min(request.guard ?? 0, span - size);
  const topdown = request.topdown ?? false;
  const { place } = request;

  let window = candidate;
  let strategy: Placement['strategy'] = 'search';
  let hintMissed: Placement['hintMissed'];
  if (place !== undefined) {
    if ('at' in place) {
      if (!isFree(set, candidate, place.at, size, guard)) return undefined;
      return result(place.at, size, guard, align, candidate, 'at');
    }
    if ('hint' in place) {
      const address = alignDown(place.hint, align);
      if (isFree(set, candidate, address, size, guard))
        return result(address, size, guard, align, candidate, 'hint');
      hintMissed = { hint: place.hint, reason: '' };
    } else {
      const searched = searchedRange(candidate, place.within, pageSize);
      if (searched === null) return undefined;
      window = searched;
      strategy = 'within';
    }
  }

  // The guard may lie beyond `within`, where it must be free all the same.
  const address = set.search(size + guard, window.start, window.end + guard, align, topdown);
  if (address === -1) return undefined;
  const found = result(address, size, guard, align, window, strategy, candidate);
  if (hintMissed === undefined) return found;
  const reason = explain(alignDown(hintMissed.hint, align), size, guard, set);
  return { ...found, hintMissed: { hint: hintMissed.hint, reason } };
}

/** The whole pages that `within` leaves of the candidate, or `null`. */
export function searchedRange(
  candidate: Range,
  within: readonly [Address, Address],
  pageSize: number,
): Range | null {
  const part = intersection(candidate, { start: within[0], end: within[1] });
  return part && pagesWithin(part, pageSize);
}

function isFree(set: DeviceSet, candidate: Range, address: Address, size: number, guard: number): boolean {
  if (address < candidate.start || address + size > candidate.end) return false;
  return set.search(size + guard, address, address + size + guard, 1, false) === address;
}

function result(
  address: Address,
  size: number,
  guard: number,
  align: number,
  window: Range,
  strategy: Placement['strategy'],
  candidate: Range = window,
): Placement {
  const kept = Math.min(guard, candidate.end - (address + size));
  return { address, size, guard: kept, align, window, strategy };
}
