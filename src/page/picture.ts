/**
 * What the atlas draws, made of a snapshot once, when it comes: columns for the host and each device, their ranges by
 * address, and the ranges at whose borders a folded axis folds. Pure.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import type { MirrorSnapshot, SeenBuffer, SeenDevice } from '../observe/snapshot.ts';

/** What a range is, for its colour and its words. */
export type Kind =
  | 'code'
  | 'heap'
  | 'stack'
  | 'file'
  | 'anonymous'
  | 'special'
  | 'mirror'
  | 'buffer'
  | 'reservation'
  | 'quarantined'
  | 'reserved'
  | 'unmirrorable';

export interface Item extends Range {
  readonly kind: Kind;
  readonly name: string;
  /** `rw-p`, for mappings of the host. */
  readonly protection?: string;
  readonly buffer?: SeenBuffer;
}

export interface Column {
  readonly title: string;
  readonly subtitle: string;
  /** What a device reaches; absent for the host. */
  readonly window?: Range;
  /** By address; none overlaps another. */
  readonly items: readonly Item[];
  readonly device?: SeenDevice;
}

export interface Picture {
  readonly snapshot: MirrorSnapshot;
  readonly columns: readonly Column[];
  /** The holes that host and devices have in common, by address. */
  readonly holes: readonly Range[];
  /** Where a folded axis folds. */
  readonly folds: readonly Range[];
}

export function pictureOf(snapshot: MirrorSnapshot): Picture {
  const buffers = snapshot.buffers.map(
    (buffer): Item => ({
      start: buffer.start,
      end: buffer.start + buffer.placement.size,
      kind: 'buffer',
      name: buffer.name,
      buffer,
    }),
  );
  const held = snapshot.held.map(({ start, end, kind, name }): Item => ({ start, end, kind, name }));
  const own = byAddress([...buffers, ...held]);
  // A buffer's mapping is the mirror's memory file: the buffer says more.
  const vmas = snapshot.vmas.map(
    ({ start, end, kind, name, protection }): Item => ({
      start,
      end,
      kind: kindOf(kind, name, protection),
      name: name || 'anonymous memory',
      protection,
    }),
  );
  const host = byAddress([...own, ...vmas.flatMap((vma) => without(vma, own))]);
  const columns = [
    { title: 'host', subtitle: `process ${snapshot.pid}`, items: host },
    ...snapshot.devices.map((device) => columnOf(device, buffers)),
  ];
  return {
    snapshot,
    columns,
    holes: snapshot.holes,
    folds: [...host, ...snapshot.devices.map(({ window }) => window)],
  };
}

function columnOf(device: SeenDevice, buffers: readonly Item[]): Column {
  const reaches = buffers.filter(
    ({ start, end }) => device.window.start <= start && end <= device.window.end,
  );
  const regions = [
    ...device.reserved.map(({ start, end, name }): Item => ({ start, end, kind: 'reserved', name })),
    ...device.unmirrorable.map(({ start, end, name }): Item => ({ start, end, kind: 'unmirrorable', name })),
  ];
  const items = byAddress([...reaches, ...regions.flatMap((region) => without(region, byAddress(reaches)))]);
  return { title: device.name, subtitle: device.kind, window: device.window, items: apart(items), device };
}

function kindOf(kind: string, name: string, protection: string): Kind {
  if (kind === 'mirror') return 'mirror';
  if (name === '[heap]') return 'heap';
  if (name.startsWith('[stack')) return 'stack';
  if (name.startsWith('[')) return 'special';
  if (name === '' || name.startsWith('/memfd:') || name.startsWith('anon')) return 'anonymous';
  return protection.includes('x') ? 'code' : 'file';
}

const byAddress = (items: readonly Item[]): Item[] => [...items].sort((a, b) => a.start - b.start);

/** What is left of an item where others lie over it; those are sorted and don't overlap. */
export function without(item: Item, over: readonly Range[]): Item[] {
  const left: Item[] = [];
  let at = item.start;
  for (const { start, end } of over) {
    if (end <= at) continue;
    if (start >= item.end) break;
    if (start > at) left.push({ ...item, start: at, end: start });
    at = end;
  }
  if (at < item.end) left.push({ ...item, start: at });
  return left;
}

/** Regions of a device may overlap each other: the first keeps its place. */
function apart(items: readonly Item[]): Item[] {
  const kept: Item[] = [];
  for (const item of items) {
    const end = kept.at(-1)?.end ?? 0;
    if (item.end <= end) continue;
    kept.push(item.start < end ? { ...item, start: end } : item);
  }
  return kept;
}
