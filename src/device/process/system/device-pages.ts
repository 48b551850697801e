/**
 * One device's copies of host memory, as the pager of the host keeps them: it answers the device's faults by copying from
 * the same address here, and says before each packet which copies are out of date.
 *
 * @module
 */
import { CORE, coreWord, FAULT_REASON, TRACE_RING } from '../../../engine/control-layout.ts';
import type { SharedMemory } from '../../../engine/shared-memory.ts';
import { TRACED, TraceWriter } from '../../../engine/trace-ring.ts';
import { futexWake } from '../../../linux/futex.ts';
import type { MappedArea } from '../../../linux/page-map.ts';
import { signalEventfd } from '../../../linux/process.ts';
import { FaultReader, type PageFault, wakeRange } from '../../../linux/userfaultfd.ts';
import { alignDown, type Range } from '../../../mm/address.ts';
import {
  AREA,
  type Counter,
  counterIndex,
  DROP_LIST,
  MOST_DROPS,
  MOST_WILD,
  REQUEST,
  WILD,
  wildAddress,
  wildWord,
} from './area.ts';
import { NO_SEQUENCE, type Sequence } from './chunks.ts';
import { Copies } from './copies.ts';
import { clearOpened, noteOpened } from './opened.ts';
import { Pins } from './pins.ts';
import type { HostTracker } from './tracker.ts';
import { Twins } from './twins.ts';

export interface DevicePagesOptions {
  readonly tracker: HostTracker;
  readonly area: SharedMemory;
  readonly control: SharedMemory;
  /** The device's userfaultfd for all that is no buffer. */
  readonly userfaultfd: number;
  /** The eventfd that the device's own pager polls. */
  readonly kick: number;
  readonly cores: number;
  readonly pid: number;
  /** Whether kernels may store to whatever the host can store to, or only to what is pinned. */
  readonly mode: 'read' | 'all';
  /** Where the device has room for copies; by start. */
  readonly claims: readonly Range[];
  readonly pageSize: number;
  /** The arena of the device's mirror: what is mapped from there is for the device's own pager. */
  readonly arenaInode: number;
  /** Takes in advice that was given before the packet was put in. */
  beforeAcquire(): void;
}

/** Pages of which twins are kept; beyond that what was stored so far is written back while the kernel runs. */
const MOST_TWINS = 65536;
/** Pages that one store opens at most. */
const MOST_OPENED = 64;

export class DevicePages {
  readonly pins = new Pins();
  readonly copies: Copies;
  readonly #o: DevicePagesOptions;
  readonly #faults: FaultReader;
  readonly #twins: Twins;
  #opened: Sequence = NO_SEQUENCE;
  /** What could not be written back, for the packet that ends next. */
  #unwritten: Range[] = [];
  /** What a core is dropping for a request; stores there wait until it has. */
  #dropping: { readonly request: number; readonly ranges: readonly Range[] } | undefined;
  #waiting: PageFault[] = [];
  /** What the device is still to be told to drop. */
  #drops: Range[] = [];
  /** What is to be copied again once a core has dropped it. */
  #refresh: readonly Range[] = [];

  constructor(options: DevicePagesOptions) {
    this.#o = options;
    const count = (counter: Counter, by: number): void => this.#count(counter, by);
    const trace = new TraceWriter(options.control, TRACE_RING.HOST);
    this.copies = new Copies({ ...options, count, trace });
    this.#twins = new Twins({
      pid: options.pid,
      userfaultfd: options.userfaultfd,
      pageSize: options.pageSize,
      writable: (page) => (options.mode === 'all' ? [page] : this.pins.within(page)),
      isSame: (page) => this.copies.isSame(page),
      wrote: (bytes) => this.#count('writtenBackBytes', bytes),
      trace,
    });
    this.#faults = new FaultReader(options.userfaultfd);
  }

  /** Answers what the device has asked for; `faults`: there are some. */
  serve(faults: boolean): void {
    const { area, control, cores } = this.#o;
    const request = Atomics.load(area.i32, AREA.REQUEST);
    if (request !== Atomics.load(area.i32, AREA.ANSWER)) {
      // One asks at a time, and drops before another does.
      this.#dropping = undefined;
      this.#refresh = [];
      if (area.i32[AREA.KIND] === REQUEST.RELEASE) this.#release();
      else this.#acquire(request);
    }
    this.#letStoresTry();
    if (!faults) return;
    // Before the faults are read: should a core have gone on since, its fault is an old one.
    const calls = Array.from({ length: cores }, (_, core) =>
      Atomics.load(control.i32, coreWord(core) + CORE.CALLS),
    );
    for (const fault of this.#faults.read()) this.#answer(fault, calls);
  }

  close(): void {
    this.copies.close();
  }

  #answer(fault: PageFault, calls: readonly number[]): void {
    const { pageSize, tracker, arenaInode } = this.#o;
    const page = alignDown(fault.address, pageSize);
    this.#count('faults', 1);
    tracker.refresh();
    const area = tracker.areaAt(page);
    if (
      !area?.readable ||
      area.inode === arenaInode ||
      (fault.access === 'write' && !this.#mayStore(fault.address, area))
    ) {
      this.#refuse(fault, calls);
    } else if (fault.kind === 'protected') {
      this.#open(fault, page, area);
    } else if (this.copies.fetch(page, area) === 'wild') {
      this.#refuse(fault, calls);
    }
  }

  /** Once a core has dropped what is out of date: what is mostly read is copied again, and stores that waited fault again. */
  #letStoresTry(): void {
    const { i32 } = this.#o.area;
    if (this.#dropping && Atomics.load(i32, AREA.DROPPED) === this.#dropping.request)
      this.#dropping = undefined;
    if (this.#dropping || (this.#waiting.length === 0 && this.#refresh.length === 0)) return;
    Atomics.store(i32, AREA.STORE_WAITS, 0);
    for (const range of this.#refresh) this.copies.prefetch(range, 'refreshedBytes');
    this.#refresh = [];
    for (const { address } of this.#waiting.splice(0)) this.#wake(address);
  }

  #mayStore(address: number, { writable }: MappedArea): boolean {
    if (!writable) return false;
    return this.#o.mode === 'all' || this.pins.within({ start: address, end: address + 1 }).length > 0;
  }

  /** Lets stores happen to a page, and, while they come in sequence, to as many behind it as were opened last, twice. */
  #open(fault: PageFault, page: number, area: MappedArea): void {
    const { pageSize } = this.#o;
    if (this.#isDropping(page)) {
      this.#waiting.push(fault);
      Atomics.store(this.#o.area.i32, AREA.STORE_WAITS, 1);
      this.#letStoresTry();
      return;
    }
    if (this.#twins.dirty.has(page)) {
      this.#wake(page);
      return;
    }
    if (this.#twins.pages >= MOST_TWINS)
      this.#unwritten.push(...this.#twins.flushAll(TRACED.WRITE_BACK_CAPACITY));
    const { next, size } = this.#opened;
    const wanted = page === next ? Math.min(2 * size, MOST_OPENED * pageSize) : pageSize;
    let end = page + pageSize;
    while (end < page + wanted && end < area.end && this.#canOpen(end)) end += pageSize;
    this.#opened = { next: end, size: wanted };
    this.#count('writableFaults', 1);
    // Before the first store: a core that ends its packet after it must find that there is something to write back.
    Atomics.store(this.#o.area.i32, AREA.DIRTY, this.#twins.pages + 1);
    noteOpened(this.#o.area, { start: page, end });
    if (!this.#twins.open({ start: page, end })) this.#wake(page);
    Atomics.store(this.#o.area.i32, AREA.DIRTY, this.#twins.pages);
  }

  #isDropping(page: number): boolean {
    return this.#dropping?.ranges.some(({ start, end }) => start <= page && page < end) ?? false;
  }

  /** Not what a core is about to drop, with whatever would have been stored there by then. */
  #canOpen(page: number): boolean {
    if (this.#twins.dirty.has(page) || !this.copies.has(page) || this.#isDropping(page)) return false;
    return (
      this.#o.mode === 'all' || this.pins.within({ start: page, end: page + this.#o.pageSize }).length > 0
    );
  }

  #wake(address: number): void {
    const { pageSize, userfaultfd } = this.#o;
    wakeRange(userfaultfd, alignDown(address, pageSize), pageSize);
  }

  /** Writes back what kernels have stored, and says what could not be. */
  #release(): void {
    const { area } = this.#o;
    this.#count('writeBacks', 1);
    this.#o.tracker.refresh();
    const failed = [...this.#unwritten.splice(0), ...this.#twins.flushAll(TRACED.WRITE_BACK_COMPLETION)];
    // Where the device has died meanwhile, nobody hears this answer, and its host is to find what is missing.
    if (failed.length === 0) clearOpened(area);
    for (const { start, end } of failed) this.#count('unwrittenBytes', end - start);
    area.i32[AREA.MORE] = 0;
    this.#reply(failed.slice(0, MOST_DROPS));
  }

  /** Hands a fault to the device's own pager, which knows the buffers, and ends the core where it is none of theirs. */
  #refuse({ thread, address, access }: PageFault, calls: readonly number[]): void {
    const { area, control, cores, kick } = this.#o;
    let core = 0;
    while (core < cores && control.i32[coreWord(core) + CORE.THREAD] !== thread) core++;
    const slot = core < cores ? core : MOST_WILD - 1;
    const word = wildWord(slot);
    this.#count('refused', 1);
    if (Atomics.load(area.i32, word + WILD.FULL) !== 0) {
      // The one before has not been taken: the thread faults again.
      this.#wake(address);
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
  #acquire(request: number): void {
    const { area } = this.#o;
    let refresh: readonly Range[] = [];
    if (this.#drops.length === 0) {
      this.#o.beforeAcquire();
      this.#count('acquires', 1);
      const outdated = this.copies.outdated();
      this.#drops = outdated.flatMap(({ ranges }) => ranges);
      // Of another packet that still runs: dropped as they are, its stores would be lost.
      if (this.#twins.pages > 0)
        for (const range of this.#drops)
          this.#unwritten.push(...this.#twins.flush(range, TRACED.WRITE_BACK_INVALIDATION));
      this.copies.forget(outdated);
      refresh = this.copies.mostlyRead(this.#drops);
    }
    const now = this.#drops.splice(0, MOST_DROPS);
    area.i32[AREA.MORE] = this.#drops.length > 0 ? 1 : 0;
    if (now.length > 0) this.#dropping = { request, ranges: [...now, ...this.#drops] };
    // Where one list does not hold all that goes, faults do it.
    if (this.#drops.length === 0 && refresh.length > 0) {
      this.#refresh = refresh;
      Atomics.store(area.i32, AREA.STORE_WAITS, 1);
    }
    this.#reply(now);
  }

  #reply(ranges: readonly Range[]): void {
    const { i32, f64, address } = this.#o.area;
    for (const [i, { start, end }] of ranges.entries()) {
      f64[DROP_LIST + 2 * i] = start;
      f64[DROP_LIST + 2 * i + 1] = end;
    }
    i32[AREA.DROPS] = ranges.length;
    Atomics.store(i32, AREA.DIRTY, this.#twins.pages + this.#unwritten.length);
    Atomics.store(i32, AREA.ANSWER, i32[AREA.REQUEST]!);
    futexWake(address + AREA.ANSWER * 4, 1);
  }

  /** One thread counts; whoever reads sees a count of before or after. */
  #count(counter: Counter, by: number): void {
    const { f64 } = this.#o.area;
    const index = counterIndex(counter);
    f64[index] = f64[index]! + by;
  }
}
