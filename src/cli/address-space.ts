/**
 * Where the mappings come from that `maps` and `plan` look at: a live process, or a file that holds the text of a
 * /proc/PID/maps. Reads only; what can't be read is a failure that says what to do.
 *
 * @module
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { MapsError, type ParsedMaps, parseMaps, type Range } from 'mirrorspace/mm';
import { Failure, plain } from './output.ts';

export interface Source {
  /** `node (pid 4242)`, or the file's name. */
  readonly title: string;
  readonly pid?: number;
  readonly file?: string;
  readonly maps: ParsedMaps;
}

/** The process's mappings now. Throws {@link Failure}. */
export function readProcess(pid: number): Source {
  const path = `/proc/${pid}/maps`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') throw new Failure(`there is no process ${pid}`);
    if (code === 'EACCES' || code === 'EPERM')
      throw new Failure(
        `${path} may not be read: it is another user's process, or one that hides its memory (sudo shows it)`,
      );
    throw new Failure(`${path} can't be read: ${(error as Error).message}`);
  }
  if (text === '')
    throw new Failure(`process ${pid} has no address space: it is a thread of the kernel, or has ended`);
  return { title: `${nameOf(pid)} (pid ${pid})`, pid, maps: parse(text, path) };
}

/** A file with the text of a /proc/PID/maps. Throws {@link Failure}. */
export function readFile(file: string): Source {
  let text: string;
  try {
    text = readBounded(file);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(
      `${plain(file)} can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
  return { title: plain(file), file, maps: parse(text, file) };
}

/** Of a million mappings, twice over. */
const MOST_BYTES = 2 ** 28;

/** Also a pipe, which has no length: no more than a maps file could have. */
function readBounded(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let total = 0; ; ) {
      const chunk = Buffer.alloc(2 ** 20);
      const bytes = readSync(descriptor, chunk);
      if (bytes === 0) return Buffer.concat(chunks).toString('utf8');
      total += bytes;
      if (total > MOST_BYTES)
        throw new Failure(`${plain(file)} is no /proc/PID/maps: it has more than 256 MiB`);
      chunks.push(chunk.subarray(0, bytes));
    }
  } finally {
    closeSync(descriptor);
  }
}

function parse(text: string, path: string): ParsedMaps {
  try {
    return parseMaps(text);
  } catch (error) {
    if (error instanceof MapsError) throw new Failure(`${path}: ${plain(error.message)}`);
    throw error;
  }
}

function nameOf(pid: number): string {
  try {
    return plain(readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd());
  } catch {
    return 'process';
  }
}

const AT_PAGESZ = 6n;
const DEFAULT_PAGE = 4096;

/** Bytes of a page of this machine, as the kernel tells every program at its start (getauxval(3)). */
export function pageSize(): number {
  try {
    const bytes = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= bytes.length; at += 16)
      if (bytes.readBigUInt64LE(at) === AT_PAGESZ) return Number(bytes.readBigUInt64LE(at + 8));
  } catch {
    // Hidden: then it is what nearly every machine has.
  }
  return DEFAULT_PAGE;
}

/** Where a process can map at all: from vm.mmap_min_addr up to the end of user space with four levels of page tables. */
export function hostLimit(page: number, live: boolean): Range {
  let lowest = 65536;
  try {
    if (live) lowest = Number(readFileSync('/proc/sys/vm/mmap_min_addr', 'utf8')) || page;
  } catch {
    // Hidden in some containers; the default of most kernels is safe.
  }
  return { start: Math.ceil(Math.max(lowest, page) / page) * page, end: 2 ** 47 - page };
}
