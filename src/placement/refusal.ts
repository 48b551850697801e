/**
 * Why a request has no place: the exact figures, who is in the way, and what would help. A refusal is plain
 * JSON, so that a program can act on it and a log can keep it; describe.ts makes the text for people.
 *
 * @module
 */

import { type Address, alignUp, type Range } from '../mm/address.ts';
import type { DeviceSet, Picture } from './device-set.ts';
import { type Hole, type Measure, measure } from './holes.ts';
import { intersection, type Occupied } from './occupied.ts';
import { findRemedies, type Remedy, type ResolvedRequest } from './remedies.ts';
import type { Place, PlacementRequest } from './request.ts';
import { searchedRange } from './search.ts';

/** Something that is in the way. `size` leaves the guard out that `end` includes. */
export interface Blocker extends Occupied {
  /** Bytes, `end - start - guard`. */
  readonly size: number;
}

export interface Refusal {
  /**
   * - `no-common-window`: the windows of the devices and of the host have not a page in common
   * - `outside-window`: `at` or `within` is not in the common window
   * - `larger-than-window`: it would not fit if nothing were in the way
   * - `occupied`: something is in the way at `at`
   * - `alignment`: a hole is big enough, and none is at this alignment
   * - `fragmented`: enough bytes are free in all, and no hole is big enough
   * - `exhausted`: too few bytes are free
   */
  readonly reason:
    | 'no-common-window'
    | 'outside-window'
    | 'larger-than-window'
    | 'occupied'
    | 'alignment'
    | 'fragmented'
    | 'exhausted';
  readonly request: ResolvedRequest;
  /** Bytes. */
  readonly pageSize: number;
  /** What each can reach: the host first, then the devices of the request. */
  readonly windows: readonly (Range & { readonly name: string })[];
  /** The whole pages that all of them reach. */
  readonly candidate: Range | null;
  /** The part of the candidate that `within` leaves; what the figures below are about. */
  readonly searched: Range | null;
  /** Free bytes. */
  readonly totalFree: number;
  /** The longest free range. */
  readonly largestHole: Hole | null;
  /** The largest buffer that would fit at the alignment and with the guard asked for, and where. */
  readonly largestAlignedHole: Hole | null;
  /** What is in the way, by address: at most 16, those that matter most. */
  readonly blockers: readonly Blocker[];
  /** How many more there are. */
  readonly blockersOmitted: number;
  /** Bytes of quarantined ranges. */
  readonly quarantinedBytes: number;
  /** Single changes that would make it fit, those that cost least first. */
  readonly remedies: readonly Remedy[];
}

const MOST_BLOCKERS = 16;
const BEST_HOLES = 4;
const NOTHING: Measure = { totalFree: 0, largestHole: null, largestAlignedHole: null, largestUnaligned: 0 };

/** Explains why a checked request was not met. `known` are the names of all devices. */
export function refuse(picture: Picture, known: readonly string[], asked: PlacementRequest): Refusal {
  const request = resolve(asked, known, picture.pageSize);
  const set = picture.set(request.devices);
  const { place } = request;
  const { candidate } = set;
  let searched = candidate;
  const within = withinOf(place);
  if (candidate !== null && within !== undefined)
    searched = searchedRange(candidate, [within.start, within.end], picture.pageSize);

  const figures = searched && measure(set, searched, request.align, request.guard, picture.pageSize);
  const reason = findReason(request, candidate, searched, figures ?? NOTHING);
  const inTheWay = searched && !isAboutWindows(reason) ? findBlockers(picture, set, request, searched) : [];
  const blockers = inTheWay.slice(0, MOST_BLOCKERS).sort((a, b) => a.start - b.start || a.end - b.end);
  const { totalFree, largestHole, largestAlignedHole } = figures ?? NOTHING;
  return {
    reason,
    request,
    pageSize: picture.pageSize,
    windows: [
      { name: 'host', start: picture.limit.start, end: picture.limit.end },
      ...set.devices.map(({ name, window }) => ({ name, start: window.start, end: window.end })),
    ],
    candidate,
    searched,
    totalFree,
    largestHole,
    largestAlignedHole,
    blockers: blockers.map((each) => ({ ...each, size: each.end - each.start - (each.guard ?? 0) })),
    blockersOmitted: inTheWay.length - blockers.length,
    quarantinedBytes: quarantinedIn(picture, request, searched),
    remedies: findRemedies(picture, request, largestAlignedHole?.size ?? 0),
  };
}

/** True for the reasons that have nothing to do with what is free. */
export function isAboutWindows(reason: Refusal['reason']): boolean {
  return reason === 'no-common-window' || reason === 'outside-window' || reason === 'larger-than-window';
}

function resolve(asked: PlacementRequest, known: readonly string[], pageSize: number): ResolvedRequest {
  const { devices, place } = asked;
  return {
    size: alignUp(asked.size, pageSize),
    align: asked.align ?? pageSize,
    guard: asked.guard ?? 0,
    topdown: asked.topdown ?? false,
    devices: devices === undefined ? known : known.filter((name) => devices.includes(name)),
    ...(place === undefined ? {} : { place }),
  };
}

function withinOf(place: Place | undefined): Range | undefined {
  return place !== undefined && 'within' in place
    ? { start: place.within[0], end: place.within[1] }
    : undefined;
}

function findReason(
  { size, place }: ResolvedRequest,
  candidate: Range | null,
  searched: Range | null,
  figures: Measure,
): Refusal['reason'] {
  if (candidate === null) return 'no-common-window';
  if (size > candidate.end - candidate.start) return 'larger-than-window';
  if (place !== undefined && 'at' in place)
    return place.at < candidate.start || place.at + size > candidate.end ? 'outside-window' : 'occupied';
  if (searched === null)
    return intersection(candidate, withinOf(place) ?? candidate) ? 'larger-than-window' : 'outside-window';
  if (size > searched.end - searched.start) return 'larger-than-window';
  if (figures.largestUnaligned >= size) return 'alignment';
  return figures.totalFree >= size ? 'fragmented' : 'exhausted';
}

/** Everything in the way, the most interesting first. */
function findBlockers(
  picture: Picture,
  set: DeviceSet,
  request: ResolvedRequest,
  searched: Range,
): Occupied[] {
  const { place, size, guard, devices } = request;
  const last = set.candidate?.end ?? searched.end;
  if (place !== undefined && 'at' in place)
    return picture.occupants({ start: place.at, end: Math.min(place.at + size + guard, last) }, devices);

  // A guard may need what lies beyond `searched`.
  const range = { start: searched.start, end: Math.min(searched.end + guard, last) };
  const all = picture.occupants(range, devices);
  const borders = borderPages(set, range, picture.pageSize);
  const share = (each: Range) => Math.min(each.end, range.end) - Math.max(each.start, range.start);
  const touches = (each: Range, page: Address) => each.start < page + picture.pageSize && page < each.end;
  const ranked = all.map((occupied) => {
    const border = borders.findIndex((page) => touches(occupied, page));
    return { occupied, rank: border === -1 ? borders.length : border };
  });
  ranked.sort((a, b) => a.rank - b.rank || share(b.occupied) - share(a.occupied));
  return ranked.map((each) => each.occupied);
}

/** The taken pages right before and after each of the best holes, the best hole's first. */
function borderPages(set: DeviceSet, range: Range, pageSize: number): Address[] {
  return set
    .holes()
    .map((hole) => ({
      start: Math.max(hole.start, range.start),
      end: Math.min(hole.end, range.end),
    }))
    .filter((hole) => hole.start < hole.end)
    .sort((a, b) => b.end - b.start - (a.end - a.start))
    .slice(0, BEST_HOLES)
    .flatMap((hole) => [hole.start - pageSize, hole.end])
    .filter((page) => page >= range.start && page < range.end);
}

function quarantinedIn(picture: Picture, { devices }: ResolvedRequest, range: Range | null): number {
  if (range === null) return 0;
  let bytes = 0;
  for (const { kind, start, end } of picture.occupants(range, devices))
    if (kind === 'quarantined') bytes += Math.min(end, range.end) - Math.max(start, range.start);
  return bytes;
}
