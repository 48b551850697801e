/**
 * A whole process from nothing to the first kernel's end, beside a bare `node -e 0`.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beside, median, type Row, rounded } from './rows.ts';

const program = fileURLToPath(new URL('./peers/first-kernel.mjs', import.meta.url));

/** Milliseconds of a Node with such arguments, from start to end. */
export function wallOnce(args: readonly string[], cwd?: string): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd });
  if (status !== 0) throw new Error(stderr);
  return performance.now() - start;
}

function wall(args: readonly string[], rounds: number): number {
  wallOnce(args);
  return median(Array.from({ length: rounds }, () => wallOnce(args)));
}

export async function startup(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 3 : 11;
  const row = {
    group: 'start',
    what: 'process start to first kernel done',
    unit: 'ms',
    ours: rounded(wall([program], rounds)),
    target: 'at most 4x the peer',
  };
  return [beside(row, 'node -e 0', wall(['-e', '0'], rounds))];
}
