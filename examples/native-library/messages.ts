/**
 * DNS messages as they come from the network, good and bad: a header of 12 bytes, then names. Each is an ordinary
 * Uint8Array of this process.
 *
 * @module
 */

export interface Sample {
  readonly title: string;
  readonly bytes: Uint8Array;
  /** Where in it the name begins. */
  readonly offset: number;
}

const HEADER = 12;

/** Labels with their lengths, and what ends the name: 0, or a pointer to an offset in the message. */
function name(labels: readonly string[], pointer?: number): number[] {
  const bytes = labels.flatMap((label) => [label.length, ...Buffer.from(label)]);
  return pointer === undefined ? [...bytes, 0] : [...bytes, 0xc0 | (pointer >> 8), pointer & 0xff];
}

const message = (...names: readonly number[][]): Uint8Array =>
  Uint8Array.from([...new Array<number>(HEADER).fill(0), ...names.flat()]);

const first = name(['example', 'org']);

export const samples: readonly Sample[] = [
  { title: 'a name', bytes: message(first), offset: HEADER },
  {
    title: 'a pointer to that name',
    bytes: message(first, name(['www'], HEADER)),
    offset: HEADER + first.length,
  },
  { title: 'a pointer to itself', bytes: message(name([], HEADER)), offset: HEADER },
  {
    title: 'a name of 2.5 KiB',
    bytes: message(name(Array.from({ length: 40 }, () => 'a'.repeat(63)))),
    offset: HEADER,
  },
];
