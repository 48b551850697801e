/**
 * The bytes in which two versions of a page differ, as runs. Equal bytes are in no run, since somebody else may be
 * changing them. Pure.
 *
 * @module
 */

/** Pairs of offset and length, by offset. Runs are as long as can be, and end where the range does. */
export type Runs = number[];

/** The runs of `now` that differ from `before` within `[from, to)`; both hold that many bytes, from multiples of 4 on. */
export function differingRuns(before: Uint8Array, now: Uint8Array, from = 0, to = now.length): Runs {
  const runs: Runs = [];
  const words = now.length >>> 2;
  const old = new Int32Array(before.buffer, before.byteOffset, words);
  const young = new Int32Array(now.buffer, now.byteOffset, words);
  let start = -1;
  for (let at = from; at < to; ) {
    if ((at & 3) === 0 && at + 4 <= to && at >>> 2 < words && old[at >>> 2] === young[at >>> 2]) {
      if (start !== -1) runs.push(start, at - start);
      start = -1;
      at += 4;
      continue;
    }
    if (before[at] === now[at]) {
      if (start !== -1) runs.push(start, at - start);
      start = -1;
    } else if (start === -1) {
      start = at;
    }
    at++;
  }
  if (start !== -1) runs.push(start, to - start);
  return runs;
}
