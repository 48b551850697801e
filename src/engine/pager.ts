/**
 * The pager: the thread of a device process that answers its page faults. A fault in a live range maps pages of the
 * arena, in chunks; any other is wild: the core that made it is held until the supervisor has asked V8 to end it,
 * then let go over a private zero page, and its wild pages are taken away again once it has stopped.
 *
 * Pages come from the arena by UFFDIO_CONTINUE, after fallocate where the file has none yet, so the device sees a page
 * only because the pager agreed: whatever else the arena holds stays out of its reach.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { allocatePages, punchHole } from '../linux/memfd.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, mmap, PROT_READ, PROT_WRITE } from '../linux/mmap.ts';
import { Poller, readFrom } from '../linux/process.ts';
import { continueRange, FaultReader, wakeRange, zeroRange } from '../linux/userfaultfd.ts';
import { type Address, alignDown, type Range } from '../mm/address.ts';
import {
  CORE,
  CORE_STATE,
  coreFaultAddress,
  coreWord,
  FAULT_REASON,
  FILLED_BYTES_F64,
  HEADER,
  MAP_ENTRY,
  TRACE_RING,
} from './control-layout.ts';
import { LiveRanges } from './live-ranges.ts';
import type { Message, PagerMail, PagerOptions } from './pager-options.ts';
import { TRACED, TraceWriter } from './trace-ring.ts';

/** A core may touch this many wild pages before it stops; then the whole device is given up. */
const WILD_PAGES_ALLOWED = 64;

export class Pager {
  readonly #o: PagerOptions;
  readonly #live: LiveRanges;
  readonly #faults: FaultReader;
  readonly #trace: TraceWriter;
  readonly #held = new Map<number, Message>();
  /** The wild pages of each core; HEADER.WILD_PAGES counts them all. */
  readonly #wild = new Map<number, Set<Address>>();
  /** Cores that were loading a program at their wild fault. */
  readonly #loading = new Set<number>();
  /** Faults that were read while another was being answered. */
  readonly #later: Message[] = [];
  readonly #kickCount = new BigUint64Array(1);
  /** The last fill, which an unmap entry may have overtaken. */
  #filled: Range | undefined;

  constructor(options: PagerOptions) {
    this.#o = options;
    this.#live = new LiveRanges(options.limit);
    this.#faults = new FaultReader(options.userfaultfd);
    this.#trace = new TraceWriter(options.control, TRACE_RING.DEVICE);
  }

  /** Never returns. */
  run(): never {
    const poller = new Poller([this.#o.userfaultfd, this.#o.kick]);
    for (;;) {
      poller.wait(-1);
      if (poller.ready(1)) readFrom(this.#o.kick, this.#kickCount);
      this.#catchUp();
      this.#moveStoppedCores();
      for (const mail of this.#o.system?.mail() ?? []) this.#answerMail(mail);
      for (const fault of this.#read()) this.#answer(fault);
      while (this.#later.length > 0) this.#answer(this.#later.shift()!);
    }
  }

  #read(): Message[] {
    const { control, cores } = this.#o;
    const calls: number[] = [];
    for (let core = 0; core < cores; core++)
      calls.push(Atomics.load(control.i32, coreWord(core) + CORE.CALLS));
    return this.#faults.read().map((fault) => ({ ...fault, calls }));
  }

  #catchUp(): void {
    this.#o.log.catchUp((kind, start, end) => {
      const filled = this.#filled;
      if (kind === MAP_ENTRY.UNMAP_IN_USE && filled && filled.start < end && start < filled.end) {
        // The host punched this range while we filled it: what we put there must go before it is used again.
        const from = Math.max(start, filled.start);
        punchHole(this.#o.arena, from, Math.min(end, filled.end) - from);
      }
      this.#live.apply(kind, start, end);
      this.#o.system?.apply(kind, start, end);
    });
    this.#filled = undefined;
  }

  #answer(fault: Message): void {
    const { base, pageSize } = this.#o;
    const address = fault.address - base;
    const page = alignDown(address, pageSize);
    this.#catchUp();
    const own = this.#o.own.find((range) => address >= range.start && address < range.end);
    const live = own ? undefined : this.#live.find(address);
    if (own) {
      const began = this.#trace.begin();
      this.#countFault();
      const { bytes } = zeroRange(this.#o.userfaultfd, base + page, pageSize, began === undefined);
      this.#told(began, TRACED.FAULT_OWN, fault, { start: page, end: page + bytes }, bytes);
      this.#countBytes(bytes);
      if (bytes === 0 || began !== undefined) wakeRange(this.#o.userfaultfd, base + page, pageSize);
    } else if (live && fault.kind !== 'protected') {
      const range =
        fault.kind === 'minor' ? this.#live.residentAround(live, page) : this.#live.fillAround(live, page);
      this.#fill(range, page, fault, live.readOnly);
      this.#filled = range;
      this.#catchUp();
    } else if (this.#o.system && !live) {
      // Another pager's by now: the thread faults again, there.
      this.#wake(page);
    } else {
      this.#wildFault(fault, page, live ? FAULT_REASON.READ_ONLY : FAULT_REASON.UNMAPPED);
    }
  }

  #answerMail(mail: PagerMail): void {
    const page = alignDown(mail.address, this.#o.pageSize);
    this.#catchUp();
    // A buffer that has come to be since the core entered its kernel.
    if (this.#live.find(mail.address)) this.#wake(page);
    else this.#wildFault(mail, page, mail.reason);
  }

  #wake(page: Address): void {
    const { base, pageSize, system, userfaultfd } = this.#o;
    wakeRange(userfaultfd, base + page, pageSize);
    system?.wake(page);
  }

  /** Before the thread is woken: whoever sees what it did next also sees the fault. */
  #countFault(): void {
    Atomics.add(this.#o.control.i32, HEADER.FAULTS, 1);
  }

  #countBytes(bytes: number): void {
    const { control } = this.#o;
    control.f64[FILLED_BYTES_F64] = control.f64[FILLED_BYTES_F64]! + bytes;
  }

  /** Maps what can be mapped of `range`; at least `page`, so that its waiters go on. */
  #fill(range: Range, page: Address, fault: Message, readOnly: boolean): void {
    const { userfaultfd, base, pageSize, arena } = this.#o;
    const began = this.#trace.begin();
    // Who is woken may tell the host more: the record comes first.
    const wake = began === undefined;
    const missing = fault.kind === 'missing';
    if (missing) {
      try {
        allocatePages(arena, range.start, range.end - range.start);
      } catch (error) {
        this.#o.lose(`memory ran out while filling a page: ${String(error)}`);
      }
    }
    this.#countFault();
    let bytes = 0;
    let at: number = missing ? range.start : page;
    while (at < range.end) {
      const done = continueRange(userfaultfd, base + at, range.end - at, readOnly, wake);
      bytes += done.bytes;
      at += done.bytes;
      if (done.errno === '' || done.errno === 'EAGAIN') continue;
      // A page that is mapped already is skipped; at one that the file lacks a fill of resident pages ends.
      if (done.errno === 'EEXIST') at += pageSize;
      else break;
    }
    this.#told(began, missing ? TRACED.FAULT_ALLOCATED : TRACED.FAULT_MAPPED, fault, range, bytes);
    this.#countBytes(bytes);
    if (wake) wakeRange(userfaultfd, base + page, pageSize);
    else wakeRange(userfaultfd, base + range.start, range.end - range.start);
  }

  /** Leaves a record of a fault for the host, where that wants one. */
  #told(began: number | undefined, kind: number, fault: Message, range: Range, bytes: number): void {
    if (began === undefined) return;
    const detail = 2 * (this.#coreOf(fault.thread) + 1) + (fault.access === 'write' ? 1 : 0);
    this.#trace.end(began, kind, fault.address - this.#o.base, range, bytes, detail);
  }

  #wildFault(fault: Message, page: Address, reason: number): void {
    const { control, base } = this.#o;
    const core = this.#coreOf(fault.thread);
    if (core === -1) {
      // What a core has left that is no more.
      if (!existsSync(`/proc/self/task/${fault.thread}`)) return;
      this.#o.lose(`a thread that is no core faulted at 0x${(fault.address - base).toString(16)}`);
    }
    const block = coreWord(core);
    const state = Atomics.load(control.i32, block + CORE.STATE);
    if (!this.#isCurrent(core, state, fault)) {
      // Of a call that has ended, after which the buffer was freed. Should the core wait after all, it faults again.
      this.#wake(page);
      return;
    }
    Atomics.add(control.i32, HEADER.WILD_FAULTS, 1);
    const kind = reason === FAULT_REASON.READ_ONLY ? TRACED.FAULT_READ_ONLY : TRACED.FAULT_UNMAPPED;
    this.#told(this.#trace.begin(), kind, fault, { start: page, end: page }, 0);
    if (!this.#wild.has(core)) {
      control.f64[coreFaultAddress(core)] = fault.address - base;
      control.i32[block + CORE.FAULT_ACCESS] = fault.access === 'write' ? 1 : 0;
      control.i32[block + CORE.FAULT_REASON] = reason;
    }
    if (state === CORE_STATE.RUNNING || state === CORE_STATE.LOADING) {
      this.#held.set(core, fault);
      // The supervisor may be stopping the core too: then it knows already.
      if (Atomics.compareExchange(control.i32, block + CORE.STATE, state, CORE_STATE.STOPPING) === state) {
        if (state === CORE_STATE.LOADING) this.#loading.add(core);
        this.#o.stopping(core, state === CORE_STATE.LOADING);
      }
    } else if (state === CORE_STATE.TERMINATING) {
      this.#letGo(core, page);
    } else {
      this.#held.set(core, fault);
    }
  }

  /** The core is in the call that it was in before the fault was read about: so that call's fault it is. */
  #isCurrent(core: number, state: number, { calls }: Message): boolean {
    if (state === CORE_STATE.IDLE || state === CORE_STATE.STOPPED) return false;
    return Atomics.load(this.#o.control.i32, coreWord(core) + CORE.CALLS) === calls[core];
  }

  #coreOf(thread: number): number {
    for (let core = 0; core < this.#o.cores; core++) {
      if (this.#o.control.i32[coreWord(core) + CORE.THREAD] === thread) return core;
    }
    return -1;
  }

  /**
   * A private page under the faulting access, so that the thread reaches V8's next interrupt check: zero, or where the
   * page is a live one that the device may only read, a copy on write, since other cores go on reading there.
   */
  #letGo(core: number, page: Address): void {
    const { arena, base, control, pageSize, system } = this.#o;
    // The page wakes whoever waits for it: their messages must be read before, or their faults would go unnoticed.
    this.#drain(page);
    const taken = this.#take(core, page);
    const pages = this.#wild.get(core)!;
    if (pages.size > WILD_PAGES_ALLOWED) {
      this.#o.blame(core, this.#loading.has(core));
      this.#o.lose(
        `core ${core} ran away over wild memory: ${pages.size} pages, the first at 0x${control.f64[coreFaultAddress(core)]!.toString(16)}`,
      );
    }
    if (taken) Atomics.add(control.i32, HEADER.WILD_PAGES, 1);
    const live = this.#live.find(page) !== undefined;
    if (system && !live) {
      system.letGo(page);
      return;
    }
    // MAP_FIXED: the page lies in the window, which this process owns.
    const prot = PROT_READ | PROT_WRITE;
    if (live) mmap(base + page, pageSize, prot, MAP_FIXED | MAP_PRIVATE, arena, page);
    else mmap(base + page, pageSize, prot, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    this.#wake(page);
  }

  /** Reads all pending faults; those at `page` are wild, the others are answered later. */
  #drain(page: Address): void {
    const { base, pageSize } = this.#o;
    for (let faults = this.#read(); faults.length > 0; faults = this.#read()) {
      for (const fault of faults) {
        if (alignDown(fault.address - base, pageSize) !== page) this.#later.push(fault);
        else this.#answer(fault);
      }
    }
  }

  /** Notes a wild page as the core's; false where it was already. */
  #take(core: number, page: Address): boolean {
    const pages = this.#wild.get(core) ?? new Set();
    this.#wild.set(core, pages);
    const before = pages.size;
    return pages.add(page).size > before;
  }

  /** Leaves a wild page to another core that stands on it: whether it is one more of that core's; undefined for none. */
  #bequeath(core: number, page: Address): boolean | undefined {
    const { base, cores, pageSize } = this.#o;
    for (let other = 0; other < cores; other++) {
      if (other === core) continue;
      const held = this.#held.get(other);
      const there = held !== undefined && alignDown(held.address - base, pageSize) === page;
      if (there || this.#wild.get(other)?.has(page)) return this.#take(other, page);
    }
    return undefined;
  }

  #moveStoppedCores(): void {
    const { control, pageSize, cores, system } = this.#o;
    for (const [core, fault] of this.#held) {
      const state = Atomics.load(control.i32, coreWord(core) + CORE.STATE);
      if (state === CORE_STATE.STOPPING || state === CORE_STATE.STOPPED) continue;
      this.#held.delete(core);
      // The stop was taken back: the fault is its own.
      if (state !== CORE_STATE.TERMINATING) this.#later.push(fault);
      else this.#letGo(core, alignDown(fault.address - this.#o.base, pageSize));
    }
    for (let core = 0; core < cores; core++) {
      if (Atomics.load(control.i32, coreWord(core) + CORE.STATE) !== CORE_STATE.STOPPED) continue;
      this.#held.delete(core);
      const pages = this.#wild.get(core) ?? [];
      this.#wild.delete(core);
      this.#loading.delete(core);
      let gone = 0;
      for (const page of pages) {
        // Another core on its way out stands on the same page: it goes away with the last of them.
        const left = this.#bequeath(core, page);
        if (left !== true) gone++;
        if (left !== undefined) continue;
        this.#catchUp();
        const live = this.#live.find(page) !== undefined;
        // What the arena holds there may be another device's: out of reach, but for faults, from its first moment on.
        if (system && !live) system.restore(page);
        else this.#o.restore(page, live);
      }
      Atomics.sub(control.i32, HEADER.WILD_PAGES, gone);
      Atomics.store(control.i32, coreWord(core) + CORE.STATE, CORE_STATE.IDLE);
      this.#o.restored(core);
    }
  }
}
