/**
 * Refusals in words: a sentence or two for an error's message, and a page for whoever wants to know. Addresses
 * are hexadecimal, sizes in binary units, with the exact bytes where a unit would round.
 *
 * @module
 */

import { formatBytes, hex } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import type { Hole } from './holes.ts';
import type { Occupied } from './occupied.ts';
import type { Refusal } from './refusal.ts';
import type { Remedy } from './remedies.ts';

/** `[heap] (mapping of the host) 0x1000-0x3000`. */
export function describeOccupied(occupied: Occupied): string {
  return `${title(occupied)} ${span(occupied)}`;
}

/** What went wrong and the first remedy, in one or two sentences. */
export function refusalMessage(refusal: Refusal): string {
  const [first] = refusal.remedies;
  const remedy = first === undefined ? '' : ` ${capital(describeRemedy(first))}.`;
  return `No place for ${describeRequest(refusal)}: ${describeReason(refusal)}.${remedy}`;
}

/** The whole refusal, in several lines without a line break at the end. */
export function describeRefusal(refusal: Refusal): string {
  const { request, windows, candidate, searched, largestHole, largestAlignedHole, blockers, remedies } =
    refusal;
  const lines = [`No place for ${describeRequest(refusal)}:`, `${describeReason(refusal)}.`];

  const reach = windows.map(({ name, ...range }) => [name, rangeAndSize(range)] as const);
  const common = ['in common', candidate === null ? 'nothing' : rangeAndSize(candidate)] as const;
  const part = ['searched', searched === null ? 'nothing' : rangeAndSize(searched)] as const;
  const narrowed = candidate?.start !== searched?.start || candidate?.end !== searched?.end;
  lines.push('', 'Within reach:', ...columns([...reach, common, ...(narrowed ? [part] : [])]));

  if (searched !== null) {
    const rows: (readonly [string, string])[] = [
      ['free in all', bytes(refusal.totalFree)],
      ['largest hole', hole(largestHole)],
      [
        request.guard > 0 ? 'largest buffer (aligned, with guard)' : 'largest buffer (aligned)',
        hole(largestAlignedHole),
      ],
    ];
    if (refusal.quarantinedBytes > 0) rows.push(['quarantined', bytes(refusal.quarantinedBytes)]);
    lines.push('', 'Free:', ...columns(rows));
  }

  if (blockers.length > 0) {
    lines.push('', 'In the way:');
    const rows = blockers.map((each) => {
      const guard = each.guard ? ` and ${bytes(each.guard)} guard` : '';
      return [span(each), `${title(each)}, ${bytes(each.size)}${guard}`] as const;
    });
    lines.push(...columns(rows));
    if (refusal.blockersOmitted > 0) lines.push(`  and ${refusal.blockersOmitted} more`);
  }

  lines.push(
    '',
    remedies.length > 0 ? 'Any one of these changes makes it fit:' : 'No single change makes it fit.',
  );
  for (const remedy of remedies) lines.push(`  - ${describeRemedy(remedy)}`);
  return lines.join('\n');
}

/** `64 KiB alignment fits at 0x…`. */
export function describeRemedy(remedy: Remedy): string {
  const at = `at ${hex(remedy.address)}`;
  switch (remedy.kind) {
    case 'no-guard':
      return `without the guard it fits ${at}`;
    case 'align':
      return `${bytes(remedy.align)} alignment fits ${at}`;
    case 'anywhere':
      return `elsewhere in the window it fits ${at}`;
    case 'wait':
      return `waiting for ${bytes(remedy.bytes)} of quarantined ranges makes it fit ${at}`;
    case 'without-device':
      return `without device ${remedy.device} it fits ${at}`;
    case 'size':
      return `at most ${bytes(remedy.size)} fit, ${at}`;
  }
}

function describeRequest({ request, pageSize }: Refusal): string {
  const { size, align, guard, devices, place } = request;
  const parts = [bytes(size)];
  if (place !== undefined && 'at' in place) parts.push(`at ${hex(place.at)}`);
  else if (align > pageSize) parts.push(`aligned to ${bytes(align)}`);
  if (place !== undefined && 'within' in place)
    parts.push(`within ${span({ start: place.within[0], end: place.within[1] })}`);
  if (guard > 0) parts.push(`with a guard of ${bytes(guard)}`);
  if (devices.length > 0) parts.push(`for ${list(devices)}`);
  return parts.join(' ');
}

function describeReason(refusal: Refusal): string {
  const { reason, request, candidate, searched, totalFree, largestHole } = refusal;
  const window = candidate === null ? '' : rangeAndSize(candidate);
  const free = `${bytes(totalFree)} are free in ${searched === null ? 'all' : span(searched)}`;
  switch (reason) {
    case 'no-common-window':
      return request.devices.length > 1
        ? `the windows of ${list(request.devices)} and what the host can map have no page in common`
        : `the window of ${list(request.devices)} and what the host can map have no page in common`;
    case 'outside-window':
      return `that is outside the common window ${window}`;
    case 'larger-than-window':
      return `that is more than the whole range searched, ${rangeAndSize(searched ?? candidate ?? { start: 0, end: 0 })}`;
    case 'occupied':
      return describeClash(refusal);
    case 'alignment':
      return `${free}, and the largest hole is ${hole(largestHole)}, but none holds it at this alignment`;
    case 'fragmented': {
      const guarded = largestHole !== null && largestHole.size >= request.size;
      return `${free}, but the largest hole is ${hole(largestHole)}${guarded ? ', too small for the guard' : ''}`;
    }
    case 'exhausted':
      return largestHole === null ? `nothing is free in ${span(searched!)}` : `only ${free}`;
  }
}

function describeClash({ request, blockers, blockersOmitted }: Refusal): string {
  const [first] = blockers;
  const { place, size } = request;
  if (first === undefined || place === undefined || !('at' in place)) return 'something is in the way';
  const others = blockers.length - 1 + blockersOmitted;
  const who = `${describeOccupied(first)}${others > 0 ? ` and ${others} more` : ''}`;
  const what = first.start >= place.at + size ? ' of the guard' : '';
  return `${who} ${others > 0 ? 'are' : 'is'} in the way${what}`;
}

function title({ name, kind, owner }: Occupied): string {
  const shown = name === '' ? 'unnamed' : name;
  const who = owner === 'host' ? 'the host' : owner;
  switch (kind) {
    case 'vma':
      return `${shown} (mapping of ${who})`;
    case 'reserved':
      return `${shown} (reserved by ${who})`;
    default:
      return `${shown} (${kind}${owner === 'host' ? '' : ` of ${who}`})`;
  }
}

function span({ start, end }: Range): string {
  return `${hex(start)}-${hex(end)}`;
}

function rangeAndSize(range: Range): string {
  return `${span(range)} (${formatBytes(range.end - range.start)})`;
}

function hole(found: Hole | null): string {
  return found === null ? 'none' : `${formatBytes(found.size)} at ${span(found)}`;
}

/** `64 KiB`; `2.50 MiB (2625536 bytes)` where the unit rounds. */
function bytes(count: number): string {
  const text = formatBytes(count);
  return text.includes('.') ? `${text} (${count} bytes)` : text;
}

function list(names: readonly string[]): string {
  if (names.length === 0) return 'the host';
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
