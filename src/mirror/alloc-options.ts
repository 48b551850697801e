/**
 * The options of `alloc` and `plan`, and their check at the door. What concerns the place goes on to placement, which
 * checks it there. Pure.
 *
 * @module
 */
import { invalidType, outOfRange, UnsupportedError } from '../errors.ts';
import type { Place, PlacementRequest } from '../placement/index.ts';
import { checkDriverPlace, type DriverPlace } from './driver-place.ts';

/** The types of buffers: see docs/memory-types.md. */
export type BufferType = 'fine' | 'coarse';

/** Whether a device may store to a buffer, load from it, or not reach it at all. */
export type Access = 'write' | 'read' | 'none';

export interface AllocOptions {
  /** For messages, faults and drawings; `buffer-N` by default. */
  readonly name?: string;
  /**
   * `'fine'` (the default): host and devices may touch different bytes at the same time; atomics work across them.
   * `'coarse'`: the devices', but for the parts that the host has mapped by `queue.map`.
   */
  readonly type?: BufferType;
  /** Bytes, a power of two, at least a page. */
  readonly align?: number;
  /**
   * Exactly `at`, or in `within`, or at `hint` if possible, or where a `driver` says; anywhere in the common window by
   * default.
   */
  readonly place?: Place | DriverPlace;
  /** The highest place, not the lowest. */
  readonly topdown?: boolean;
  /** The devices that must reach the buffer; all by default. The others can't. */
  readonly devices?: readonly string[];
  /** What a device may do, by its name; `'write'` by default. */
  readonly access?: Readonly<Record<string, Access>>;
  /** Pages kept unmapped behind the buffer, so that an overrun faults; 1 by default, 0 with `place: { at }` and `{ driver }`. */
  readonly guard?: number;
  /** Allocates the memory now, so that exhaustion is an error here and not a kill later. */
  readonly commit?: boolean;
  /** Asks the kernel for huge pages, and looks for a place that is aligned to them; best effort: `buffer.hugePages` tells. */
  readonly hugePages?: boolean;
}

/** Options that are checked, as far as placement does not check them. */
export interface CheckedAlloc {
  readonly name: string | undefined;
  readonly type: BufferType;
  readonly request: PlacementRequest;
  /** Whom to ask for the place; the request then has none. */
  readonly driver: DriverPlace | undefined;
  /** What each device may do, in the order of the mirror's devices. */
  readonly access: readonly Access[];
  readonly commit: boolean;
  readonly hugePages: boolean;
}

const NONE: AllocOptions = {};

export function checkAllocOptions(
  size: number,
  options: AllocOptions = NONE,
  deviceNames: readonly string[],
  pageSize: number,
): CheckedAlloc {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const {
    name,
    type = 'fine',
    align,
    place,
    topdown,
    devices,
    access,
    guard,
    commit = false,
    hugePages = false,
  } = options;
  if (name !== undefined && typeof name !== 'string') throw invalidType('name', 'a string', name);
  checkType(type);
  if (typeof commit !== 'boolean') throw invalidType('commit', 'a boolean', commit);
  if (typeof hugePages !== 'boolean') throw invalidType('hugePages', 'a boolean', hugePages);
  const exactly = typeof place === 'object' && place !== null && ('at' in place || 'driver' in place);
  const guardPages = guard ?? (exactly ? 0 : 1);
  if (typeof guardPages !== 'number') throw invalidType('guard', 'a number of pages', guard);
  if (!Number.isSafeInteger(guardPages) || guardPages < 0 || guardPages > 2 ** 20) {
    throw outOfRange('guard', 'a number of pages from 0 to 2^20', guard);
  }
  const reach = checkReach(devices, access, deviceNames);
  const asksDriver = exactly && 'driver' in place;
  const where = asksDriver ? undefined : place;
  return {
    name,
    type,
    request: { size, align, guard: guardPages * pageSize, topdown, place: where, devices: reach.devices },
    driver: asksDriver ? checkDriverPlace(place) : undefined,
    access: reach.access,
    commit,
    hugePages,
  };
}

function checkType(type: unknown): asserts type is BufferType {
  if (type === 'fine' || type === 'coarse') return;
  if (typeof type !== 'string') throw invalidType('type', "'fine' or 'coarse'", type);
  if (type === 'managed') {
    throw new UnsupportedError(
      "type 'managed'",
      "Buffers of type 'managed', whose pages move between host and device by page faults, do not exist yet; use 'fine' (the default) or 'coarse'.",
    );
  }
  throw outOfRange('type', "'fine' or 'coarse'", type);
}

interface Reach {
  /** For placement: the devices that must reach the buffer; undefined for all. */
  readonly devices: readonly string[] | undefined;
  readonly access: readonly Access[];
}

/** Who may do what by default, made once per list of devices. */
const everything = new WeakMap<readonly string[], Reach>();

function checkReach(devices: unknown, access: unknown, deviceNames: readonly string[]): Reach {
  if (devices === undefined && access === undefined) {
    let all = everything.get(deviceNames);
    if (!all) {
      all = { devices: undefined, access: deviceNames.map(() => 'write') };
      everything.set(deviceNames, all);
    }
    return all;
  }
  if (devices !== undefined && !Array.isArray(devices))
    throw invalidType('devices', 'an array of device names', devices);
  const granted = access === undefined ? {} : checkAccess(access, deviceNames);
  const accessOf = (device: string): Access =>
    devices?.includes(device) === false ? 'none' : (granted[device] ?? 'write');
  const list = deviceNames.map(accessOf);
  // A name that is no device's must reach placement's check, which lists the known ones.
  const unknown = devices?.some((device) => !deviceNames.includes(device)) ?? false;
  return { devices: unknown ? devices : deviceNames.filter((_, i) => list[i] !== 'none'), access: list };
}

function checkAccess(access: unknown, deviceNames: readonly string[]): Readonly<Record<string, Access>> {
  if (typeof access !== 'object' || access === null)
    throw invalidType('access', 'an object of device names', access);
  for (const [device, value] of Object.entries(access)) {
    if (!deviceNames.includes(device)) {
      throw outOfRange(
        `access.${device}`,
        `the name of a device (${deviceNames.join(', ') || 'there are none'})`,
        device,
      );
    }
    if (value !== 'read' && value !== 'write' && value !== 'none') {
      throw outOfRange(`access.${device}`, "'write', 'read' or 'none'", value);
    }
  }
  return access as Readonly<Record<string, Access>>;
}
