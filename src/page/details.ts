/**
 * Words about what is under the pointer, or was chosen, as pairs for a list. Pure.
 *
 * @module
 */
import { formatBytes, hex } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import type { Column, Item, Kind, Picture } from './picture.ts';
import type { Stop } from './stops.ts';

export interface Words {
  readonly title: string;
  readonly pairs: readonly (readonly [string, string])[];
}

const KINDS: Readonly<Record<Kind, string>> = {
  code: 'code of the process',
  heap: "the C library's heap",
  stack: 'a stack',
  file: 'a mapped file',
  anonymous: 'anonymous memory of the process',
  special: "the kernel's",
  mirror: 'what the mirror shares with devices',
  buffer: 'a buffer: the same bytes for host and devices',
  reservation: 'addresses reserved for buffers to come',
  quarantined: 'freed; something may still look there',
  reserved: 'a region that the device keeps for itself',
  unmirrorable: "where the device never sees the host's memory",
};

/** Where nothing is chosen: the mirror itself. */
export function aboutMirror({ snapshot }: Picture): Words {
  const { name, pid, vmas, buffers, devices, common, holes, totals } = snapshot;
  const pairs: [string, string][] = [
    ['process', `${pid}, with ${vmas.length} mappings`],
    ['devices', devices.map((device) => `${device.name} (${device.kind})`).join(', ') || 'none'],
    ['buffers', `${buffers.length} of ${formatBytes(totals.liveBytes)}`],
    ['in memory', formatBytes(totals.residentBytes)],
    ['window', common ? `${rangeText(common)}, what all reach` : 'nothing that all reach'],
    ['free there', `${formatBytes(totals.freeBytes)} in ${holes.length} holes`],
    ['largest hole', formatBytes(totals.largestHole)],
  ];
  if (totals.quarantinedBytes > 0)
    pairs.push(['not yet safe', `${formatBytes(totals.quarantinedBytes)} freed`]);
  return { title: name, pairs };
}

/** In one sentence, to be read aloud: what it is, where, and the how manieth of what the keyboard goes over. */
export function sentenceOf({ column, item, range, count }: Stop, at: number, of: number): string {
  const what = item ? item.name || KINDS[item.kind] : 'a hole that all reach';
  const kind = item && item.name !== '' ? `, ${KINDS[item.kind]}` : '';
  const more = count > 1 ? `, and ${count - 1} more that are too small to be told apart here` : '';
  const size = formatBytes(range.end - range.start);
  return `${what}${kind}, ${size} at ${rangeText(range)}${more}; ${column.title}, ${at} of ${of}`;
}

export function wordsOf(column: Column, item: Item | undefined, address: number, picture: Picture): Words {
  if (item) return aboutItem(column, item);
  const hole = holeAt(column.items, address, column.window);
  const inWindow = !column.window || (address >= column.window.start && address < column.window.end);
  const common = picture.holes.some(({ start, end }) => start <= address && address < end);
  return {
    title: inWindow ? 'a hole' : `out of reach of ${column.title}`,
    pairs: [
      ['address', hex(Math.floor(address))],
      ['range', rangeText(hole)],
      ['size', formatBytes(hole.end - hole.start)],
      ['a buffer here', common ? 'could be reached by all' : 'could not be reached by all'],
    ],
  };
}

/** In two lines, for what is under the pointer. */
export function briefly(
  column: Column,
  item: Item | undefined,
  address: number,
  picture: Picture,
): { readonly title: string; readonly text: string } {
  const { title, pairs } = wordsOf(column, item, address, picture);
  const range = pairs.find(([name]) => name === 'range')?.[1] ?? '';
  return {
    title,
    text: item
      ? `${range} · ${formatBytes(item.end - item.start)}`
      : `${hex(Math.floor(address))} in ${range}`,
  };
}

function aboutItem(column: Column, item: Item): Words {
  const { buffer } = item;
  const size = item.end - item.start;
  const pairs: [string, string][] = [
    ['what', KINDS[item.kind]],
    ['range', rangeText(item)],
    [
      'size',
      buffer && buffer.size !== size
        ? `${formatBytes(buffer.size)} in ${formatBytes(size)}`
        : formatBytes(size),
    ],
  ];
  if (item.protection) pairs.push(['protection', item.protection]);
  if (buffer) {
    const { placement, residentBytes, type } = buffer;
    pairs.push(
      ['type', `${type}-grained`],
      [
        'in memory',
        `${formatBytes(residentBytes)} (${Math.round((100 * residentBytes) / Math.max(1, size))}%)`,
      ],
      ['placed', `${placement.strategy}, aligned to ${formatBytes(placement.align)}`],
      ['searched', rangeText(placement.window)],
    );
    if (placement.hintMissed)
      pairs.push(['hint', `${hex(placement.hintMissed.hint)} missed: ${placement.hintMissed.reason}`]);
  }
  return { title: item.name || KINDS[item.kind], pairs: [['in', column.title], ...pairs] };
}

/** What nobody has about an address, within the window where there is one. */
export function holeAt(items: readonly Range[], address: number, window: Range | undefined): Range {
  let { start, end } = { start: 0, end: 2 ** 47 };
  for (const item of items) {
    if (item.end <= address) start = item.end;
    else if (item.start > address) {
      end = item.start;
      break;
    }
  }
  if (!window) return { start, end };
  if (address < window.start) return { start, end: Math.min(end, window.start) };
  if (address >= window.end) return { start: Math.max(start, window.end), end };
  return { start: Math.max(start, window.start), end: Math.min(end, window.end) };
}

const rangeText = ({ start, end }: Range): string => `${hex(Math.floor(start))}-${hex(Math.floor(end))}`;

/** The first item whose name has the words, or that has the address. */
export function find(picture: Picture, text: string, address: number | undefined): Item | undefined {
  const words = text.trim().toLowerCase();
  if (words === '') return undefined;
  const items = picture.columns.flatMap((column) => column.items);
  const named = items.filter(({ name }) => name.toLowerCase().includes(words));
  const best = named.find(({ kind }) => kind === 'buffer') ?? named[0];
  if (best || address === undefined) return best;
  return items.find(({ start, end }) => start <= address && address < end);
}
