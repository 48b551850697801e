/**
 * What a process device reaches of its host's memory besides buffers, over all lives of its process: by page faults that
 * the host's pager answers, or, where those are not to be had, what is declared and nothing else.
 *
 * @module
 */
import { fstatSync } from 'node:fs';
import type { DeviceProcess } from '../../engine/device-process.ts';
import type { RingDevice } from '../../engine/ring-device.ts';
import type { PacketAround } from '../../engine/ring-slots.ts';
import { DeviceLost, outOfRange, SystemError, UnsupportedError } from '../../errors.ts';
import { pageSize } from '../../linux/mmap.ts';
import { checkMemoryAccess } from '../../linux/other-process.ts';
import type { Range } from '../../mm/address.ts';
import type { DeviceContext, PinnedRange, ReservedRegion } from '../device.ts';
import type { DeviceReady } from './host-messages.ts';
import type { CheckedOptions } from './process-options.ts';
import { DeclaredMemory } from './system/declared-memory.ts';
import { DeclaredSession } from './system/declared-session.ts';
import { rangesInWords } from './system/host-ranges.ts';
import type { Advice } from './system/messages.ts';
import {
  addDeclared,
  NO_SYSTEM_COUNTERS,
  type SystemCounters,
  SystemSession,
} from './system/system-session.ts';

/**
 * How a device reaches memory that no buffer holds. `'demand'`: page by page, as its kernels touch it. `'declared'`: what
 * `mirror.pin` declares is copied to the device before each launch, and back after it. `'off'`: not at all.
 */
export type SystemPaging = 'demand' | 'declared' | 'off';

/** What may be refused, and leaves declared mode. */
const NEEDED = ['userfaultfd', 'system SVM'];

let warned = false;

export class SystemMemory {
  /** What is pinned; each as often as it was. */
  readonly #pinned = new Map<PinnedRange, () => void>();
  readonly #context: DeviceContext;
  readonly #options: CheckedOptions;
  readonly #ring: () => RingDevice;
  #session: SystemSession | undefined;
  #declared: DeclaredSession | undefined;
  /** What the process has for itself; by start. */
  #own: readonly ReservedRegion[] = [];

  constructor(context: DeviceContext, options: CheckedOptions, ring: () => RingDevice) {
    this.#context = context;
    this.#options = options;
    this.#ring = ring;
    if (options.system !== 'off' && options.faults === 'trap') this.#declare();
  }

  get paging(): SystemPaging {
    if (this.#options.system === 'off') return 'off';
    return this.#declared ? 'declared' : 'demand';
  }

  /** What the host does around each packet; for all lives. */
  readonly around: PacketAround = {
    enter: () => this.#declared?.enter() ?? this.#unpinTransferred(),
    leave: () => this.#declared?.leave(),
  };

  /** By demand: what a view has lost is nobody's to store to. */
  #unpinTransferred(): true {
    for (const [pin, takeBack] of this.#pinned) {
      if (pin.held()) continue;
      takeBack();
      this.#pinned.delete(pin);
    }
    return true;
  }

  /** Where the process could not be started, or served: whether it is to be tried again, in declared mode. */
  fallsBack(error: unknown): boolean {
    const { faults, system } = this.#options;
    if (system === 'off' || faults !== 'auto' || this.#declared) return false;
    if (!(error instanceof UnsupportedError && NEEDED.includes(error.missing))) return false;
    this.#declare();
    if (!warned)
      process.emitWarning(
        `Device '${this.#context.name}' reaches only what 'mirror.pin' declares of this process's memory, and copies it at each launch: ${error.message}`,
        'MirrorspaceWarning',
      );
    warned = true;
    return true;
  }

  #declare(): void {
    const { arena, live } = this.#context;
    const page = pageSize();
    try {
      checkMemoryAccess(process.pid);
    } catch (error) {
      throw noCopies(error);
    }
    this.#declared = new DeclaredSession({
      memory: DeclaredMemory.of(arena, page),
      pageSize: page,
      all: this.#options.system === 'all',
      live: () => live(),
      map: (range, access) => this.#ring().mapped(range, access),
      unmap: (range) => this.#ring().left(range),
      drained: (callback) => this.#ring().drained(callback),
    });
  }

  /** The process is there and is to have what the host has. Throws UnsupportedError where it can't be served. */
  async attach(started: DeviceProcess, { system, claims, reserved }: DeviceReady): Promise<void> {
    this.#own = reserved;
    this.#declared?.adopt(claims);
    if (!system || this.#declared) return;
    const { arena } = this.#context;
    const mode = this.#options.system === 'all' ? 'all' : 'read';
    const { pid } = started;
    const { cores } = this.#options;
    const arenaInode = fstatSync(arena.fd).ino;
    const before = this.counters();
    this.#session?.close();
    const session = await SystemSession.open(
      { pid, descriptors: system, cores, claims, arenaInode, mode },
      before,
      (reason) => started.giveUp(reason),
    );
    this.#session = session;
    for (const { start, end, write } of this.#pinned.keys()) if (write) session.pin({ start, end }, true);
    void this.#ring().lost.then(() => session.close());
  }

  /** The process has ended, or is to end. */
  leave(): void {
    this.#session?.close();
    this.#declared?.lost();
  }

  /** Throws RangeError where the device has something of its own there, SystemError where it can't be declared. */
  pin(pin: PinnedRange): () => void {
    if (this.#options.system === 'off') return () => {};
    this.#checkOwn('view', pin.start, pin.end - pin.start);
    const { start, end, write } = pin;
    const takeBack = this.#declared?.pin(pin);
    this.#pinned.set(pin, takeBack ?? (() => write && this.#session?.pin({ start, end }, false)));
    if (write) this.#session?.pin({ start, end }, true);
    return () => {
      this.#pinned.get(pin)?.();
      this.#pinned.delete(pin);
    };
  }

  /** For the time of one launch: what it names. */
  declare(ranges: readonly Range[]): () => void {
    const write = this.#options.system === 'all';
    const taken: (() => void)[] = [];
    const takeBack = (): void => {
      for (const each of taken.splice(0)) each();
    };
    for (const { start, end } of ranges) this.#checkOwn('uses', start, end - start);
    const declared = this.#declared;
    if (!declared) return takeBack;
    try {
      for (const range of ranges) taken.push(declared.pin({ ...range, write, held: () => true }));
    } catch (error) {
      takeBack();
      throw error;
    }
    return takeBack;
  }

  /**
   * Throws RangeError where an address that a launch names is the device process's own, or where it could be reached if
   * it were declared. Without a size it may be the end of something.
   */
  checkReach(name: string, address: number, size: number): void {
    const { system, window } = this.#options;
    if (system === 'off') return;
    this.#checkOwn(name, address, size);
    const declared = this.#declared;
    if (!declared || address < window.start || declared.declares(address, size)) return;
    const { bufferAt } = this.#context;
    if (size === 0 && (bufferAt(address) || bufferAt(address - 1))) return;
    throw outOfRange(
      name,
      `in a buffer, or in what 'mirror.pin' declares: device '${this.#context.name}' has no page faults, and reaches nothing else`,
      address,
    );
  }

  #checkOwn(name: string, address: number, size: number): void {
    const own = this.#own;
    let low = 0;
    let high = own.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (own[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const region = own[low];
    if (!region || region.start >= address + Math.max(1, size)) return;
    throw outOfRange(
      name,
      `memory that device '${this.#context.name}' can reach: it has ${rangesInWords([region])} for itself (${region.name}), as its 'unmirrorable()' lists`,
      address,
    );
  }

  /** A buffer comes to be. */
  yield(range: Range): void {
    this.#declared?.yield(range);
  }

  advise(range: Range, advice: Advice): void {
    this.#session?.advise(range, advice);
  }

  counters(): SystemCounters {
    return addDeclared(this.#session?.counters() ?? NO_SYSTEM_COUNTERS, this.#declared);
  }

  /** The loss as commands are told of it. */
  aboutLoss(lost: DeviceLost): DeviceLost | undefined {
    const declared = this.#declared;
    if (!declared) return this.#session?.aboutLoss(lost);
    const unwritten = declared.salvage();
    if (unwritten.length === 0) return undefined;
    const reason = `${lost.reason}; what kernels stored to ${rangesInWords(unwritten)} could not be written back`;
    return new DeviceLost(lost.device, reason, lost.exit, unwritten);
  }

  /** What more there is to say of a fault outside of all buffers. */
  aboutFault(): string | undefined {
    if (this.#declared) return "of its host's memory it reaches what `mirror.pin` declares";
    if (!this.#session) return undefined;
    if (this.#options.system === 'all') return 'nor is that memory of its host that allows it';
    return "of its host's memory it may read what the host can read, and store to what is pinned for that";
  }
}

/** Not even its own memory may this process touch without a risk to crash. */
function noCopies(cause: unknown): UnsupportedError {
  const errno = cause instanceof SystemError ? { errno: cause.errno } : {};
  return new UnsupportedError(
    'system SVM',
    `This process may not copy memory by system calls (${messageOf(cause)}): permit 'process_vm_readv' and 'process_vm_writev' in its seccomp profile, or open the device without 'system'`,
    errno,
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
