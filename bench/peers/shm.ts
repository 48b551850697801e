/**
 * shm-typed-array, as far as the benchmarks use it; undefined where it is not there: it is compiled when it is installed,
 * which takes a compiler, Python and Node's headers.
 *
 * @module
 */
import { createRequire } from 'node:module';

interface Shm {
  create(count: number, type: string): (NodeJS.ArrayBufferView & { key: number }) | null;
  destroy(key: number): boolean;
}

function load(): Shm | undefined {
  try {
    return createRequire(import.meta.url)('shm-typed-array') as Shm;
  } catch {
    return undefined;
  }
}

export const shm: Shm | undefined = load();
