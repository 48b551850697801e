/**
 * What things cost: handing the tree over to the device, copying the same tree as objects, and searching it
 * from JavaScript. Each is repeated, and the median is told.
 *
 * @module
 */

import type { Kernel, Queue } from 'mirrorspace';
import type { Accessor } from 'mirrorspace/layout';
import { type MapFrame, pixelVector } from './globe.ts';
import type { TreeObject } from './kd-tree.ts';
import type { Seen, Tree } from './layout.ts';
import type { TreeSearch } from './search.ts';

export type ProbeKernel = Kernel<readonly ['pointer', 'pointer']>;

/**
 * Milliseconds from the host's last store into the tree until the device has answered with what it read there.
 * The host stores a new stamp each time, and the device's answer must hold it.
 */
export function handOver(
  queue: Queue,
  probe: ProbeKernel,
  tree: Accessor<typeof Tree>,
  seen: Accessor<typeof Seen>,
  rounds: number,
): number {
  const args = [tree.address, seen.address] as const;
  return median(rounds, (round) => {
    tree.stamp = round + 1;
    const begin = performance.now();
    queue.launch(probe, { items: 1, args }).wait();
    const end = performance.now();
    if (seen.stamp !== round + 1) throw new Error(`the device saw stamp ${seen.stamp}, not ${round + 1}`);
    return end - begin;
  });
}

/** Milliseconds that `structuredClone` takes for the tree as objects: what `postMessage` to a worker begins with. */
export function cloneCost(tree: TreeObject, rounds: number): number {
  return median(rounds, () => {
    const begin = performance.now();
    structuredClone(tree);
    return performance.now() - begin;
  });
}

export interface SearchRate {
  readonly perSecond: number;
  readonly queries: number;
  /** How many answers differed from the device's in any bit. */
  readonly different: number;
}

/** The kernel's algorithm in JavaScript, on the same bytes, on one thread. */
export function searchRate(
  search: TreeSearch,
  map: MapFrame,
  grid: Float64Array,
  answers: { readonly distances: Float64Array; readonly indexes: Uint32Array },
  pixels: readonly number[],
): SearchRate {
  let different = 0;
  const run = (some: readonly number[]): number => {
    different = 0;
    const begin = performance.now();
    for (const pixel of some) {
      const { index, distance } = search.find(pixelVector(map, grid, pixel));
      if (index !== answers.indexes[pixel] || distance !== answers.distances[pixel]) different++;
    }
    return performance.now() - begin;
  };
  run(pixels.slice(0, Math.ceil(pixels.length / 4))); // compiles
  const took = run(pixels);
  return { perSecond: (1000 * pixels.length) / took, queries: pixels.length, different };
}

function median(rounds: number, once: (round: number) => number): number {
  const times = Array.from({ length: rounds }, (_, round) => once(round)).sort((a, b) => a - b);
  return times[rounds >> 1]!;
}
