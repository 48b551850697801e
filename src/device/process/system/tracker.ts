/**
 * Sees to it that no change of host memory goes unnoticed once a device has a copy: the host's own pages are in
 * asynchronous write-protect mode, armed before they are copied. A store clears the protection and waits for nobody, and
 * a scan finds it. One tracker serves all devices of a thread: arming a page again would make the others miss what was
 * stored in between, so what a scan finds then is passed on to them.
 *
 * It sees private anonymous memory only. Files and shared memory may change by a write(2) or by another process.
 *
 * @module
 */
import { UnsupportedError } from '../../../errors.ts';
import { close } from '../../../linux/memfd.ts';
import { type MappedArea, OwnAreas, PageMap } from '../../../linux/page-map.ts';
import {
  openUserfaultfd,
  tryRegisterRange,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFDIO_REGISTER_MODE_WP,
  writeProtect,
} from '../../../linux/userfaultfd.ts';
import type { Range } from '../../../mm/address.ts';
import type { Residency } from './residency.ts';

/** Who has copies that were made under this tracker's eyes. */
export interface Cache {
  readonly tracked: Residency;
  /** Pages of `tracked` that have changed and are armed again, so that no scan will find them. */
  readonly stale: Residency;
  /** Pages of `tracked` that were copied from a mapping that is there no more, where a scan would not tell. */
  readonly replaced: Residency;
}

/** Why copies are out of date. */
export interface Changes {
  readonly written: Range[];
  /** Something else is mapped there now, or nothing, or nothing that may be read. */
  readonly remapped: Range[];
}

export class HostTracker {
  readonly #areas = new OwnAreas();
  readonly #pages: PageMap | undefined;
  readonly #userfaultfd: number | undefined;
  readonly #caches = new Set<Cache>();

  constructor() {
    try {
      this.#userfaultfd = openUserfaultfd(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED);
      this.#pages = new PageMap('self');
      // Of an empty range: whether the kernel knows the call.
      this.#pages.scan({ start: 0, end: 0 }, 'written');
    } catch (error) {
      // A kernel before 6.7: nothing is tracked, and nothing that was copied outlives its launch.
      if (!(error instanceof UnsupportedError)) throw error;
    }
  }

  /** Its descriptor; undefined where it tracks nothing. */
  get userfaultfd(): number | undefined {
    return this.#userfaultfd;
  }

  /** The host's memory is as it was before: nothing is armed any more. */
  close(): void {
    this.#areas.close();
    this.#pages?.close();
    if (this.#userfaultfd !== undefined) close(this.#userfaultfd);
  }

  add(cache: Cache): void {
    this.#caches.add(cache);
  }

  remove(cache: Cache): void {
    this.#caches.delete(cache);
  }

  /** What is mapped at an address, or else above it. */
  areaAfter(address: number): MappedArea | undefined {
    return this.#areas.at(address);
  }

  /** What is mapped at an address now; undefined where nothing is. */
  areaAt(address: number): MappedArea | undefined {
    const area = this.#areas.at(address);
    return area && area.start <= address ? area : undefined;
  }

  /** To be called before {@link areaAt} where an answer of before will not do. */
  refresh(): void {
    this.#areas.refresh();
  }

  /**
   * Arms a range of an area, for `cache` to copy it from now on. False where changes there can't be seen: then the copy is
   * good for one launch.
   */
  arm(area: MappedArea, range: Range, cache: Cache): boolean {
    const fd = this.#userfaultfd;
    if (fd === undefined || !area.anonymous) return false;
    for (const other of this.#caches) if (other !== cache) this.#passOn(range, other);
    if (this.#pages!.protect(range)) return true;
    // A new mapping. Whatever was copied from its addresses before was of another one.
    for (const each of this.#caches) for (const old of each.tracked.within(area)) each.replaced.add(old);
    // All of the area, so that it stays one.
    const refused = tryRegisterRange(fd, area.start, area.end - area.start, UFFDIO_REGISTER_MODE_WP);
    return refused === '' && writeProtect(fd, range.start, range.end - range.start, true) === '';
  }

  /** Notes for another cache what has changed in a range that is about to be armed anew. */
  #passOn(range: Range, { tracked, stale }: Cache): void {
    for (const shared of tracked.within(range)) {
      // In one step: a store between a look and the protection would be lost to the other.
      const written = this.#pages!.scan(shared, 'written', true);
      const absent = this.#pages!.scan(shared, 'absent');
      if (!written || !absent) stale.add(shared);
      else for (const each of [...written, ...absent]) stale.add(each);
    }
  }

  /** What of the copies that `cache` has is out of date. */
  changes({ tracked, stale, replaced }: Cache): Changes {
    const written: Range[] = [...stale.ranges()];
    const remapped: Range[] = [...replaced.ranges()];
    this.#areas.refresh();
    let area: MappedArea | undefined;
    /** Of one area, and so near to each other that they are looked at in one go. */
    let parts: Range[] = [];
    const look = (): void => {
      if (parts.length > 0) this.#look(parts, area!, written, remapped);
      parts = [];
    };
    for (const range of tracked.ranges()) {
      for (let at: number = range.start; at < range.end; ) {
        if (!area || at >= area.end || at < area.start) {
          look();
          area = this.#areas.at(at);
        }
        const start = Math.min(range.end, Math.max(at, area?.start ?? range.end));
        if (start > at) remapped.push({ start: at, end: start });
        at = Math.min(range.end, area?.end ?? range.end);
        if (start >= at) continue;
        if (parts.length > 0 && start - parts.at(-1)!.end > tracked.blockSize) look();
        parts.push({ start, end: at });
      }
    }
    look();
    return { written, remapped };
  }

  /** Whether the mapping that a tracked page was copied from is still there. */
  isSame(page: Range, { replaced }: Cache): boolean {
    return !replaced.has(page.start) && this.#pages!.scan(page, 'absent') !== undefined;
  }

  #look(parts: readonly Range[], area: MappedArea, written: Range[], remapped: Range[]): void {
    const span = { start: parts[0]!.start, end: parts.at(-1)!.end };
    const changed = area.readable && area.anonymous ? this.#pages!.scan(span, 'changed') : undefined;
    if (changed) for (const each of overlap(changed, parts)) written.push(each);
    else if (parts.length === 1) remapped.push(span);
    else for (const part of parts) this.#look([part], area, written, remapped);
  }
}

/** What two lists of ranges have in common; each by start, and disjoint. */
function overlap(some: readonly Range[], others: readonly Range[]): Range[] {
  const common: Range[] = [];
  for (let i = 0, j = 0; i < some.length && j < others.length; ) {
    const [a, b] = [some[i]!, others[j]!];
    const start = Math.max(a.start, b.start);
    const end = Math.min(a.end, b.end);
    if (start < end) common.push({ start, end });
    if (a.end < b.end) i++;
    else j++;
  }
  return common;
}
