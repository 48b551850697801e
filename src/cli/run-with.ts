/**
 * Runs somebody's program with a module of this package in it, and in whatever Node processes it starts. The program has the
 * terminal, and its exit code is passed on.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Failure } from './output.ts';

/** Gives its exit code, or the signal that ended it. */
export async function runWith(
  preload: string,
  [program, ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number | string> {
  const child = spawn(program!, args, {
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${import.meta.resolve(preload)}`.trim(),
      ...env,
    },
  });
  // A terminal sends them to both: the program decides, and its end is waited for.
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  process.on('SIGTERM', passOn);
  try {
    return await new Promise<number | string>((resolve, reject) => {
      child.once('error', (error) => reject(new Failure(`${program} can't be run: ${error.message}`, 1)));
      child.once('exit', (code, signal) => resolve(signal ?? code ?? 0));
    });
  } finally {
    process.off('SIGINT', ignore);
    process.off('SIGTERM', passOn);
  }
}

/** As a shell has it: 128 and the number of the signal. */
export function exitCodeOf(exit: number | string): number {
  return typeof exit === 'number' ? exit : 128 + (constants.signals[exit as NodeJS.Signals] ?? 0);
}
