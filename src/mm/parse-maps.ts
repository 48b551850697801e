/**
 * /proc/PID/maps, read as proc(5) and the kernel's `show_map_vma` (fs/proc/task_mmu.c) describe it:
 *
 *     start-end perms offset major:minor inode   name
 *
 * Addresses are hexadecimal and may need all 64 bits ([vsyscall] does). One that a number can't hold exactly
 * is recognised in the text, before any conversion, and its line is listed apart instead of being rounded.
 *
 * @module
 */

import { invalidType, MirrorError } from '../errors.ts';
import {
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Vma,
  type VmaKind,
} from './vma.ts';

/** A line whose addresses reach 2^53. Never a place for anything, so the text is all that anyone needs. */
export interface UnaddressableVma {
  /** Hexadecimal digits, as printed. */
  readonly start: string;
  readonly end: string;
  /** `r-xp`, as printed. */
  readonly protection: string;
  readonly name: string;
}

export interface ParsedMaps {
  /** In the order of the text, which the kernel prints in ascending order. */
  readonly vmas: Vma[];
  readonly unaddressable: UnaddressableVma[];
}

/** A line that is not of /proc/PID/maps. Code `ERR_MIRROR_MAPS`. */
export class MapsError extends MirrorError {
  /** Number of the line, from 1. */
  readonly line: number;
  readonly text: string;

  constructor(line: number, text: string) {
    super('ERR_MIRROR_MAPS', `line ${line} is not a line of /proc/PID/maps: ${JSON.stringify(text)}`);
    this.line = line;
    this.text = text;
  }
}

/** The single space after the inode is there even where no name follows; older kernels' is not. */
const LINE =
  /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][ps]) ([0-9a-f]{1,16}) ([0-9a-f]+:[0-9a-f]+) ([0-9]{1,20})(?: +(.*))?$/s;
const DELETED = ' (deleted)';

/**
 * Parses the whole text. Throws `TypeError` for anything but a string, and {@link MapsError} for a line that
 * does not parse or whose end is not above its start. Blank lines at the end are no lines.
 */
export function parseMaps(text: string): ParsedMaps {
  if (typeof text !== 'string') throw invalidType('text', 'a string', text);
  const vmas: Vma[] = [];
  const unaddressable: UnaddressableVma[] = [];
  const lines = text.split('\n');
  // A name may itself end in a carriage return, so lines are taken to end in CRLF only if the first one does.
  const crlf = lines[0]?.endsWith('\r') ?? false;
  while (lines.length > 0 && lines.at(-1)!.trim() === '') lines.pop();
  for (const [index, raw] of lines.entries()) {
    const line = crlf && raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const match = LINE.exec(line);
    if (match === null) throw new MapsError(index + 1, line);
    const [, startDigits, endDigits, protection, offset, device, inode, printedName] = match as unknown as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string | undefined,
    ];
    const { name, deleted } = readName(printedName ?? '');
    if (BigInt(`0x${endDigits}`) <= BigInt(`0x${startDigits}`)) throw new MapsError(index + 1, line);
    const start = safeHex(startDigits);
    const end = safeHex(endDigits);
    if (start === undefined || end === undefined) {
      unaddressable.push({ start: startDigits, end: endDigits, protection, name });
      continue;
    }
    vmas.push({
      start,
      end,
      prot: readProtection(protection),
      flags: protection[3] === 's' ? MAP_SHARED : MAP_PRIVATE,
      offset: safeHex(offset) ?? Number.NaN,
      device,
      inode,
      name,
      deleted,
      kind: kindOf(name, inode),
    });
  }
  return { vmas, unaddressable };
}

/** The number, or undefined where it is 2^53 or above: more than 53 significant bits in its digits. */
function safeHex(digits: string): number | undefined {
  const significant = digits.replace(/^0+/, '');
  if (significant.length > 14 || (significant.length === 14 && significant[0] !== '1')) return undefined;
  return Number.parseInt(significant || '0', 16);
}

function readProtection(text: string): number {
  return (
    (text[0] === 'r' ? PROT_READ : PROT_NONE) |
    (text[1] === 'w' ? PROT_WRITE : PROT_NONE) |
    (text[2] === 'x' ? PROT_EXEC : PROT_NONE)
  );
}

/** The kernel escapes newlines in names, and nothing else: a backslash is just a backslash. */
function readName(printed: string): { name: string; deleted: boolean } {
  const deleted = printed.endsWith(DELETED);
  const escaped = deleted ? printed.slice(0, -DELETED.length) : printed;
  return { name: escaped.replaceAll('\\012', '\n'), deleted };
}

function kindOf(name: string, inode: string): VmaKind {
  if (inode !== '0' || name.startsWith('/')) return 'file';
  if (name === '[heap]') return 'heap';
  if (name === '[stack]' || name.startsWith('[stack:')) return 'stack';
  if (name === '' || name.startsWith('[anon:') || name.startsWith('[anon_shmem:')) return 'anonymous';
  return 'special';
}
