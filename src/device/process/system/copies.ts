/**
 * A device's copies of host memory: what is copied when, and which copies are out of date.
 *
 * @module
 */
import { TRACED, type TraceWriter } from '../../../engine/trace-ring.ts';
import type { MappedArea } from '../../../linux/page-map.ts';
import { signalEventfd } from '../../../linux/process.ts';
import { copyRange, wakeRange } from '../../../linux/userfaultfd.ts';
import { alignDown, alignUp, type Range } from '../../../mm/address.ts';
import { joined } from '../claims.ts';
import type { Counter } from './area.ts';
import { chooseChunk, NO_SEQUENCE, type Sequence } from './chunks.ts';
import { common, without } from './declared-runs.ts';
import { Residency } from './residency.ts';
import { Sources, showsTheSame } from './sources.ts';
import type { Cache, HostTracker } from './tracker.ts';

/** Advised sizes that are kept: the last ones. */
const MOST_SIZES = 64;

export interface CopiesOptions {
  readonly tracker: HostTracker;
  readonly userfaultfd: number;
  /** The eventfd that the device's own pager polls. */
  readonly kick: number;
  /** Where the device has room for copies; by start. */
  readonly claims: readonly Range[];
  readonly pageSize: number;
  /** The arena of the device's mirror: nothing is copied from there. */
  readonly arenaInode: number;
  readonly count: (counter: Counter, by: number) => void;
  readonly trace: TraceWriter;
}

/** What is traced, by the counter of its cause. */
const CAUSES: Partial<Record<Counter, number>> = {
  writtenBytes: TRACED.INVALIDATE_WRITTEN,
  remappedBytes: TRACED.INVALIDATE_REMAPPED,
  untrackedBytes: TRACED.INVALIDATE_UNTRACKED,
};

/** Copies to be dropped, and the counter of their cause. */
export interface Outdated {
  readonly cause: Counter;
  readonly ranges: readonly Range[];
}

/** `gone`: the device's process has ended. `wild`: there is nothing to copy. */
type Outcome = 'done' | 'wild' | 'gone';

export class Copies implements Cache {
  readonly tracked: Residency;
  readonly stale: Residency;
  readonly replaced: Residency;
  /** Copies of what can't be tracked: good for one launch. */
  readonly #untracked: Residency;
  readonly #sources: Sources;
  readonly #advised: Residency;
  readonly #sizes: (Range & { readonly size: number })[] = [];
  /** By start, disjoint. */
  #mostlyRead: readonly Range[] = [];
  readonly #o: CopiesOptions;
  #sequence: Sequence = NO_SEQUENCE;

  constructor(options: CopiesOptions) {
    this.#o = options;
    this.tracked = new Residency(options.pageSize);
    this.stale = new Residency(options.pageSize);
    this.replaced = new Residency(options.pageSize);
    this.#untracked = new Residency(options.pageSize);
    this.#sources = new Sources(this.#untracked.blockSize);
    this.#advised = new Residency(options.pageSize);
    options.tracker.add(this);
  }

  close(): void {
    this.#o.tracker.remove(this);
  }

  has(page: number): boolean {
    return this.tracked.has(page) || this.#untracked.has(page);
  }

  /**
   * Whether the host still has there what a page was copied from: the same mapping, or, where that can't be told, one of
   * the same part of the same file; taken for granted where it is private memory of no file.
   */
  isSame(page: Range): boolean {
    const { tracker } = this.#o;
    if (this.tracked.has(page.start)) return tracker.isSame(page, this);
    const source = this.#sources.of(page.start);
    const area = tracker.areaAt(page.start);
    return source === undefined || (area !== undefined && showsTheSame(source, area));
  }

  /** Copies the page and what of its surroundings is worth it. */
  fetch(page: number, area: MappedArea): Outcome {
    const { pageSize, trace } = this.#o;
    const began = trace.begin();
    const bounds = this.#bounds(page, area);
    if (!bounds) return 'wild';
    // It is not there, whatever was known.
    const only = { start: page, end: page + pageSize };
    this.tracked.remove(only);
    this.#untracked.remove(only);
    const chunk = this.#preferred(page, bounds) ?? this.#chunk(page, bounds, area);
    const gaps = this.#resident(area).gaps(chunk);
    // Copying wakes: whoever is woken must not be ahead of what is told.
    if (gaps.length === 1 && began === undefined) return this.#fetchAll(gaps[0]!, page, area);
    let outcome: Outcome = 'done';
    let bytes = 0;
    for (const gap of gaps) {
      const copied = this.#copy(gap, page, area);
      bytes += copied.bytes;
      if (copied.outcome !== 'done') outcome = copied.outcome;
    }
    if (outcome !== 'done') return outcome;
    // Before the threads are woken: whoever sees what they do next also sees the counters.
    this.#o.count('fetches', 1);
    this.#o.count('fetchedBytes', bytes);
    trace.end(began, TRACED.FETCH, page, chunk, bytes);
    wakeRange(this.#o.userfaultfd, chunk.start, chunk.end - chunk.start);
    return outcome;
  }

  /** In one piece, as most are: the system call that copies it also wakes who waits, so it is counted before that. */
  #fetchAll(gap: Range, page: number, area: MappedArea): Outcome {
    const { count, userfaultfd } = this.#o;
    const size = gap.end - gap.start;
    count('fetches', 1);
    count('fetchedBytes', size);
    const { bytes, outcome } = this.#copy(gap, page, area, true);
    if (bytes < size) count('fetchedBytes', bytes - size);
    if (outcome !== 'done') count('fetches', -1);
    else if (bytes < size) wakeRange(userfaultfd, gap.start, size);
    return outcome;
  }

  /** What the device has room for of an area, about a page. */
  #bounds(page: number, { start, end }: MappedArea): Range | undefined {
    const claim = this.#o.claims.find((each) => each.start <= page && page < each.end);
    return claim && { start: Math.max(start, claim.start), end: Math.min(end, claim.end) };
  }

  #chunk(page: number, bounds: Range, area: MappedArea): Range {
    const { sequence, start, end } = chooseChunk(page, bounds, this.#resident(area), this.#sequence);
    this.#sequence = sequence;
    return { start, end };
  }

  /** The aligned chunk of the size that was asked for. */
  #preferred(page: number, bounds: Range): Range | undefined {
    const advised = this.#sizes.findLast(({ start, end }) => start <= page && page < end);
    if (!advised?.size) return undefined;
    const from = alignDown(page, advised.size);
    return { start: Math.max(bounds.start, from), end: Math.min(bounds.end, from + advised.size) };
  }

  /** What was copied of a range is to be copied again when it is out of date, or no longer. */
  readMostly(range: Range, on: boolean): void {
    const others = without(this.#mostlyRead, [range]);
    this.#mostlyRead = on ? [...others, range].sort((a, b) => a.start - b.start) : others;
  }

  /** What of ranges that are about to be dropped is to be copied again at once. */
  mostlyRead(dropped: readonly Range[]): readonly Range[] {
    if (this.#mostlyRead.length === 0) return dropped.slice(0, 0);
    return common(joined(dropped), this.#mostlyRead);
  }

  /** Copies now what of a range can be copied and is not there; wakes whoever waits for it. */
  prefetch(range: Range, counter: Counter = 'prefetchedBytes'): void {
    const { arenaInode, count, pageSize, trace, tracker, userfaultfd } = this.#o;
    tracker.refresh();
    for (let at = alignDown(range.start, pageSize); at < range.end; ) {
      const area = tracker.areaAfter(at);
      if (!area || area.start >= range.end) return;
      const start = Math.max(at, area.start);
      at = area.end;
      if (!area.readable || area.inode === arenaInode) continue;
      const bounds = this.#bounds(start, area);
      if (!bounds) continue;
      const wanted = { start, end: Math.min(bounds.end, alignUp(range.end, pageSize)) };
      at = wanted.end;
      for (const gap of this.#resident(area).gaps(wanted)) {
        const began = trace.begin();
        const { bytes } = this.#copy(gap, -1, area);
        count(counter, bytes);
        trace.end(began, TRACED.PREFETCH, gap.start, gap, bytes);
        wakeRange(userfaultfd, gap.start, gap.end - gap.start);
      }
    }
  }

  /** What there is of a range is to be dropped before the next packet. */
  drop(range: Range): void {
    for (const copies of [this.tracked, this.#untracked])
      for (const each of copies.within(range)) this.#advised.add(each);
  }

  /** Faults in a range are to fetch so much, from a multiple of it on; 0: as they would otherwise. */
  preferSize(range: Range, size: number): void {
    if (this.#sizes.length === MOST_SIZES) this.#sizes.shift();
    this.#sizes.push({ ...range, size });
  }

  #resident(area: MappedArea): Residency {
    return area.anonymous ? this.tracked : this.#untracked;
  }

  #copy(range: Range, page: number, area: MappedArea, wake = false): { bytes: number; outcome: Outcome } {
    const { pageSize, tracker, userfaultfd, kick } = this.#o;
    const into = tracker.arm(area, range, this) ? this.tracked : this.#untracked;
    let bytes = 0;
    let outcome: Outcome = 'done';
    for (let at = range.start; at < range.end; ) {
      const done = copyRange(userfaultfd, at, at, range.end - at, wake);
      if (done.bytes > 0) {
        const copied = { start: at, end: at + done.bytes };
        into.add(copied);
        if (into === this.#untracked) this.#sources.add(copied, area);
      }
      bytes += done.bytes;
      at += done.bytes;
      if (done.errno === '' || done.errno === 'EAGAIN') continue;
      if (done.errno === 'EEXIST') {
        // A page of the device's that is not known here: good for this launch, as it is now.
        this.#untracked.add({ start: at, end: at + pageSize });
        at += pageSize;
        continue;
      }
      if (done.errno === 'ESRCH') return { bytes, outcome: 'gone' };
      if (at === page && done.errno === 'EFAULT') outcome = 'wild';
      // A buffer was there: its pager has yet to learn that it has gone.
      if (done.errno !== 'EFAULT') signalEventfd(kick);
      break;
    }
    return { bytes, outcome };
  }

  /** Copies that are out of date, or that are to go, by cause. */
  outdated(): Outdated[] {
    const { written, remapped } = this.#o.tracker.changes(this);
    return [
      { cause: 'writtenBytes', ranges: written },
      { cause: 'remappedBytes', ranges: remapped },
      { cause: 'untrackedBytes', ranges: this.#untracked.ranges() },
      { cause: 'advisedBytes', ranges: this.#advised.ranges() },
    ];
  }

  /** They are dropped. */
  forget(outdated: readonly Outdated[]): void {
    for (const { cause, ranges } of outdated) for (const range of ranges) this.#forget(cause, range);
  }

  #forget(cause: Counter, range: Range): void {
    const before = this.tracked.pages + this.#untracked.pages;
    this.tracked.remove(range);
    this.#untracked.remove(range);
    this.stale.remove(range);
    this.replaced.remove(range);
    this.#advised.remove(range);
    if (this.#untracked.pages === 0) this.#sources.clear();
    const pages = before - this.tracked.pages - this.#untracked.pages;
    this.#o.count('invalidations', 1);
    const bytes = pages * this.#o.pageSize;
    this.#o.count(cause, bytes);
    const { trace } = this.#o;
    trace.end(trace.begin(), CAUSES[cause] ?? TRACED.INVALIDATE_ADVISED, range.start, range, bytes);
  }
}
