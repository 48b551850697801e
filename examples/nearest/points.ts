/**
 * Points from a CSV file. The columns are found by their header names; a row that cannot be used is kept as a
 * line number and a reason, and the rest goes on. Reading a file that has no usable columns or rows throws an
 * InputError, whose message is meant for the person who chose the file.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';

/** A place on the globe, in degrees; longitude in [-180, 360]. */
export interface Point {
  readonly latitude: number;
  readonly longitude: number;
  readonly label: string;
}

/** A row that was left out. */
export interface Malformed {
  readonly line: number;
  readonly reason: string;
}

export interface Points {
  readonly points: readonly Point[];
  readonly malformed: readonly Malformed[];
  /** The header names of the columns in use. */
  readonly columns: { readonly latitude: string; readonly longitude: string; readonly label?: string };
}

/** The file cannot be used, and why. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

const LATITUDE = ['latitude', 'lat'];
const LONGITUDE = ['longitude', 'long', 'lng', 'lon'];
const LABEL = ['name', 'city', 'iata'];
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export async function readPoints(file: string): Promise<Points> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const reasons: Record<string, string> = {
      ENOENT: 'there is no such file',
      EISDIR: 'it is a directory',
      EACCES: 'permission denied',
    };
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new InputError(`cannot read ${file}: ${reasons[code] ?? message}`, { cause: error });
  }
  return parsePoints(text, file);
}

/** `name` is what messages call the text. */
export function parsePoints(text: string, name = 'the input'): Points {
  const malformed: Malformed[] = [];
  const rows = readRows(text, malformed);
  const header = rows.shift()?.record;
  if (header === undefined) throw new InputError(`${name} has no header row`);

  const latitude = findColumn(header, LATITUDE);
  const longitude = findColumn(header, LONGITUDE);
  if (latitude === undefined || longitude === undefined) {
    const missing = latitude === undefined ? LATITUDE : LONGITUDE;
    const names = header.slice(0, 12).map((field) => JSON.stringify(field.trim()));
    throw new InputError(
      `${name} has no column named ${missing.join(' or ')}; its header names ${names.join(', ')}${header.length > 12 ? ', …' : ''}`,
    );
  }
  const label = findColumn(header, LABEL);

  const points: Point[] = [];
  for (const { record, line } of rows) {
    const point = toPoint(record, header.length, latitude, longitude, label);
    if (typeof point === 'string') malformed.push({ line, reason: point });
    else points.push(point);
  }
  malformed.sort((a, b) => a.line - b.line);
  if (points.length === 0) {
    const first = malformed[0];
    const why = first ? `; line ${first.line}: ${first.reason}` : ': nothing follows the header';
    throw new InputError(`${name} has no usable row${why}`);
  }
  const used = { latitude: header[latitude]!.trim(), longitude: header[longitude]!.trim() };
  return {
    points,
    malformed,
    columns: label === undefined ? used : { ...used, label: header[label]!.trim() },
  };
}

interface Row {
  readonly record: readonly string[];
  /** Where it starts, from 1. */
  readonly line: number;
}

/** A quote that is never closed swallows the rest of the file, which then is one malformed row. */
function readRows(text: string, malformed: Malformed[]): Row[] {
  let unclosed = false;
  const parsed = parse(text, {
    bom: true,
    info: true,
    delimiter: likelyDelimiter(text),
    relax_column_count: true,
    relax_quotes: true,
    skip_records_with_error: true,
    on_skip: () => {
      unclosed = true;
    },
  }) as unknown as { record: string[]; info: { lines: number } }[];
  if (unclosed) {
    const line = (parsed.at(-1)?.info.lines ?? 0) + 1;
    malformed.push({ line, reason: 'a quote opens here and is never closed; the rest of the file is lost' });
  }
  return parsed
    .map(({ record, info }) => ({ record, line: info.lines - (record.join().split('\n').length - 1) }))
    .filter(({ record }) => record.length > 1 || record[0]!.trim() !== '');
}

/** Comma, semicolon or tab: whichever the header has most of. */
function likelyDelimiter(text: string): string {
  const header = text.slice(0, text.search(/[\r\n]|$/));
  const count = (character: string) => header.split(character).length;
  return [',', ';', '\t'].reduce((a, b) => (count(b) > count(a) ? b : a));
}

function findColumn(header: readonly string[], names: readonly string[]): number | undefined {
  const found = header.map((field) => field.trim().toLowerCase());
  return names.map((name) => found.indexOf(name)).find((index) => index >= 0);
}

function toPoint(
  record: readonly string[],
  fields: number,
  latitude: number,
  longitude: number,
  label: number | undefined,
): Point | string {
  if (record.length !== fields) return `${record.length} fields where the header has ${fields}`;
  const lat = degrees(record[latitude]!, 'latitude', -90, 90);
  if (typeof lat === 'string') return lat;
  const lon = degrees(record[longitude]!, 'longitude', -180, 360);
  if (typeof lon === 'string') return lon;
  return { latitude: lat, longitude: lon, label: label === undefined ? '' : record[label]!.trim() };
}

function degrees(field: string, what: string, low: number, high: number): number | string {
  const text = field.trim();
  if (text === '') return `no ${what}`;
  const shown = JSON.stringify(text.length > 24 ? `${text.slice(0, 24)}…` : text);
  if (!NUMBER.test(text)) return `${what} ${shown} is not a number`;
  const value = Number(text);
  return value >= low && value <= high ? value : `${what} ${shown} is outside ${low} to ${high}`;
}
