/**
 * One device's copies of host memory, as the pager of the host keeps them: it answers the device's faults by copying from
 * the same address here, and says before each packet which copies are out of date.
 *
 * @module
 */
import { CORE, coreWord, FAULT_REASON } from '../../../engine/control-layout.ts';
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import { futexWake } from '../../../linux/futex.ts';
import type { MappedArea } from '../../../linux/page-map.ts';
import { signalEventfd } from '../../../linux/process.ts';
import { copyRange, FaultReader, type PageFault, wakeRange } from '../../../linux/userfaultfd.ts';
import { alignDown, type Range } from '../../../mm/address.ts';
import {
  AREA,
  type Counter,
  counterIndex,
  DROP_LIST,
  MOST_DROPS,
  MOST_WILD,
  WILD,
  wildAddress,
  wildWord,
} from './area.ts';
import { chooseChunk, NO_SEQUENCE, type Sequence } from './chunks.ts';
import { Residency } from './residency.ts';
import type { Cache, HostTracker } from './tracker.ts';

export interface DevicePagesOptions {
  readonly tracker: HostTracker;
  readonly area: SharedMemory;
  readonly control: SharedMemory;
  /** The device's userfaultfd for all that is no buffer. */
  readonly userfaultfd: number;
  /** The eventfd that the device's own pager polls. */
  readonly kick: number;
  readonly cores: number;
  /** Where the device has room for copies; by start. */
  readonly claims: readonly Range[];
  readonly pageSize: number;
  /** The arena of the device's mirror: what is mapped from there is for the device's own pager. */
  readonly arenaInode: number;
}

/** `gone`: the device's process has ended. `wild`: there is nothing to copy. */
type Outcome = 'done' | 'wild' | 'gone';

export class DevicePages implements Cache {
  readonly tracked: Residency;
  readonly stale: Residency;
  /** Copies of what can't be tracked: good for one launch. */
  readonly #untracked: Residency;
  readonly #o: DevicePagesOptions;
  readonly #faults: FaultReader;
  #sequence: Sequence = NO_SEQUENCE;
  /** What the device is still to be told to drop. */
  #drops: Range[] = [];

  constructor(options: DevicePagesOptions) {
    this.#o = options;
    this.tracked = new Residency(options.pageSize);
    this.stale = new Residency(options.pageSize);
    this.#untracked = new Residency(options.pageSize);
    this.#faults = new FaultReader(options.userfaultfd);
    options.tracker.add(this);
  }

  /** Answers what the device has asked for. */
  serve(): void {
    const { area, control, cores } = this.#o;
    if (Atomics.load(area.i32, AREA.REQUEST) !== Atomics.load(area.i32, AREA.ANSWER)) this.#acquire();
    // Before the faults are read: should a core have gone on since, its fault is an old one.
    const calls = Array.from({ length: cores }, (_, core) =>
      Atomics.load(control.i32, coreWord(core) + CORE.CALLS),
    );
    for (const fault of this.#faults.read()) this.#answer(fault, calls);
  }

  close(): void {
    this.#o.tracker.remove(this);
  }

  #answer(fault: PageFault, calls: readonly number[]): void {
    const { pageSize, tracker, arenaInode } = this.#o;
    const page = alignDown(fault.address, pageSize);
    this.#count('faults', 1);
    tracker.refresh();
    const area = tracker.areaAt(page);
    const claim = this.#o.claims.find(({ start, end }) => start <= page && page < end);
    const readable = area?.readable && area.inode !== arenaInode && claim;
    if (readable && fault.kind !== 'protected' && fault.access === 'read') {
      if (this.#fetch(page, area, claim) !== 'wild') return;
    }
    this.#refuse(fault, calls);
  }

  /** Copies the page and what of its surroundings is worth it. */
  #fetch(page: number, area: MappedArea, claim: Range): Outcome {
    const { pageSize } = this.#o;
    const bounds = { start: Math.max(area.start, claim.start), end: Math.min(area.end, claim.end) };
    // It is not there, whatever was known.
    const only = { start: page, end: page + pageSize };
    this.tracked.remove(only);
    this.#untracked.remove(only);
    const chunk = chooseChunk(page, bounds, this.#resident(area), this.#sequence);
    this.#sequence = chunk.sequence;
    let outcome: Outcome = 'done';
    let bytes = 0;
    for (const gap of this.#resident(area).gaps(chunk)) {
      const copied = this.#copy(gap, page, area);
      bytes += copied.bytes;
      if (copied.outcome !== 'done') outcome = copied.outcome;
    }
    if (outcome !== 'done') return outcome;
    // Before the threads are woken: whoever sees what they do next also sees the counters.
    this.#count('fetches', 1);
    this.#count('fetchedBytes', bytes);
    wakeRange(this.#o.userfaultfd, chunk.start, chunk.end - chunk.start);
    return outcome;
  }

  #resident(area: MappedArea): Residency {
    return area.anonymous ? this.tracked : this.#untracked;
  }

  #copy(range: Range, page: number, area: MappedArea): { bytes: number; outcome: Outcome } {
    const { pageSize, tracker, userfaultfd, kick } = this.#o;
    const into = tracker.arm(area, range, this) ? this.tracked : this.#untracked;
    let bytes = 0;
    let outcome: Outcome = 'done';
    for (let at = range.start; at < range.end; ) {
      const done = copyRange(userfaultfd, at, at, range.end - at);
      if (done.bytes > 0) into.add({ start: at, end: at + done.bytes });
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

  /** Hands a fault to the device's own pager, which knows the buffers, and ends the core where it is none of theirs. */
  #refuse({ thread, address, access }: PageFault, calls: readonly number[]): void {
    const { area, control, cores, kick, userfaultfd, pageSize } = this.#o;
    let core = 0;
    while (core < cores && control.i32[coreWord(core) + CORE.THREAD] !== thread) core++;
    const slot = core < cores ? core : MOST_WILD - 1;
    const word = wildWord(slot);
    this.#count('refused', 1);
    if (Atomics.load(area.i32, word + WILD.FULL) !== 0) {
      // The one before has not been taken: the thread faults again.
      wakeRange(userfaultfd, alignDown(address, pageSize), pageSize);
      return;
    }
    area.i32[word + WILD.THREAD] = thread;
    area.i32[word + WILD.ACCESS] = access === 'write' ? 1 : 0;
    area.i32[word + WILD.REASON] =
      access === 'write' && this.#readableAt(address) ? FAULT_REASON.READ_ONLY : FAULT_REASON.UNMAPPED;
    area.i32[word + WILD.CALL] = calls[core] ?? 0;
    area.f64[wildAddress(slot)] = address;
    Atomics.store(area.i32, word + WILD.FULL, 1);
    signalEventfd(kick);
  }

  #readableAt(address: number): boolean {
    return this.#o.tracker.areaAt(address)?.readable ?? false;
  }

  /** Says what the device is to drop before its next packet. */
  #acquire(): void {
    const { area, tracker } = this.#o;
    const { i32, f64, address } = area;
    if (this.#drops.length === 0) {
      this.#count('acquires', 1);
      const { written, remapped } = tracker.changes(this);
      const untracked = this.#untracked.ranges();
      this.#forget('writtenBytes', written);
      this.#forget('remappedBytes', remapped);
      this.#forget('untrackedBytes', untracked);
      this.#drops = [...written, ...remapped, ...untracked];
    }
    const now = this.#drops.splice(0, MOST_DROPS);
    for (const [i, { start, end }] of now.entries()) {
      f64[DROP_LIST + 2 * i] = start;
      f64[DROP_LIST + 2 * i + 1] = end;
    }
    i32[AREA.DROPS] = now.length;
    i32[AREA.MORE] = this.#drops.length > 0 ? 1 : 0;
    Atomics.store(i32, AREA.ANSWER, i32[AREA.REQUEST]!);
    futexWake(address + AREA.ANSWER * 4, 1);
  }

  #forget(cause: Counter, ranges: readonly Range[]): void {
    for (const range of ranges) {
      const before = this.tracked.pages + this.#untracked.pages;
      this.tracked.remove(range);
      this.#untracked.remove(range);
      this.stale.remove(range);
      const pages = before - this.tracked.pages - this.#untracked.pages;
      this.#count('invalidations', 1);
      this.#count(cause, pages * this.#o.pageSize);
    }
  }

  /** One thread counts; whoever reads sees a count of before or after. */
  #count(counter: Counter, by: number): void {
    const { f64 } = this.#o.area;
    const index = counterIndex(counter);
    f64[index] = f64[index]! + by;
  }
}
