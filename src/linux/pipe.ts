/**
 * Pipes that other processes of the same user open by /proc/PID/fd/N, which needs no more than the permission to read
 * the process (PTRACE_MODE_READ; Yama does not restrict it). A bell is a pipe whose one descriptor is open for both
 * directions, so that it never ends; its opener hears what anybody writes. Nothing here touches memory.
 *
 * @module
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { SystemError } from '../errors.ts';
import { libcFunction } from '../ffi/library.ts';
import { close } from './memfd.ts';
import { checked } from './system-call.ts';

const O_CLOEXEC = 0o2000000;
const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

const cPipe2 = libcFunction('int pipe2(void *, int)');
const cOpen = libcFunction('int open(const char *, int)');

/** Both ends of a new pipe, closed on exec and not blocking. */
function pipe(): [read: number, write: number] {
  const ends = new Int32Array(2);
  checked(cPipe2(ends, O_CLOEXEC | O_NONBLOCK), 'pipe2', []);
  return [ends[0]!, ends[1]!];
}

/** open(2) that Node does not count, for descriptors that a socket will close. */
function openRaw(path: string, flags: number): number {
  return checked(cOpen(path, flags | O_CLOEXEC | O_NONBLOCK), 'open', [path]);
}

function openKept(path: string): number {
  try {
    return openSync(path, O_RDWR | O_NONBLOCK);
  } catch (error) {
    throw outOfDescriptors((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

/** The error for an open(2) that found no descriptor to give. */
export function outOfDescriptors(errno: string): SystemError {
  return new SystemError('open', [], errno, 'Descriptors ran out: see RLIMIT_NOFILE (ulimit -n)');
}

/**
 * A new pipe as one descriptor that reads what is written to it. `kept: 'raw'` for one that a socket takes over;
 * `'node'` for one that Node closes with its thread.
 */
export function openBell(kept: 'raw' | 'node'): { fd: number; inode: number } {
  const [read, write] = pipe();
  try {
    const path = `/proc/self/fd/${read}`;
    const fd = kept === 'raw' ? openRaw(path, O_RDWR) : openKept(path);
    return { fd, inode: fstatSync(fd).ino };
  } finally {
    close(read);
    close(write);
  }
}

/** The pipe behind a descriptor of a process, to write to; undefined where it is gone or is not that pipe. */
export function openForWriting(pid: number, fd: number, inode: number): number | undefined {
  let opened: number;
  try {
    opened = openSync(`/proc/${pid}/fd/${fd}`, O_WRONLY | O_NONBLOCK);
  } catch {
    return undefined;
  }
  if (fstatSync(opened).ino === inode) return opened;
  closeSync(opened);
  return undefined;
}

/** The same to read from, for a socket to take over. It ends when the last process that can write to it has. */
export function openForReading(pid: number, fd: number, inode: number): number | undefined {
  let opened: number;
  try {
    opened = openRaw(`/proc/${pid}/fd/${fd}`, O_RDONLY);
  } catch {
    return undefined;
  }
  if (fstatSync(opened).ino === inode) return opened;
  close(opened);
  return undefined;
}
