/**
 * What a worker thread leaves to its process when it is terminated with a mirror open: no JavaScript of it runs any
 * more, its device has died with it, but descriptors and mappings belong to the process. Each device's control memory
 * says whose they are; the next thread that opens a mirror clears up after those that are gone.
 *
 * @module
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { close, tryLock } from '../linux/memfd.ts';
import { mapZeroPages, munmap } from '../linux/mmap.ts';
import { Poller, reap, threadId } from '../linux/process.ts';
import { readMaps } from '../linux/process-maps.ts';
import { parseMaps } from '../mm/parse-maps.ts';
import { HEADER, OTHER_FDS } from './control-layout.ts';
import type { SharedMemory } from './shared-memory.ts';

/** The name of the control memory's file, by which it is found among the descriptors. */
export const CONTROL_NAME = 'mirrorspace-control';

/** How long, in milliseconds, a device may take to die of its thread's end: the kernel kills it. */
const DYING = 200;

const CONTROL_LINK = new RegExp(`^/memfd:${CONTROL_NAME}\\b`);

/** The descriptors of a device that only its thread would close, and its process. */
export interface OwnedDescriptors {
  readonly arena: number;
  readonly log: number;
  readonly kick: number;
  readonly pidfd: number;
  readonly process: number;
}

/** Notes in a device's control memory that this thread owns it. */
export function noteOwner({ i32 }: SharedMemory, owned: OwnedDescriptors): void {
  i32[HEADER.DEVICE_PROCESS] = owned.process;
  i32[HEADER.ARENA_FD] = owned.arena;
  i32[HEADER.LOG_FD] = owned.log;
  i32[HEADER.KICK_FD] = owned.kick;
  i32[HEADER.PIDFD] = owned.pidfd;
  i32[HEADER.HOST_PROCESS] = process.pid;
  Atomics.store(i32, HEADER.HOST_THREAD, threadId());
}

/** Notes what else of this process serves the device, and goes with it: memory files, eventfds, userfaultfds; `[]`: nothing. */
export function noteOthers({ i32 }: SharedMemory, fds: readonly number[]): void {
  for (let i = 0; i < OTHER_FDS; i++) i32[HEADER.OTHER_FDS + i] = fds[i] ?? 0;
}

/** Clears up after threads that are gone; gives how many devices they had left. One thread at a time does. */
export function clearAbandoned(): number {
  if (![...ownDescriptors().values()].some((link) => CONTROL_LINK.test(link))) return 0;
  const lock = lockProcess();
  if (lock === undefined) return 0;
  try {
    return clear();
  } finally {
    closeSync(lock);
  }
}

/** What is listed under the lock and belongs to a dead thread stays as it is: nobody else closes it. */
function clear(): number {
  const links = ownDescriptors();
  const isOurs = (fd: number, pattern: RegExp): boolean => pattern.test(links.get(fd) ?? '');
  const abandoned = [...links.keys()]
    .filter((fd) => isOurs(fd, CONTROL_LINK))
    .flatMap((fd) => readAbandoned(fd) ?? [])
    // A device that is still on its way out could not be reaped: another mirror's turn then.
    .filter(({ pidfd }) => !isOurs(pidfd, /pidfd/) || new Poller([pidfd]).wait(DYING) > 0);
  // A control memory may have more than one descriptor, which say the same.
  const arenas = new Set<number>();
  const files = new Set<number>();
  const others = new Set<number>();
  for (const { control, arena, log, noted } of abandoned) {
    for (const fd of noted) {
      if (isOurs(fd, /^\/memfd:mirrorspace-/)) files.add(fd);
      else if (isOurs(fd, /eventfd|userfaultfd/)) others.add(fd);
    }
    if (isOurs(arena, /^\/memfd:mirrorspace-/)) arenas.add(arena);
    if (isOurs(log, /^\/memfd:mirrorspace-maps/)) files.add(log);
    files.add(control);
  }
  for (const arena of arenas) {
    coverMappings(inodeOf(arena));
    close(arena);
  }
  for (const file of files) {
    for (const { start, end } of mappingsOf(inodeOf(file))) munmap(start, end - start);
    close(file);
  }
  for (const { kick, pidfd, process } of abandoned) {
    if (isOurs(kick, /eventfd/)) others.add(kick);
    if (process > 0) reap(process);
    if (isOurs(pidfd, /pidfd/)) others.add(pidfd);
  }
  for (const fd of others) close(fd);
  return abandoned.length;
}

/** A descriptor that only one thread of this process has at a time; undefined where another has it, or none is left. */
function lockProcess(): number | undefined {
  let fd: number;
  try {
    fd = openSync('/proc/self/stat', 'r');
  } catch {
    return undefined;
  }
  if (tryLock(fd)) return fd;
  closeSync(fd);
  return undefined;
}

/** The note in a control memory whose thread is gone. */
function readAbandoned(
  control: number,
): (OwnedDescriptors & { readonly control: number; readonly noted: readonly number[] }) | undefined {
  const words = new Int32Array(HEADER.OTHER_FDS + OTHER_FDS);
  try {
    if (readSync(control, words, 0, words.byteLength, 0) !== words.byteLength) return undefined;
    // A thread that lives may have closed it since it was listed, and the number may be another file's now.
    if (!CONTROL_LINK.test(readlinkSync(`/proc/self/fd/${control}`))) return undefined;
  } catch {
    return undefined;
  }
  const thread = words[HEADER.HOST_THREAD]!;
  if (words[HEADER.HOST_PROCESS] !== process.pid || thread === 0) return undefined;
  if (existsSync(`/proc/self/task/${thread}`)) return undefined;
  return {
    control,
    arena: words[HEADER.ARENA_FD]!,
    log: words[HEADER.LOG_FD]!,
    kick: words[HEADER.KICK_FD]!,
    pidfd: words[HEADER.PIDFD]!,
    process: words[HEADER.DEVICE_PROCESS]!,
    noted: [...words.subarray(HEADER.OTHER_FDS)].filter((fd) => fd > 0),
  };
}

/**
 * Puts zero pages over an arena's mappings: a view that the thread had transferred elsewhere may still be in use. The
 * addresses stay taken, the memory is free.
 */
function coverMappings(inode: string): void {
  for (const { start, end } of mappingsOf(inode)) mapZeroPages(start, end - start);
}

function mappingsOf(inode: string): { start: number; end: number }[] {
  return parseMaps(readMaps('self')).vmas.filter(
    (vma) => vma.inode === inode && vma.name.startsWith('/memfd:mirrorspace-'),
  );
}

const inodeOf = (fd: number): string => String(fstatSync(fd).ino);

/** None where the process has no descriptor left to list them by: another mirror's turn then. */
function ownDescriptors(): Map<number, string> {
  const links = new Map<number, string>();
  let names: string[];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    return links;
  }
  for (const name of names) {
    try {
      links.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // Closed meanwhile, as the one that listed the folder.
    }
  }
  return links;
}
