/**
 * What a process may know and arrange about itself and others: parent-death signal, thread id, pidfd, poll,
 * eventfd, and plain writes to a descriptor. None of it can harm memory.
 *
 * @module
 */
import { constants } from 'node:os';
import { SystemError } from '../errors.ts';
import { libcFunction } from '../ffi/library.ts';
import {
  checked,
  lastError,
  SYS_pidfd_open,
  systemCall,
  systemCallNumber,
  systemError,
} from './system-call.ts';

const PR_SET_PDEATHSIG = 1;
const PR_SET_NAME = 15;
export const SIGKILL = 9;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
const P_PID = 1;
const CLD_EXITED = 1;
/** Words of siginfo_t, as a wait for children fills it. */
const SI_CODE = 2;
const SI_PID = 4;
const SI_STATUS = 6;
export const POLLIN = 1;

const cPrctl = libcFunction('int prctl(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t)');
const cPrctlText = libcFunction('int prctl(int, const char *, uintptr_t, uintptr_t, uintptr_t)');
const cPoll = libcFunction('int poll(void *, uint64_t, int)');
const cEventfd = libcFunction('int eventfd(unsigned int, int)');
const cWaitpid = libcFunction('int waitpid(int, void *, int)');
const cWaitid = libcFunction('int waitid(int, unsigned int, void *, int)');
const cWrite = libcFunction('int64_t write(int, void *, size_t)');
const cRead = libcFunction('int64_t read(int, void *, size_t)');

/** Asks the kernel to send `signal` to this process when the thread that spawned it ends. */
export function setParentDeathSignal(signal: number): void {
  checked(cPrctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), 'prctl', ['PR_SET_PDEATHSIG', signal]);
}

/** Names the calling thread, at most 15 bytes, as shown by ps and debuggers. */
export function setThreadName(name: string): void {
  cPrctlText(PR_SET_NAME, name, 0, 0, 0);
}

/** The kernel's id of the calling thread. */
export function threadId(): number {
  return systemCall(systemCallNumber('gettid'), 0, 0, 0, 0, 0, 0);
}

/** Takes a child that has ended off the list of processes, where nobody else does; false where it is none or lives. */
export function reap(pid: number): boolean {
  return cWaitpid(pid, null, WNOHANG) === pid;
}

/**
 * How a child of this process has ended, without taking it off the list of processes: its exit code, or the name of the
 * signal; undefined where it lives, or somebody has taken it off. Safe: the kernel fills a siginfo_t of 128 bytes.
 */
export function howEnded(pid: number): number | string | undefined {
  const info = new Int32Array(32);
  if (cWaitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) !== 0 || info[SI_PID] !== pid) return undefined;
  const status = info[SI_STATUS]!;
  if (info[SI_CODE] === CLD_EXITED) return status;
  for (const [name, number] of Object.entries(constants.signals)) if (number === status) return name;
  return `signal ${status}`;
}

/** A descriptor for a process, which polls readable once it has ended. Safe against reuse of the pid. */
export function pidfdOpen(pid: number): number {
  return checked(systemCall(SYS_pidfd_open, pid, 0, 0, 0, 0, 0), 'pidfd_open', [pid]);
}

export function eventfd(): number {
  return checked(cEventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd', []);
}

const one = new BigUint64Array([1n]);

/** Adds one to an eventfd: its poller wakes. One that is full wakes it already. */
export function signalEventfd(fd: number): void {
  writeTo(fd, one);
}

/** write(2) of a whole small buffer. `false` where the descriptor is full or its reader has gone. */
export function writeTo(fd: number, bytes: NodeJS.ArrayBufferView): boolean {
  const written = cWrite(fd, bytes, bytes.byteLength);
  if (written >= 0) return written === bytes.byteLength;
  const errno = lastError();
  if (['EAGAIN', 'EINTR', 'EPIPE', 'ECONNRESET'].includes(errno)) return false;
  throw new SystemError('write', [fd, bytes.byteLength], errno);
}

/** read(2); 0 where there is nothing to read now. */
export function readFrom(fd: number, into: NodeJS.ArrayBufferView): number {
  const got = cRead(fd, into, into.byteLength);
  if (got >= 0) return got;
  const errno = lastError();
  if (errno === 'EAGAIN' || errno === 'EINTR') return 0;
  throw systemError('read', [fd, into.byteLength]);
}

/** A set of descriptors to poll for input. Blocks the thread up to `timeout` ms (-1: for ever). */
export class Poller {
  readonly #entries: Int32Array;
  constructor(fds: readonly number[]) {
    // struct pollfd: int fd; short events; short revents.
    this.#entries = new Int32Array(fds.length * 2);
    fds.forEach((fd, i) => {
      this.#entries[2 * i] = fd;
      this.#entries[2 * i + 1] = POLLIN;
    });
  }

  wait(timeout: number): number {
    const ready = cPoll(this.#entries, this.#entries.length / 2, timeout);
    if (ready >= 0) return ready;
    if (lastError() === 'EINTR') return 0;
    throw systemError('poll', [this.#entries.length / 2, timeout]);
  }

  /** Whether descriptor number `index` had anything to say at the last {@link wait}. */
  ready(index: number): boolean {
    return this.#entries[2 * index + 1]! >>> 16 !== 0;
  }
}
