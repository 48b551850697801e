/**
 * The graph: airports of the United States and the routes that were flown between them, read from two files of the
 * vega-datasets package, and built in mirrored memory as airports and routes that are linked by pointers.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import type { AllocatingMemory } from 'mirrorspace/layout';
import { Airport, Route } from './network.js';

export interface Place {
  /** Three letters of IATA's. */
  readonly code: string;
  readonly latitude: number;
  readonly longitude: number;
}

export interface Flights {
  /** Those that some route begins or ends at, by code. */
  readonly places: readonly Place[];
  /** Pairs of numbers of `places`: from, to. */
  readonly routes: readonly (readonly [from: number, to: number])[];
}

/** Metres; the mean radius of the IUGG. */
const EARTH_RADIUS = 6_371_008.8;

export async function readFlights(): Promise<Flights> {
  const airports = new Map((await rows('airports.csv')).map((row) => [row.iata!, row]));
  const pairs = await rows('flights-airport.csv');
  const codes = [...new Set(pairs.flatMap(({ origin, destination }) => [origin!, destination!]))].sort();
  const places = codes.map((code) => {
    const { latitude, longitude } = airports.get(code)!;
    return { code, latitude: Number(latitude), longitude: Number(longitude) };
  });
  const numbers = new Map(codes.map((code, i) => [code, i]));
  const routes = pairs.map(
    ({ origin, destination }) => [numbers.get(origin!)!, numbers.get(destination!)!] as const,
  );
  return { places, routes };
}

async function rows(name: string): Promise<Record<string, string | undefined>[]> {
  const file = new URL(`../data/${name}`, import.meta.resolve('vega-datasets'));
  return parse(await readFile(file), { columns: true });
}

/** Gives the addresses of the airports, in the order of `places`. */
export function buildNetwork(memory: AllocatingMemory, { places, routes }: Flights): number[] {
  const addresses = places.map((_, i) => {
    const airport = Airport.in(memory).create();
    airport.index = i;
    return airport.address;
  });
  const airport = Airport.in(memory).at(addresses[0]!);
  // Each new route is put before the others of its airport, so the last come first.
  for (const [from, to] of routes.toReversed()) {
    const route = Route.in(memory).create();
    airport.move(addresses[from]!);
    route.to = addresses[to]!;
    route.metres = distance(places[from]!, places[to]!);
    route.next = airport.routes;
    airport.routes = route.address;
  }
  return addresses;
}

/** Whole metres along the great circle, by the haversine formula: numbers of which sums are exact everywhere. */
export function distance(from: Place, to: Place): number {
  const [a, b] = [radians(from.latitude), radians(to.latitude)];
  const half = Math.sin((b - a) / 2) ** 2;
  const across = Math.cos(a) * Math.cos(b) * Math.sin(radians(to.longitude - from.longitude) / 2) ** 2;
  return Math.round(2 * EARTH_RADIUS * Math.asin(Math.sqrt(half + across)));
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;
