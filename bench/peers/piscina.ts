/**
 * piscina, as far as the benchmarks use it. It is installed in bench/ alone, so the types come from here.
 *
 * @module
 */
import { createRequire } from 'node:module';

export interface Pool {
  run(task: unknown): Promise<unknown>;
  destroy(): Promise<void>;
}

const { Piscina } = createRequire(import.meta.url)('piscina') as {
  Piscina: new (options: { filename: string; maxThreads: number }) => Pool;
};

export default Piscina;
