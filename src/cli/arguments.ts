/**
 * Arguments of the command line as values: sizes (`64M`), addresses (`0x10000`), ranges (`0x10000:4G`), windows of devices
 * (`gpu=0:64G`). What is wrong is refused with the form that was expected.
 *
 * @module
 */
import { InvalidArgumentError } from 'commander';
import { hex, type Range } from 'mirrorspace/mm';

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40, P: 2 ** 50 };
const SIZE = /^(?:0x([0-9a-f]+)|(\d+(?:\.\d+)?)(?:([KMGTP])(?:iB|B)?|B)?)$/i;

/** Bytes: decimal or 0x-hexadecimal, or with a binary unit: `4096`, `0x1000`, `4K`, `1.5G`, `64MiB`. */
export function parseBytes(text: string): number {
  const match = SIZE.exec(text.trim());
  if (!match) throw new InvalidArgumentError('Expected bytes such as 4096, 0x1000, 64K, 1.5G.');
  const [, hexadecimal, decimal, unit = ''] = match;
  const bytes =
    hexadecimal === undefined
      ? Number(decimal) * UNITS[unit.toUpperCase()]!
      : Number.parseInt(hexadecimal, 16);
  if (!Number.isInteger(bytes)) throw new InvalidArgumentError('That is no whole number of bytes.');
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('Addresses and sizes end at 2^53.');
  return bytes;
}

/** `LOW:HIGH`, the end exclusive. */
export function parseRange(text: string): Range {
  const parts = text.split(':');
  if (parts.length !== 2 || parts.some((part) => part === ''))
    throw new InvalidArgumentError('Expected LOW:HIGH, such as 0x10000:4G (HIGH is exclusive).');
  const [start, end] = parts.map(parseBytes) as [number, number];
  if (start >= end)
    throw new InvalidArgumentError(`The range is empty: ${hex(start)} is not below ${hex(end)}.`);
  return { start, end };
}

export interface NamedRange extends Range {
  readonly name: string;
}

/** `[NAME=]LOW:HIGH`. */
function parseNamedRange(text: string, fallback: string): NamedRange {
  const [first, rest] = split(text, '=');
  if (rest === undefined) return { name: fallback, ...parseRange(first) };
  if (!/^[\w.-]{1,32}$/.test(first))
    throw new InvalidArgumentError('A name has 1 to 32 letters, digits, dots and dashes.');
  return { name: first, ...parseRange(rest) };
}

/** A device as the command line describes it. */
export interface DeviceArgument {
  readonly name: string;
  readonly window: Range;
  readonly reserved: readonly NamedRange[];
}

/** Collects `--window`s. */
export function addWindow(text: string, before: readonly DeviceArgument[] = []): DeviceArgument[] {
  const { name, ...window } = parseNamedRange(
    text,
    before.length === 0 ? 'device' : `device${before.length + 1}`,
  );
  if (name === 'host') throw new InvalidArgumentError("'host' is the process itself.");
  if (before.some((device) => device.name === name))
    throw new InvalidArgumentError(`There is a window called '${name}' already.`);
  return [...before, { name, window, reserved: [] }];
}

/** Adds a `--reserved` to the window that came before it. */
export function addReserved(text: string, devices: readonly DeviceArgument[]): DeviceArgument[] {
  const last = devices.at(-1);
  if (!last) throw new InvalidArgumentError('It is of the --window before it, and there is none.');
  const region = parseNamedRange(
    text,
    `reserved${last.reserved.length > 0 ? ` ${last.reserved.length + 1}` : ''}`,
  );
  return [...devices.slice(0, -1), { ...last, reserved: [...last.reserved, region] }];
}

/** The id of a process. */
export function parsePid(text: string): number {
  const pid = Number(text);
  if (!/^\d+$/.test(text) || pid < 1 || pid > 2 ** 22)
    throw new InvalidArgumentError('Expected the id of a process, a number from 1 on.');
  return pid;
}

/** Seconds, above 0. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds >= 0.05 && seconds <= 86_400))
    throw new InvalidArgumentError('Expected seconds, from 0.05 to 86400.');
  return seconds;
}

function split(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at);
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
