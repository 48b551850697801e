/**
 * One graph, one set of pointers, four processors. JavaScript builds a network of airports and routes in mirrored memory,
 * linked by ordinary pointers. Then the same pointers are followed by JavaScript, by a wasm kernel, by a process kernel and
 * by an OpenCL kernel, each of which works out the shortest ways between all airports. Their answers hold pointers too, and
 * have to be equal byte for byte. Then JavaScript closes an airport with one store, and all four see that.
 *
 *     node --import tsx examples/four-processors.ts
 *
 * Where the machine has no OpenCL driver there are three processors, and a line that says why. Ends with code 1 where the
 * answers differ.
 *
 * @module
 */
import { availableParallelism } from 'node:os';
import {
  hex,
  type Mirror,
  openclDevice,
  openMirror,
  processDevice,
  type SvmBuffer,
  UnsupportedError,
  wasmDevice,
} from 'mirrorspace';
import { sizeof } from 'mirrorspace/layout';
import colours from 'picocolors';
import { buildNetwork, readFlights } from './four-processors/airports.ts';
import { Airport, Answer, Way } from './four-processors/network.js';
import { type Devices, type Processor, processors } from './four-processors/processors.ts';
import { count, duration, heading, table } from './nearest/table.ts';

/** Runs that are timed, after one that is not: the first compiles. */
const ROUNDS = 5;
const CLOSED = 'ANC';

/** What one processor writes, at places that are its alone. */
interface Work {
  readonly processor: Processor;
  readonly answers: SvmBuffer;
  readonly ways: SvmBuffer;
  /** Milliseconds, per run. */
  readonly times: number[];
}

process.exitCode = await main();

async function main(): Promise<number> {
  await using mirror = await open();
  return await follow(mirror, mirror.devices);
}

async function open(): Promise<Mirror & { readonly devices: Devices }> {
  const cores = Math.min(4, availableParallelism());
  const devices = { wasm: wasmDevice({ cores }), proc: processDevice({ cores }) };
  try {
    return await openMirror({ devices: { ...devices, opencl: openclDevice() } });
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    console.log(colours.yellow(`without OpenCL: ${error.message}`));
    return openMirror({ devices });
  }
}

async function follow(mirror: Mirror, devices: Devices): Promise<number> {
  const flights = await readFlights();
  const heap = mirror.heap({ name: 'network', access: { wasm: 'read', proc: 'read' } });
  const addresses = buildNetwork(heap, flights);
  const airports = addresses.length;
  const works = (await processors(mirror, devices)).map((processor): Work => {
    const answers = mirror.alloc(airports * sizeof(Answer), { name: `answers of ${processor.name}` });
    const ways = mirror.alloc(airports ** 2 * sizeof(Way), { name: `ways of ${processor.name}` });
    const answer = Answer.in(answers).at(answers.address);
    for (const [i, address] of addresses.entries()) {
      answer.move(answers.address + i * sizeof(Answer));
      answer.origin = address;
    }
    return { processor, answers, ways, times: [] };
  });
  const place = flights.places.findIndex(({ code }) => code === CLOSED);
  const closed = Airport.in(heap).at(addresses[place]!);
  console.log(
    `${count(airports)} airports and ${count(flights.routes.length)} routes, as objects linked by pointers; ` +
      `${CLOSED} lies at ${colours.cyan(hex(closed.address))} for everyone`,
  );

  const open = await everyone(works, airports);
  console.log(`${heading(`The shortest ways between all pairs, ${count(airports ** 2)}`)}\n${open.text}`);
  console.log(longest(mirror, works[0]!, flights.places, airports));

  closed.routes = 0;
  const shut = await everyone(works, airports);
  console.log(
    `${heading(`The same when nothing leaves ${CLOSED} any more: one pointer set to null`)}\n${shut.text}`,
  );
  console.log(longest(mirror, works[0]!, flights.places, airports));
  return open.equal && shut.equal && !open.bytes.equals(shut.bytes) ? 0 : 1;
}

/** Lets all of them work, one after the other, and compares what they have written with what the first has. */
async function everyone(works: readonly Work[], airports: number) {
  for (const { processor, answers, ways, times } of works) {
    times.length = 0;
    for (let round = 0; round <= ROUNDS; round++) {
      const start = performance.now();
      await processor.run([answers.address, ways.address, airports]);
      if (round > 0) times.push(performance.now() - start);
    }
  }
  const [first, ...others] = works.map(written);
  const same = [true, ...others.map((bytes) => bytes.equals(first!))];
  const [javascript] = works.map(({ times }) => median(times));
  const rows = works.map(({ processor: { name, where }, times }, i) => {
    const verdict = i === 0 ? '' : same[i] ? colours.green('the same') : colours.red('DIFFERENT');
    return [name, where, duration(median(times)), `${count(javascript! / median(times))} x`, verdict];
  });
  const columns = [
    { head: 'processor' },
    { head: 'works in', width: 46 },
    { head: 'time', align: 'right' },
    { head: 'speed', align: 'right' },
    { head: 'answers' },
  ] as const;
  return { equal: same.every(Boolean), bytes: first!, text: table(columns, rows) };
}

/** A copy of all answers and ways: pointers, distances, and the numbers of flights. */
function written({ answers, ways }: Work): Buffer {
  return Buffer.concat([answers.bytes, ways.bytes]);
}

/** The longest of the shortest ways, found and followed by pointers that a processor has stored. */
function longest(
  mirror: Mirror,
  { answers, ways }: Work,
  places: readonly { code: string }[],
  airports: number,
) {
  const answer = Answer.in(answers).at(answers.address);
  const starts = Array.from({ length: airports }, (_, i) => answers.address + i * sizeof(Answer));
  const metres = (start: number): number => {
    answer.move(start);
    return answer.metres;
  };
  const best = starts.reduce((a, b) => (metres(b) > metres(a) ? b : a));
  answer.move(best);
  const row = ways.address + starts.indexOf(best) * airports * sizeof(Way);
  const airport = Airport.in(mirror).at(answer.farthest);
  const way = Way.in(ways).at(row);
  const codes: string[] = [];
  for (let at = answer.farthest; at !== 0; at = way.via) {
    airport.move(at);
    way.move(row + airport.index * sizeof(Way));
    codes.unshift(places[airport.index]!.code);
  }
  return colours.dim(
    `the longest: ${codes.join(' - ')}, ${count(answer.metres / 1000)} km, ${answer.flights} flights`,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
