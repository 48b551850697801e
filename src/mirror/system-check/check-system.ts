/**
 * What this machine offers to mirrors, and what it lacks: each thing is tried, not read off a version number.
 *
 * @module
 */
import { faultFindings } from './fault-checks.ts';
import type { SystemFinding } from './finding.ts';
import { memoryFindings } from './memory-checks.ts';
import { limitFindings, runtimeFindings } from './process-checks.ts';

/**
 * Tries everything that Mirrorspace uses of the system, one thing at a time, and gives what was found, with the command
 * that helps where something is not there. Takes some milliseconds and one child process; leaves nothing behind. Never
 * throws. Where the platform or the foreign function interface is missing nothing else is tried.
 */
export function checkSystem(): SystemFinding[] {
  const runtime = runtimeFindings();
  const found = runtime.filter(({ id }) => id === 'platform' || id === 'ffi');
  if (found.some(({ status }) => status === 'missing')) return runtime;
  return [...runtime, ...memoryFindings(), ...faultFindings(), ...limitFindings()];
}
