/**
 * One picture of a mirror as plain JSON: what is mapped in the process, buffers and how much of them is in memory, what
 * devices reach and keep for themselves, and the holes that all of them have in common. Assembled from what a mirror
 * tells publicly. Pure.
 *
 * @module
 */
import type { Address, Range } from '../mm/address.ts';
import { formatProtection, type Vma, type VmaKind } from '../mm/vma.ts';
import type { Placement, Plan } from '../placement/index.ts';
import type { Occupied } from '../placement/occupied.ts';

/** What a snapshot asks of a device; `Device` of `mirrorspace` is one. */
export interface DeviceToSee {
  readonly name: string;
  readonly kind: string;
  readonly window: Range;
  readonly reserved: readonly (Range & { readonly name: string })[];
  counters(): object;
  /** Of the process device. */
  systemCounters?(): object;
  /** Of the process device: addresses at which it never sees the host's memory. */
  unmirrorable?(): readonly (Range & { readonly name: string })[];
}

/** What a snapshot asks of a buffer; `SvmBuffer` is one. */
export interface BufferToSee {
  readonly name: string;
  readonly address: Address;
  readonly size: number;
  readonly end: Address;
  readonly type: string;
  readonly placement: Placement;
  residentBytes(offset?: number, size?: number): number;
}

/** What a snapshot asks of a mirror; `Mirror` is one. */
export interface MirrorToSee {
  readonly id: number;
  readonly name: string;
  readonly closed: boolean;
  readonly pageSize: number;
  readonly devices: Readonly<Record<string, DeviceToSee>>;
  buffers(): readonly BufferToSee[];
  occupants(range: Range): readonly Occupied[];
  plan(size: number, options?: { readonly place?: { readonly at: Address } }): Plan;
}

/** A mapping of the process. */
export interface SeenVma extends Range {
  /** `mirror`: memory of a mirror's, its buffers and what it shares with devices. */
  readonly kind: VmaKind | 'mirror';
  readonly name: string;
  /** `rw-p`. */
  readonly protection: string;
}

export interface SeenBuffer extends Range {
  readonly name: string;
  /** Bytes, as asked for. */
  readonly size: number;
  readonly type: string;
  readonly placement: Placement;
  readonly residentBytes: number;
  /** The part of each of so many equal stretches of the buffer that is in memory, 0 to 1. */
  readonly residence: readonly number[];
}

/** Addresses that a mirror keeps. */
export interface SeenHeld extends Range {
  readonly kind: 'reservation' | 'quarantined';
  readonly name: string;
}

export interface SeenDevice {
  readonly name: string;
  readonly kind: string;
  readonly window: Range;
  readonly reserved: readonly (Range & { readonly name: string })[];
  readonly unmirrorable: readonly (Range & { readonly name: string })[];
  readonly counters: object;
  readonly systemCounters?: object;
}

export interface MirrorSnapshot {
  /** As events have it. */
  readonly id: number;
  readonly name: string;
  readonly pid: number;
  readonly pageSize: number;
  /** All mappings of the process, by address. */
  readonly vmas: readonly SeenVma[];
  readonly buffers: readonly SeenBuffer[];
  /** Reserved addresses without memory, and freed ranges that are not safe to use again. */
  readonly held: readonly SeenHeld[];
  readonly devices: readonly SeenDevice[];
  /** What host and all devices reach; absent where that is nothing. */
  readonly common?: Range;
  /** What is free in there, by address. */
  readonly holes: readonly Range[];
  readonly totals: {
    /** Bytes that buffers have mapped. */
    readonly liveBytes: number;
    readonly residentBytes: number;
    readonly quarantinedBytes: number;
    /** Of {@link MirrorSnapshot.holes}. */
    readonly freeBytes: number;
    readonly largestHole: number;
  };
}

export interface SnapshotFacts {
  readonly pid: number;
  readonly vmas: readonly Vma[];
  /** The lowest address that a process may map. */
  readonly lowest: Address;
  /** Stretches of a buffer in `residence` at most. */
  readonly stretches: number;
}

/** The end of the addresses that programs have. */
const USER_END = 2 ** 47;

export function assembleSnapshot(mirror: MirrorToSee, facts: SnapshotFacts): MirrorSnapshot {
  const { id, name, pageSize } = mirror;
  const devices = Object.values(mirror.devices);
  const occupants = mirror.occupants({ start: 0, end: USER_END });
  const live = mirror.buffers();
  const buffers = live.map((buffer) => seeBuffer(buffer, pageSize, facts.stretches));
  const common = intersect([{ start: facts.lowest, end: USER_END }, ...devices.map(({ window }) => window)]);
  const holes = common ? holesIn(common, occupants) : [];
  const starts = new Set(live.map(({ address }) => address));
  const held = occupants.flatMap(({ start, end, kind, name: of }): SeenHeld[] => {
    if (kind === 'quarantined') return [{ start, end, kind, name: of }];
    return kind === 'buffer' && !starts.has(start) ? [{ start, end, kind: 'reservation', name: of }] : [];
  });
  const quarantined = held.filter(({ kind }) => kind === 'quarantined');
  return {
    id,
    name,
    pid: facts.pid,
    pageSize,
    vmas: facts.vmas.map(seeVma),
    buffers,
    held,
    devices: devices.map(seeDevice),
    ...(common ? { common } : {}),
    holes,
    totals: {
      liveBytes: sum(live.map(({ placement }) => placement.size)),
      residentBytes: sum(buffers.map(({ residentBytes }) => residentBytes)),
      quarantinedBytes: sum(quarantined.map(length)),
      freeBytes: sum(holes.map(length)),
      largestHole: holes.reduce((most, hole) => Math.max(most, length(hole)), 0),
    },
  };
}

function seeVma(vma: Vma): SeenVma {
  const { start, end, kind, name } = vma;
  const own = name.startsWith('/memfd:mirrorspace-');
  return { start, end, kind: own ? 'mirror' : kind, name, protection: formatProtection(vma) };
}

function seeDevice(device: DeviceToSee): SeenDevice {
  const { name, kind, window, reserved } = device;
  return {
    name,
    kind,
    window,
    reserved,
    unmirrorable: device.unmirrorable?.() ?? [],
    counters: device.counters(),
    ...(device.systemCounters ? { systemCounters: device.systemCounters() } : {}),
  };
}

function seeBuffer(buffer: BufferToSee, pageSize: number, most: number): SeenBuffer {
  const { name, address: start, end, size, type, placement } = buffer;
  const residence = uniformResidence(buffer, pageSize, most) ?? residenceOf(buffer, 0, size, pageSize, most);
  const pages = Math.ceil(size / pageSize);
  const each = Math.ceil(pages / most);
  const residentPages = sum(residence.map((share, i) => share * Math.min(each, pages - i * each)));
  const residentBytes = Math.round(residentPages) * pageSize;
  return { name, start, end, size, type, placement, residentBytes, residence };
}

/** Up to so many pages are asked for at once before their parts are. */
const SMALL_PAGES = 4096;

/**
 * Of a small buffer that is not in memory at all, or wholly: its parts need not be asked. A picture may be of thousands of
 * buffers.
 */
function uniformResidence(buffer: BufferToSee, pageSize: number, most: number): number[] | undefined {
  const pages = Math.ceil(buffer.size / pageSize);
  if (pages > SMALL_PAGES) return undefined;
  const resident = buffer.residentBytes() / pageSize;
  if (resident > 0 && resident < pages) return undefined;
  return new Array<number>(Math.ceil(pages / Math.ceil(pages / most))).fill(resident === 0 ? 0 : 1);
}

/**
 * The part of each of at most so many equal stretches of a buffer that is in memory, 0 to 1. `offset` and `size` are bytes,
 * `offset` at a page.
 */
export function residenceOf(
  buffer: BufferToSee,
  offset: number,
  size: number,
  pageSize: number,
  most: number,
): number[] {
  const pages = Math.ceil(size / pageSize);
  const each = Math.ceil(pages / most) * pageSize;
  const residence: number[] = [];
  for (let at = 0; at < size; at += each) {
    const bytes = buffer.residentBytes(offset + at, Math.min(each, size - at));
    residence.push(bytes / Math.min(each, pages * pageSize - at));
  }
  return residence;
}

/** What all ranges have in common. */
export function intersect(ranges: readonly Range[]): Range | undefined {
  const start = Math.max(...ranges.map((range) => range.start));
  const end = Math.min(...ranges.map((range) => range.end));
  return start < end ? { start, end } : undefined;
}

/** What nobody occupies of a range. Occupants may overlap, and lie outside. */
export function holesIn(range: Range, occupants: readonly Range[]): Range[] {
  const holes: Range[] = [];
  let at = range.start;
  for (const { start, end } of [...occupants].sort((a, b) => a.start - b.start)) {
    if (start >= range.end) break;
    if (start > at) holes.push({ start: at, end: start });
    at = Math.max(at, end);
  }
  if (at < range.end) holes.push({ start: at, end: range.end });
  return holes;
}

const length = ({ start, end }: Range): number => end - start;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
