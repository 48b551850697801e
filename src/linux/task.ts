/**
 * Whether a process or thread still is the one that it was: /proc/ID/stat has its state and the time at which it began,
 * which together with the number names it for good, since numbers are used again. Reading harms nobody.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { SystemError } from '../errors.ts';
import { fileError } from './system-call.ts';

export interface Task {
  /** `R`, `S`, `D`, ...; `Z` and `X` have ended. */
  readonly state: string;
  /** Clock ticks since the machine started. */
  readonly start: number;
}

/** A process or a thread by its number, or undefined where there is none. Throws where that can't be found out now. */
export function readTask(id: number): Task | undefined {
  const path = `/proc/${id}/stat`;
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw fileError(error, path);
  }
  // proc_pid_stat(5): pid (name, which may hold anything) state ppid ... starttime is field 22.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, start: Number(fields[19]) };
}

/**
 * True while that very task runs; `start` of 0 is not compared. A zombie has ended. True as well where it can't be found
 * out (no descriptor is free): to take a live one for dead would give its locks and its memory to others.
 */
export function isAlive(id: number, start: number): boolean {
  let task: Task | undefined;
  try {
    task = readTask(id);
  } catch (error) {
    if (error instanceof SystemError) return true;
    throw error;
  }
  return (
    task !== undefined && task.state !== 'Z' && task.state !== 'X' && (start === 0 || task.start === start)
  );
}

/**
 * The stack pointers of this process's threads, as far as they tell: a thread that runs at this moment does not, and
 * some containers hide them all. The calling thread's own is always among those that tell.
 */
export function stackPointers(): number[] {
  const found: number[] = [];
  const add = (path: string): void => {
    try {
      // "running", or the number of the system call, its arguments, stack pointer, program counter.
      const pointer = Number(readFileSync(path, 'latin1').split(' ').at(-2));
      if (Number.isSafeInteger(pointer)) found.push(pointer);
    } catch {
      // Ended meanwhile, or hidden.
    }
  };
  try {
    for (const thread of readdirSync('/proc/self/task')) add(`/proc/self/task/${thread}/syscall`);
  } catch {
    // No descriptor is free: then nobody tells.
  }
  add('/proc/thread-self/syscall');
  return found;
}
