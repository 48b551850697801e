/**
 * Whether a process or thread still is the one that it was: /proc/ID/stat has its state and the time at which it began,
 * which together with the number names it for good, since numbers are used again. Reading harms nobody.
 *
 * @module
 */
import { readFileSync } from 'node:fs';

export interface Task {
  /** `R`, `S`, `D`, ...; `Z` and `X` have ended. */
  readonly state: string;
  /** Clock ticks since the machine started. */
  readonly start: number;
}

/** A process or a thread by its number, or undefined where there is none. */
export function readTask(id: number): Task | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${id}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // proc_pid_stat(5): pid (name, which may hold anything) state ppid ... starttime is field 22.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, start: Number(fields[19]) };
}

/** True while that very task runs; `start` of 0 is not compared. A zombie has ended. */
export function isAlive(id: number, start: number): boolean {
  const task = readTask(id);
  return (
    task !== undefined && task.state !== 'Z' && task.state !== 'X' && (start === 0 || task.start === start)
  );
}
