/**
 * Worlds for the property tests of placement, and an oracle that knows nothing of trees: it keeps plain lists
 * and answers every question page by page, from one end to the other.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type DeviceWindow,
  type Occupied,
  type PlacementRequest,
  PlacementSpace,
} from '../../src/placement/index.ts';

export const PAGE = 0x1000;
const HALF = PAGE / 2;
export const PAGES = 40;

/** The oracle's picture: everything as lists, nothing merged or sorted. */
export interface World {
  readonly base: number;
  readonly limit: { start: number; end: number };
  devices: DeviceWindow[];
  host: Occupied[];
  inserted: Occupied[];
}

export type Range = { readonly start: number; readonly end: number };
export const touches = (a: Range, page: number) => a.start < page + PAGE && page < a.end;
const holds = (a: Range, page: number) => a.start <= page && page + PAGE <= a.end;

export const pagesOf = (world: World) => Array.from({ length: PAGES }, (_, i) => world.base + i * PAGE);
export const chosen = (world: World, names = world.devices.map((d) => d.name)) =>
  world.devices.filter((device) => names.includes(device.name));

/** The pages that the host can map and all devices reach. */
export function candidatePages(world: World, names?: readonly string[]): number[] {
  const windows = [world.limit, ...chosen(world, names as string[]).map((device) => device.window)];
  return pagesOf(world).filter((page) => windows.every((window) => holds(window, page)));
}

export function isFree(
  world: World,
  page: number,
  names?: readonly string[],
  gone: readonly Occupied[] = [],
): boolean {
  const taken: Range[] = [...world.host, ...world.inserted.filter((each) => !gone.includes(each))];
  for (const device of chosen(world, names as string[])) taken.push(...device.reserved);
  return !taken.some((range) => touches(range, page));
}

export function searchedPages(world: World, request: PlacementRequest): number[] {
  const pages = candidatePages(world, request.devices);
  const { place } = request;
  if (place === undefined || !('within' in place)) return pages;
  const range = { start: place.within[0], end: place.within[1] };
  return pages.filter((page) => holds(range, page));
}

/** The first address of the search order at which every page of the buffer and of its guard is free. */
export function oracleFind(
  world: World,
  request: PlacementRequest,
  gone: readonly Occupied[] = [],
): number | undefined {
  const reach = new Set(candidatePages(world, request.devices));
  const allowed = new Set(searchedPages(world, request));
  const size = Math.ceil(request.size / PAGE);
  const guard = (request.guard ?? 0) / PAGE;
  const align = request.align ?? PAGE;
  const fits = (address: number) => {
    if (address % align !== 0) return false;
    for (let i = 0; i < size + Math.min(guard, PAGES); i++) {
      const page = address + i * PAGE;
      if (i < size && !allowed.has(page)) return false;
      if (reach.has(page) && !isFree(world, page, request.devices, gone)) return false;
    }
    return true;
  };
  const { place } = request;
  if (place !== undefined && 'at' in place) return fits(place.at) ? place.at : undefined;
  if (place !== undefined && 'hint' in place) {
    const hint = place.hint - (place.hint % align);
    if (fits(hint)) return hint;
  }
  const starts = pagesOf(world);
  return (request.topdown ? starts.reverse() : starts).find(fits);
}

/** The largest size, in bytes, that the oracle can place. */
export function oracleLargest(world: World, request: PlacementRequest): number {
  for (let pages = PAGES; pages > 0; pages--)
    if (oracleFind(world, { ...request, size: pages * PAGE }) !== undefined) return pages * PAGE;
  return 0;
}

// Worlds and requests

const BASES = [0, 2 ** 32 - 16 * PAGE, 2 ** 46 + 24 * PAGE];
const arbRange = (unit: number, most: number) =>
  fc
    .tuple(fc.nat({ max: (PAGES * PAGE) / unit - 1 }), fc.integer({ min: 1, max: most }))
    .map(([at, length]) => ({ start: at * unit, end: Math.min((at + length) * unit, PAGES * PAGE) }));

const arbSpace = fc.record({
  base: fc.constantFrom(...BASES),
  limit: fc.constantFrom({ start: 0, end: PAGES * PAGE }, { start: PAGE, end: (PAGES - 3) * PAGE }),
  // Edges of windows and reserved regions may lie inside a page.
  devices: fc.array(
    fc.record({
      window: fc.oneof(
        {
          weight: 3,
          arbitrary: fc.constantFrom({ start: 0, end: PAGES * PAGE }, { start: 5 * HALF, end: 61 * HALF }),
        },
        { weight: 1, arbitrary: arbRange(HALF, 80) },
      ),
      reserved: fc.array(arbRange(HALF, 6), { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  host: fc.array(arbRange(PAGE, 5), { maxLength: 6 }),
});

const arbOperation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      verb: fc.constant('insert' as const),
      range: arbRange(PAGE, 6),
      waits: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant('quarantine' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      verb: fc.constant('setHost' as const),
      host: fc.array(arbRange(PAGE, 5), { maxLength: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      verb: fc.constant('setReserved' as const),
      which: fc.nat(),
      reserved: fc.array(arbRange(HALF, 6), { maxLength: 2 }),
    }),
  },
);
type Operation = typeof arbOperation extends fc.Arbitrary<infer T> ? T : never;

export const arbRequest = fc.record({
  size: fc.integer({ min: 1, max: 12 }).map((pages) => pages * PAGE - 5),
  align: fc.constantFrom(PAGE, 2 * PAGE, 8 * PAGE),
  guard: fc.constantFrom(0, 0, PAGE, 3 * PAGE, 2 ** 48),
  topdown: fc.boolean(),
  devices: fc.option(fc.subarray([0, 1, 2])),
  place: fc.option(
    fc.oneof(
      fc.record({ at: fc.nat({ max: PAGES + 4 }) }),
      fc.record({ within: fc.tuple(fc.nat({ max: 2 * PAGES + 8 }), fc.integer({ min: 1, max: 60 })) }),
      fc.record({ hint: fc.nat({ max: PAGES * PAGE }) }),
    ),
    { freq: 3 },
  ),
});

const shift = (range: Range, base: number) => ({ start: range.start + base, end: range.end + base });
const vmas = (ranges: readonly Range[], base: number) =>
  ranges.map((range, i) => ({
    ...shift(range, base),
    kind: 'vma' as const,
    name: `vma ${i}`,
    owner: 'host',
  }));
const regions = (ranges: readonly Range[], base: number) =>
  ranges.map((range, i) => ({ ...shift(range, base), name: `region ${i}` }));

export function build(spec: typeof arbSpace extends fc.Arbitrary<infer T> ? T : never): {
  world: World;
  space: PlacementSpace;
} {
  const { base } = spec;
  const devices = spec.devices.map((device, i) => ({
    name: `device ${i}`,
    window: shift(device.window, base),
    reserved: regions(device.reserved, base),
  }));
  const world: World = {
    base,
    limit: shift(spec.limit, base),
    devices,
    host: vmas(spec.host, base),
    inserted: [],
  };
  return {
    world,
    space: new PlacementSpace({ pageSize: PAGE, limit: world.limit, devices, host: world.host }),
  };
}

export function toRequest(
  world: World,
  raw: typeof arbRequest extends fc.Arbitrary<infer T> ? T : never,
): PlacementRequest {
  const { devices, place, ...rest } = raw;
  const { base } = world;
  const names = devices?.filter((i) => i < world.devices.length).map((i) => world.devices[i]!.name);
  const request: PlacementRequest = names === undefined ? rest : { ...rest, devices: names };
  if (place === null) return request;
  if ('at' in place)
    return { ...request, place: { at: Math.ceil((base + place.at * PAGE) / rest.align) * rest.align } };
  if ('hint' in place) return { ...request, place: { hint: base + place.hint } };
  const low = base + place.within[0] * HALF;
  return { ...request, place: { within: [low, low + place.within[1] * HALF] } };
}

/** Does the same to both. The oracle's host loses what lies under a range as it is inserted. */
export function apply(world: World, space: PlacementSpace, operation: Operation): void {
  const pick = (which: number) => world.inserted[which % world.inserted.length];
  const clipHost = (range: Range) => {
    world.host = world.host.flatMap((vma) => [
      { ...vma, end: Math.min(vma.end, range.start) },
      { ...vma, start: Math.max(vma.start, range.end) },
    ]);
    world.host = world.host.filter((vma) => vma.start < vma.end);
  };
  switch (operation.verb) {
    case 'insert': {
      const kind = operation.waits ? ('quarantined' as const) : ('buffer' as const);
      const entry = {
        ...shift(operation.range, world.base),
        kind,
        name: `b${world.inserted.length}`,
        owner: 'host',
      };
      if (world.inserted.some((each) => each.start < entry.end && entry.start < each.end)) {
        assert.throws(() => space.insert(entry), RangeError);
        return;
      }
      space.insert(entry);
      world.inserted.push(entry);
      clipHost(entry);
      return;
    }
    case 'remove': {
      const entry = pick(operation.which);
      if (entry === undefined) return;
      assert.deepEqual(space.remove(entry.start), entry);
      world.inserted = world.inserted.filter((each) => each !== entry);
      return;
    }
    case 'quarantine': {
      const entry = pick(operation.which);
      if (entry === undefined) return;
      const next = { ...entry, kind: 'quarantined' as const };
      space.replace(entry.start, next);
      world.inserted = world.inserted.map((each) => (each === entry ? next : each));
      return;
    }
    case 'setHost': {
      world.host = vmas(operation.host, world.base);
      space.setHost(world.host);
      for (const entry of world.inserted) clipHost(entry);
      return;
    }
    case 'setReserved': {
      if (world.devices.length === 0) return;
      const index = operation.which % world.devices.length;
      const reserved = regions(operation.reserved, world.base);
      world.devices = world.devices.with(index, { ...world.devices[index]!, reserved });
      space.setReserved(world.devices[index]!.name, reserved);
    }
  }
}

/** Which pages the space takes for free, for a set of devices, one exact request each. */
export function freeMap(world: World, space: PlacementSpace, devices: readonly string[]): string {
  const ask = (at: number) => space.find({ size: PAGE, devices, place: { at } }) !== undefined;
  return pagesOf(world)
    .map((page) => (ask(page) ? '.' : '#'))
    .join('');
}

export const arbHistory = fc.tuple(arbSpace, fc.array(arbOperation, { maxLength: 20 }));
