/**
 * In words, how an address lies to the buffers: inside, before, past, or in one that was freed lately. Faults carry
 * it, since "0x10004010" means little and "16 bytes past `tree`" much. Pure.
 *
 * @module
 */
import { formatBytes, type NearestBuffer } from '../errors.ts';
import type { Address, Range } from '../mm/address.ts';

export interface NamedRange extends Range {
  readonly name: string;
}

/** The live range nearest to the address, or a freed one that held it; undefined where there are neither. */
export function nearestBuffer(
  address: Address,
  live: Iterable<NamedRange>,
  freed: readonly NamedRange[],
  reserved?: NamedRange,
): NearestBuffer | undefined {
  let best: NamedRange | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const range of live) {
    const distance =
      address < range.start ? range.start - address : address >= range.end ? address - range.end : -1;
    if (distance >= bestDistance) continue;
    best = range;
    bestDistance = distance;
  }
  if (bestDistance >= 0 && reserved) {
    const { name, start, end } = reserved;
    const relation = `${exactly(address - start)} into reservation \`${name}\`, where nothing is committed`;
    return { name, start, end, freed: false, relation };
  }
  if (bestDistance >= 0) {
    const gone = freed.findLast((range) => address >= range.start && address < range.end);
    if (gone) {
      const { name, start, end } = gone;
      return {
        name,
        start,
        end,
        freed: true,
        relation: `${exactly(address - start)} into \`${name}\`, which was freed`,
      };
    }
  }
  if (bestDistance >= 0 && address < 65536) {
    const near = best
      ? { name: best.name, start: best.start, end: best.end }
      : { name: '', start: 0, end: 0 };
    return {
      ...near,
      freed: false,
      relation: address === 0 ? 'a null pointer' : `${address} bytes from a null pointer`,
    };
  }
  if (!best) return undefined;
  const { name, start, end } = best;
  const relation =
    bestDistance < 0
      ? `${exactly(address - start)} into \`${name}\``
      : address < start
        ? `${exactly(start - address)} before \`${name}\``
        : `${exactly(address - end)} past \`${name}\``;
  return { name, start, end, freed: false, relation };
}

function exactly(bytes: number): string {
  return bytes < 65536 ? `${bytes} bytes` : formatBytes(bytes);
}
