/**
 * Peers in C: compiled with `cc -O2` into a folder of their own, run, and forgotten.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the program prints, as words; undefined where there is no C compiler here. */
export function runPeer(name: string, ...args: readonly (number | string)[]): string[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'mirrorspace-bench-'));
  try {
    const source = fileURLToPath(new URL(`./peers/${name}.c`, import.meta.url));
    const program = join(folder, name);
    const compiled = spawnSync('cc', ['-O2', '-pthread', '-o', program, source], { encoding: 'utf8' });
    if (compiled.status !== 0) return undefined;
    const ran = spawnSync(program, args.map(String), { encoding: 'utf8' });
    if (ran.status !== 0)
      throw new Error(`the peer ${name} ended with ${ran.status ?? ran.signal}: ${ran.stderr}`);
    return ran.stdout.trim().split(' ');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
