/**
 * What a new mapping does to the old ones, as a plan: the split and merge of a GPU's address space as the kernel's
 * DRM GPUVM describes it (`drm_gpuvm_sm_map`, `drm_gpuvm_sm_unmap`). Old mappings within the range are unmapped,
 * those across an edge are cut (at most two, one for each edge, or one for both). Nothing is changed: a driver that
 * has the whole plan can allocate what it needs first, and can then no longer fail half way.
 *
 * @module
 */

import { invalidType, outOfRange } from '../errors.ts';
import { overlaps, type Range } from './address.ts';

/** A range of a device's address space that shows a part of an object (a buffer, a file). */
export interface DeviceMapping<T = unknown> extends Range {
  /** Compared by identity. */
  readonly object: T;
  /** Of `start` in the object, in bytes. */
  readonly offset: number;
}

/** An old mapping that goes. */
export interface PlannedUnmap<M extends DeviceMapping> {
  readonly old: M;
  /** The new mapping shows the same bytes at the same addresses: page-table entries may stay. */
  readonly keep: boolean;
}

/** An old mapping of which only one or both ends stay. */
export interface PlannedRemap<M extends DeviceMapping> extends PlannedUnmap<M> {
  readonly before: DeviceMapping<M['object']> | undefined;
  readonly after: DeviceMapping<M['object']> | undefined;
}

export interface UnmapPlan<M extends DeviceMapping> {
  /** At most two, in ascending order. */
  readonly remaps: readonly PlannedRemap<M>[];
  /** In ascending order. */
  readonly unmaps: readonly PlannedUnmap<M>[];
}

export interface MapPlan<M extends DeviceMapping> extends UnmapPlan<M> {
  /** The new mapping: the request, exactly. It is not merged with a neighbour. */
  readonly map: DeviceMapping<M['object']>;
}

/**
 * What has to happen to `mappings` so that `request` can be mapped.
 *
 * @throws TypeError or RangeError where the request is no range of safe integers, or mappings overlap each other there
 */
export function planMap<M extends DeviceMapping>(
  mappings: Iterable<M>,
  request: DeviceMapping<M['object']>,
): MapPlan<M> {
  checkRange(request);
  checkOffset(request);
  const map = { start: request.start, end: request.end, object: request.object, offset: request.offset };
  return { ...planRange(mappings, request, map), map };
}

/**
 * What has to happen to `mappings` so that nothing is mapped in `range`.
 *
 * @throws as {@link planMap}
 */
export function planUnmap<M extends DeviceMapping>(mappings: Iterable<M>, range: Range): UnmapPlan<M> {
  checkRange(range);
  return planRange(mappings, range, undefined);
}

/** The mappings after a plan, in ascending order; those that the plan does not name are the same objects. */
export function applyPlan<M extends DeviceMapping>(
  mappings: Iterable<M>,
  plan: UnmapPlan<M> | MapPlan<M>,
): (M | DeviceMapping<M['object']>)[] {
  const gone = new Set([...plan.remaps, ...plan.unmaps].map(({ old }) => old.start));
  const result: (M | DeviceMapping<M['object']>)[] = [...mappings].filter(({ start }) => !gone.has(start));
  for (const { before, after } of plan.remaps)
    result.push(...[before, after].filter((part) => part !== undefined));
  if ('map' in plan) result.push(plan.map);
  return result.sort((a, b) => a.start - b.start);
}

function planRange<M extends DeviceMapping>(
  mappings: Iterable<M>,
  range: Range,
  map: DeviceMapping | undefined,
): UnmapPlan<M> {
  const hit = [...mappings].filter((each) => overlaps(each, range)).sort((a, b) => a.start - b.start);
  const remaps: PlannedRemap<M>[] = [];
  const unmaps: PlannedUnmap<M>[] = [];
  let end = 0;
  for (const old of hit) {
    checkRange(old, 'mappings');
    checkOffset(old, 'mappings');
    if (old.start < end) throw outOfRange('mappings', 'clear of each other', old.start);
    end = old.end;
    const shift = range.start - old.start;
    const keep = map !== undefined && map.object === old.object && map.offset - old.offset === shift;
    const before = old.start < range.start ? part(old, old.start, range.start) : undefined;
    const after = old.end > range.end ? part(old, range.end, old.end) : undefined;
    if (before || after) remaps.push({ old, keep, before, after });
    else unmaps.push({ old, keep });
  }
  return { remaps, unmaps };
}

function part<M extends DeviceMapping>(old: M, start: number, end: number): DeviceMapping<M['object']> {
  return { start, end, object: old.object, offset: old.offset + (start - old.start) };
}

function checkRange(range: Range, name = 'range'): void {
  if (typeof range !== 'object' || range === null) throw invalidType(name, 'a range', range);
  for (const key of ['start', 'end'] as const) {
    if (typeof range[key] !== 'number') throw invalidType(`${name}.${key}`, 'a number', range[key]);
    if (!Number.isSafeInteger(range[key]) || range[key] < 0)
      throw outOfRange(`${name}.${key}`, 'a safe integer, not negative', range[key]);
  }
  if (range.end <= range.start) throw outOfRange(`${name}.end`, `above start (${range.start})`, range.end);
}

function checkOffset({ offset }: DeviceMapping, name = 'range'): void {
  if (typeof offset !== 'number') throw invalidType(`${name}.offset`, 'a number', offset);
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw outOfRange(`${name}.offset`, 'a safe integer, not negative', offset);
}
