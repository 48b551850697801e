/**
 * The text of /proc/PID/maps. That of this process can be kept open, so that it can be read where RLIMIT_NOFILE leaves
 * no descriptor: each reading from the start is the kernel's picture of that moment (proc(5)). Reading changes nothing.
 *
 * @module
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { fileError } from './system-call.ts';

const OWN = '/proc/self/maps';
const FIRST_BYTES = 65536;

/** Of this thread, as Node closes what a thread has opened with it. */
let kept = -1;
let keepers = 0;
let buffer = Buffer.alloc(0);

/** Keeps this process's maps open, until {@link releaseOwnMaps} was called as often. Throws SystemError. */
export function keepOwnMaps(): void {
  if (keepers === 0) kept = attempt(OWN, () => openSync(OWN, 'r'));
  keepers++;
}

export function releaseOwnMaps(): void {
  keepers--;
  if (keepers > 0) return;
  closeSync(kept);
  kept = -1;
  buffer = Buffer.alloc(0);
}

/** The text of /proc/PID/maps (`'self'` for this process). */
export function readMaps(pid: number | 'self'): string {
  const path = `/proc/${pid}/maps`;
  return attempt(path, () => (pid === 'self' && kept !== -1 ? readKept() : readFileSync(path, 'latin1')));
}

function readKept(): string {
  if (buffer.length === 0) buffer = Buffer.alloc(FIRST_BYTES);
  let length = 0;
  for (;;) {
    const got = readSync(kept, buffer, length, buffer.length - length, length);
    if (got === 0) return buffer.toString('latin1', 0, length);
    length += got;
    if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * length);
  }
}

function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fileError(error, path);
  }
}
