/**
 * The picture that placement works on: what the host has mapped, what the mirror holds, what each device
 * reaches and reserves. For every set of devices that was asked for there is one merged tree (device-set.ts),
 * built on first use and kept up to date from then on, so that a search never looks at owners.
 *
 * Nothing here maps memory: the picture can be older than the process. Who maps must refuse to replace, and on
 * a clash call {@link PlacementSpace.setHost} with a fresh list and ask again.
 *
 * @module
 */

import { hex, outOfRange } from '../errors.ts';
import { type Address, isPowerOfTwo, type Range } from '../mm/address.ts';
import { describeOccupied } from './describe.ts';
import { DeviceSet, type Picture } from './device-set.ts';
import { Inserted } from './inserted.ts';
import {
  ADDRESS_LIMIT,
  checkDevice,
  checkRange,
  type DeviceWindow,
  disjoint,
  type Occupied,
  overlapping,
  without,
} from './occupied.ts';
import { type Refusal, refuse } from './refusal.ts';
import { checkRequest, type Placement, type PlacementRequest, type RequestContext } from './request.ts';
import { findPlace } from './search.ts';

/** A place, or the reasons why there is none. */
export type Plan =
  | { readonly ok: true; readonly placement: Placement }
  | { readonly ok: false; readonly refusal: Refusal };

export interface PlacementSpaceOptions {
  /** Bytes, a power of two. */
  readonly pageSize: number;
  /** What the host can map at all, at most up to 2^52. */
  readonly limit: Range;
  /** At most 52, with distinct names, none of them `host`. */
  readonly devices: readonly DeviceWindow[];
  readonly host?: readonly Occupied[];
}

// The set of devices of a request is a number with a bit per device, made of two halves that fit the 32-bit
// operators.
const HALF = 31;
const MOST_DEVICES = 52;

export class PlacementSpace {
  readonly pageSize: number;
  readonly limit: Range;
  readonly #picture: Picture;
  readonly #context: RequestContext;
  readonly #indexOf = new Map<string, number>();
  #devices: readonly DeviceWindow[] = [];
  #host: Occupied[] = [];
  readonly #inserted: Inserted;
  readonly #sets = new Map<number, DeviceSet>();
  #everything: DeviceSet | undefined;
  #quarantined = 0;

  /** @throws TypeError or RangeError if an option is no page size, range, or list of distinct devices */
  constructor(options: PlacementSpaceOptions) {
    const { pageSize, limit, devices, host = [] } = options;
    if (!isPowerOfTwo(pageSize)) throw outOfRange('pageSize', 'a power of two', pageSize);
    checkRange('limit', limit);
    if (limit.end > ADDRESS_LIMIT) throw outOfRange('limit.end', 'at most 2 ** 52', limit.end);
    if (devices.length > MOST_DEVICES)
      throw outOfRange('devices.length', `at most ${MOST_DEVICES}`, devices.length);
    for (const device of devices) {
      if (device.name === 'host' || this.#indexOf.has(device.name))
        throw outOfRange('devices', "devices with distinct names, none of them 'host'", device.name);
      checkDevice(device);
      this.#indexOf.set(device.name, this.#indexOf.size);
    }
    this.pageSize = pageSize;
    this.limit = limit;
    this.#devices = [...devices];
    this.#inserted = new Inserted(pageSize);
    this.#context = { pageSize, deviceNames: devices.map((device) => device.name) };
    this.#picture = {
      pageSize,
      limit,
      set: (names) => this.#setOf(names, false),
      withoutQuarantine: (names) => this.#build(this.#named(names), false),
      occupants: (range, names) => this.#occupants(range, names),
    };
    this.setHost(host);
  }

  /** The devices, in the order given. */
  get devices(): readonly DeviceWindow[] {
    return this.#devices;
  }

  /** What each can reach, the host first. */
  get windows(): readonly (Range & { readonly name: string })[] {
    return [
      { name: 'host', ...this.limit },
      ...this.#devices.map(({ name, window }) => ({ name, ...window })),
    ];
  }

  /** Bytes in inserted ranges that are quarantined, their guards included. */
  get quarantinedBytes(): number {
    return this.#quarantined;
  }

  /**
   * A fresh list of the host's mappings. What lies under an inserted range is the mirror's own mapping and is
   * left out.
   *
   * @throws RangeError if one is not a range of safe integers (leave out what lies beyond 2^53)
   */
  setHost(vmas: readonly Occupied[]): void {
    for (let i = 0; i < vmas.length; i++) checkRange(`vmas[${i}]`, vmas[i]!);
    const mine = this.#inserted.sorted();
    this.#host = disjoint(vmas, this.limit, this.pageSize).flatMap((vma) => without(vma, mine));
    this.#forgetSets();
  }

  /** A device has other reserved regions now: it loaded a program, or was reopened. */
  setReserved(device: string, reserved: DeviceWindow['reserved']): void {
    const index = this.#indexOf.get(device);
    if (index === undefined) throw outOfRange('device', 'the name of a known device', device);
    const changed = { ...this.#devices[index]!, reserved };
    checkDevice(changed);
    this.#devices = this.#devices.with(index, changed);
    this.#forgetSets();
  }

  /**
   * Adds a buffer, or whatever else the mirror holds. The range includes the guard. What the host had there
   * according to the picture is taken for out of date.
   *
   * @throws RangeError if it overlaps what was inserted before, or is not made of whole pages
   */
  insert(occupied: Occupied): void {
    this.#checkOccupied(occupied);
    const { start, end } = occupied;
    const clash = this.#inserted.add(occupied);
    if (clash !== undefined) throw outOfRange('occupied', `clear of ${describeOccupied(clash)}`, start);
    const fromHost = overlapping(this.#host, start, end).map((vma) => ({
      start: Math.max(vma.start, start),
      end: Math.min(vma.end, end),
    }));
    if (fromHost.length > 0) this.#host = this.#host.flatMap((vma) => without(vma, [occupied]));
    if (occupied.kind === 'quarantined') this.#quarantined += end - start;
    for (const set of this.#sets.values()) set.insert(occupied, fromHost);
  }

  /**
   * Takes an inserted range out again; its addresses are free from now on.
   *
   * @throws RangeError if nothing that was inserted starts there
   */
  remove(start: Address): Occupied {
    const occupied = this.#at(start);
    this.#inserted.delete(occupied);
    if (occupied.kind === 'quarantined') this.#quarantined -= occupied.end - start;
    for (const set of this.#sets.values()) set.remove(occupied);
    return occupied;
  }

  /**
   * Gives an inserted range another kind or name, such as a freed buffer's that is now quarantined.
   *
   * @throws RangeError if nothing inserted starts there, or `next` is another range
   */
  replace(start: Address, next: Occupied): void {
    const before = this.#at(start);
    this.#checkOccupied(next);
    if (next.start !== start || next.end !== before.end)
      throw outOfRange(
        'next',
        `the range ${hex(start)}-${hex(before.end)} still`,
        next.start === start ? next.end : next.start,
      );
    if (before.kind === 'quarantined') this.#quarantined -= before.end - start;
    if (next.kind === 'quarantined') this.#quarantined += next.end - start;
    this.#inserted.replace(next);
  }

  /**
   * A place, if there is one: one descent of one tree.
   *
   * @throws TypeError or RangeError if the request is malformed (see {@link checkRequest})
   */
  find(request: PlacementRequest): Placement | undefined {
    checkRequest(request, this.#context);
    return findPlace(this.#setOf(request.devices, true), request, this.pageSize, this.#explain);
  }

  /**
   * A place, or the full explanation why there is none. Changes nothing.
   *
   * @throws TypeError or RangeError if the request is malformed (see {@link checkRequest})
   */
  plan(request: PlacementRequest): Plan {
    const placement = this.find(request);
    if (placement !== undefined) return { ok: true, placement };
    return { ok: false, refusal: refuse(this.#picture, this.#context.deviceNames, request) };
  }

  /** Everything that is in the way in a range, for any device, by start; each with its whole extent. */
  occupants(range: Range): Occupied[] {
    checkRange('range', range);
    return this.#occupants(range, undefined);
  }

  #occupants(range: Range, names: readonly string[] | undefined): Occupied[] {
    const { start, end } = range;
    const found = overlapping(this.#host, start, end);
    for (const { name: owner, reserved } of this.#named(names))
      for (const region of reserved)
        if (region.start < end && start < region.end)
          found.push({ start: region.start, end: region.end, kind: 'reserved', name: region.name, owner });
    const mine = this.#inserted;
    for (let next = mine.firstIn(start, end); next; next = mine.firstIn(next.end, end)) found.push(next);
    return found.sort((a, b) => a.start - b.start || a.end - b.end);
  }

  #at(start: Address): Occupied {
    const occupied = this.#inserted.get(start);
    if (occupied === undefined) throw outOfRange('start', 'the start of an inserted range', start);
    return occupied;
  }

  #checkOccupied(occupied: Occupied): void {
    checkRange('occupied', occupied);
    for (const edge of ['start', 'end'] as const)
      if (occupied[edge] % this.pageSize !== 0)
        throw outOfRange(
          `occupied.${edge}`,
          `a multiple of the page size (${this.pageSize})`,
          occupied[edge],
        );
    const { guard = 0, start, end } = occupied;
    if (!Number.isSafeInteger(guard) || guard < 0 || guard >= end - start)
      throw outOfRange('occupied.guard', 'at least 0 and shorter than the range', guard);
  }

  readonly #explain = (start: Address, size: number, guard: number, set: DeviceSet): string => {
    const { candidate } = set;
    if (candidate === null) return 'no common window';
    if (start < candidate.start || start + size > candidate.end)
      return `outside the window ${hex(candidate.start)}-${hex(candidate.end)}`;
    const names = set.devices.map((device) => device.name);
    const end = Math.min(start + size + guard, candidate.end);
    const first = this.#occupants({ start, end }, names)[0];
    if (first === undefined) return 'taken';
    return `${first.start < start + size ? 'taken by' : 'its guard is taken by'} ${describeOccupied(first)}`;
  };

  #named(names: readonly string[] | undefined): readonly DeviceWindow[] {
    return names === undefined
      ? this.#devices
      : this.#devices.filter((device) => names.includes(device.name));
  }

  /** The merged view of some devices. Kept for later only if asked: each kept one makes inserting dearer. */
  #setOf(names: readonly string[] | undefined, keep: boolean): DeviceSet {
    if (names === undefined && this.#everything !== undefined) return this.#everything;
    const key = this.#keyOf(names ?? this.#context.deviceNames);
    const known = this.#sets.get(key);
    const set = known ?? this.#build(this.#named(names), true);
    if (keep) {
      if (known === undefined) this.#sets.set(key, set);
      if (names === undefined) this.#everything = set;
    }
    return set;
  }

  #keyOf(names: readonly string[]): number {
    let low = 0;
    let high = 0;
    for (let i = 0; i < names.length; i++) {
      const index = this.#indexOf.get(names[i]!)!;
      if (index < HALF) low |= 1 << index;
      else high |= 1 << (index - HALF);
    }
    return high * 2 ** HALF + low;
  }

  #build(devices: readonly DeviceWindow[], quarantine: boolean): DeviceSet {
    const taken: Range[] = [...this.#host];
    for (const occupied of this.#inserted.sorted())
      if (quarantine || occupied.kind !== 'quarantined') taken.push(occupied);
    return new DeviceSet(devices, this.limit, this.pageSize, taken);
  }

  #forgetSets(): void {
    this.#sets.clear();
    this.#everything = undefined;
  }
}
