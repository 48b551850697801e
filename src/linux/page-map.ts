/**
 * What the kernel knows of a process's pages: PAGEMAP_SCAN on /proc/PID/pagemap (Linux 6.7) tells which pages were
 * written since they were write-protected, and PROCMAP_QUERY on /proc/PID/maps (6.11) what is mapped at an address.
 * Both only read. Numbers are from include/uapi/linux/fs.h.
 *
 * @module
 */
import { closeSync, openSync } from 'node:fs';
import { addressOf, libcFunction } from '../ffi/library.ts';
import type { Address, Range } from '../mm/address.ts';
import { readMaps } from './process-maps.ts';
import { lastError, systemError } from './system-call.ts';

const PAGEMAP_SCAN = 0xc0606610;
const PROCMAP_QUERY = 0xc0686611;

const PM_SCAN_WP_MATCHING = 1n;
const PM_SCAN_CHECK_WPASYNC = 2n;

const PAGE_IS_WRITTEN = 1n << 1n;
const PAGE_IS_PRESENT = 1n << 3n;
const PAGE_IS_SWAPPED = 1n << 4n;

const VMA_READABLE = 1;
const VMA_WRITABLE = 2;
const VMA_SHARED = 8;
const COVERING_OR_NEXT = 0x10;

/** Ranges that one call gives back at most. */
const VECTOR = 1024;

const ioctl = libcFunction('int ioctl(int, uint64_t, void *)');

/**
 * What a scan looks for: pages that were written, also such as have gone since; places that hold no page at all; or both
 * (`changed`), in one walk that takes two thirds of the time of two.
 */
export type ScanFor = 'written' | 'absent' | 'changed';

export class PageMap {
  readonly #fd: number;
  readonly #argument = new BigUint64Array(12);
  /** struct page_region: start, end, categories, as words of 32 bits, which are read twenty times as fast as bigints. */
  readonly #vector = new Uint32Array(VECTOR * 6);
  readonly #vectorAddress = BigInt(addressOf(this.#vector));

  /** Needs the right to read that process (PTRACE_MODE_READ). */
  constructor(pid: number | 'self') {
    this.#fd = openSync(`/proc/${pid}/pagemap`, 'r');
  }

  /**
   * The pages of a range that is registered for asynchronous write protection, as ranges; `undefined` where a part of it
   * is not: something else is mapped there. With `protect` the written pages are write-protected again in the same step.
   */
  scan(range: Range, what: ScanFor, protect = false): Range[] | undefined {
    const found: Range[] = [];
    const argument = this.#argument;
    for (let at: number = range.start; at < range.end; at = Number(argument[4])) {
      argument.fill(0n);
      argument[0] = 96n;
      argument[1] = PM_SCAN_CHECK_WPASYNC | (protect ? PM_SCAN_WP_MATCHING : 0n);
      argument[2] = BigInt(at);
      argument[3] = BigInt(range.end);
      argument[5] = this.#vectorAddress;
      argument[6] = BigInt(VECTOR);
      if (what === 'written') {
        argument[9] = PAGE_IS_WRITTEN;
        argument[11] = PAGE_IS_WRITTEN;
      } else if (what === 'changed') {
        // Written or not present; of these, what is swapped out and not written is as it was.
        argument[8] = PAGE_IS_PRESENT;
        argument[10] = PAGE_IS_WRITTEN | PAGE_IS_PRESENT;
        argument[11] = PAGE_IS_WRITTEN | PAGE_IS_SWAPPED;
      } else {
        argument[8] = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
        argument[9] = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
      }
      const count = ioctl(this.#fd, PAGEMAP_SCAN, argument);
      if (count === -1) {
        const errno = lastError();
        if (errno === 'EPERM') return undefined;
        throw systemError('ioctl', ['PAGEMAP_SCAN', range.start, range.end]);
      }
      const vector = this.#vector;
      for (let i = 0; i < 6 * count; i += 6) {
        if (what === 'changed' && vector[i + 4] === Number(PAGE_IS_SWAPPED)) continue;
        found.push({
          start: vector[i]! + vector[i + 1]! * 2 ** 32,
          end: vector[i + 2]! + vector[i + 3]! * 2 ** 32,
        });
      }
    }
    return found;
  }

  /**
   * Write-protects all of a range that is registered for asynchronous write protection, also where no page is yet; false
   * where it is not registered. One call that also checks that; touches no bytes.
   */
  protect(range: Range): boolean {
    const argument = this.#argument;
    for (let at: number = range.start; at < range.end; at = Number(argument[4])) {
      argument.fill(0n);
      argument[0] = 96n;
      argument[1] = PM_SCAN_CHECK_WPASYNC | PM_SCAN_WP_MATCHING;
      argument[2] = BigInt(at);
      argument[3] = BigInt(range.end);
      argument[8] = PAGE_IS_PRESENT;
      argument[10] = PAGE_IS_WRITTEN | PAGE_IS_PRESENT;
      if (ioctl(this.#fd, PAGEMAP_SCAN, argument) !== -1) continue;
      const errno = lastError();
      if (errno === 'EPERM') return false;
      throw systemError('ioctl', ['PAGEMAP_SCAN', range.start, range.end]);
    }
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A mapping of a process, as far as it matters to who wants to read it. */
export interface MappedArea extends Range {
  readonly readable: boolean;
  readonly writable: boolean;
  /** Of this process alone, and of no file: asynchronous write protection sees all of its changes. */
  readonly anonymous: boolean;
  /** Whether others may have the same pages; not so where they are copied at the first store. */
  readonly shared: boolean;
  /** The file's inode, 0 for none, and the number of the device that it is on. */
  readonly inode: number;
  readonly device: number;
  /** Of `start` in the file. */
  readonly offset: number;
}

/** What this process has mapped where. */
export class OwnAreas {
  readonly #fd = openSync('/proc/self/maps', 'r');
  readonly #query = new Uint32Array(26);
  #queries = true;
  /** Where the kernel can't be asked for one address: all of them, read once per {@link OwnAreas.refresh}. */
  #listed: MappedArea[] | undefined;

  /** What was found before may have changed. */
  refresh(): void {
    this.#listed = undefined;
  }

  /** The mapping that holds an address, or else the next one above it; undefined where there is none. */
  at(address: Address): MappedArea | undefined {
    if (this.#queries) {
      const query = this.#query;
      query.fill(0);
      query[0] = 104;
      query[2] = COVERING_OR_NEXT;
      query[4] = address % 2 ** 32;
      query[5] = Math.floor(address / 2 ** 32);
      if (ioctl(this.#fd, PROCMAP_QUERY, query) === 0) return areaOf(query);
      const errno = lastError();
      if (errno === 'ENOENT') return undefined;
      if (errno !== 'ENOTTY' && errno !== 'EINVAL') throw systemError('ioctl', ['PROCMAP_QUERY', address]);
      this.#queries = false;
    }
    this.#listed ??= listAreas();
    return this.#listed.find(({ end }) => end > address);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** struct procmap_query, as words of 32 bits. */
function areaOf(query: Uint32Array): MappedArea {
  const wide = (field: number): number => query[2 * field]! + query[2 * field + 1]! * 2 ** 32;
  const flags = query[10]!;
  const inode = wide(8);
  return {
    start: wide(3),
    end: wide(4),
    readable: (flags & VMA_READABLE) !== 0,
    writable: (flags & VMA_WRITABLE) !== 0,
    anonymous: inode === 0 && (flags & VMA_SHARED) === 0,
    shared: (flags & VMA_SHARED) !== 0,
    inode,
    device: deviceNumber(query[18]!, query[19]!),
    offset: wide(7),
  };
}

/** As a number, whatever it is: minor numbers have 20 bits. */
const deviceNumber = (major: number, minor: number): number => major * 2 ** 20 + minor;

function listAreas(): MappedArea[] {
  return readMaps('self')
    .trimEnd()
    .split('\n')
    .map((line) => {
      // proc_pid_maps(5): start-end perms offset device inode name
      const [range = '', permissions = '', offset = '', device = '', inode = '0'] = line.split(/ +/, 5);
      const [start = '', end = ''] = range.split('-');
      const [major = '', minor = ''] = device.split(':');
      return {
        start: Number.parseInt(start, 16),
        end: Number.parseInt(end, 16),
        readable: permissions[0] === 'r',
        writable: permissions[1] === 'w',
        anonymous: inode === '0' && permissions[3] === 'p',
        shared: permissions[3] === 's',
        inode: Number(inode),
        device: deviceNumber(Number.parseInt(major, 16), Number.parseInt(minor, 16)),
        offset: Number.parseInt(offset, 16),
      };
    });
}
