/**
 * The pager of the host: a worker thread that answers the faults of all devices of a thread that reach system memory.
 * It reads and copies host memory by system calls alone, which can't crash it, and runs on no thread that can fault.
 *
 * @module
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import { noteOthers } from '../../../engine/abandoned.ts';
import { CHILD_FD } from '../../../engine/child-protocol.ts';
import { CONTROL_BYTES } from '../../../engine/control-layout.ts';
import { SharedMemory } from '../../../engine/shared-memory.ts';
import { close } from '../../../linux/memfd.ts';
import { pageSize } from '../../../linux/mmap.ts';
import { takeDescriptor } from '../../../linux/other-process.ts';
import { Poller, pidfdOpen, readFrom } from '../../../linux/process.ts';
import type { Range } from '../../../mm/address.ts';
import { AREA_BYTES } from './area.ts';
import type { Copies } from './copies.ts';
import { DevicePages } from './device-pages.ts';
import type { Advice, AttachRequest, HostPagerData, HostPagerReport, HostPagerRequest } from './messages.ts';
import { SpinCredit } from './spin-credit.ts';
import { HostTracker } from './tracker.ts';

/**
 * Milliseconds that it looks for more after it has served someone, before it sleeps: a core that has got its page touches
 * the next one about as soon as it is awake again.
 */
const SPIN_FOR = 0.1;

/** Where nobody can ring any more (the thread of the mirror was terminated), this thread ends within so many milliseconds. */
const LOOK_UP = 500;

/** What is said of a device that is being served. */
type Told = Extract<HostPagerRequest, { readonly type: 'pin' | 'unpin' | 'advise' }>;

interface Served {
  readonly pages: DevicePages;
  readonly userfaultfd: number;
  readonly bell: number;
  readonly kick: number;
  readonly area: SharedMemory;
  /** The descriptor by which the thread of the mirror has the same. */
  readonly areaFd: number;
  readonly control: SharedMemory;
}

export class HostPager {
  readonly #data: HostPagerData;
  readonly #tracker = new HostTracker();
  readonly #devices = new Map<number, Served>();
  readonly #count = new BigUint64Array(1);
  /** How often the bell was rung, as far as this thread has heard. */
  #heard = 0;
  /** Messages that came in while a device was being served, and must not be taken in then. */
  readonly #later: HostPagerRequest[] = [];
  readonly #afterFaults = new SpinCredit();
  readonly #afterRequests = new SpinCredit();
  #poller: Poller;

  constructor(data: HostPagerData) {
    this.#data = data;
    this.#poller = new Poller([data.bell]);
  }

  /** Returns when it is told to stop. */
  run(): void {
    /** Of what was served last, where anything was. */
    let credit: SpinCredit | undefined;
    for (;;) {
      const poller = this.#poller;
      if (this.#later.length > 0) poller.wait(0);
      else if (!credit?.next() || !this.#looked(credit)) poller.wait(LOOK_UP);
      credit = undefined;
      // Whoever has rung is asked, and nobody else: a read that finds nothing costs more than what it would have found.
      const asked = [...this.#devices].map(([id, device], i) => ({
        id,
        device,
        faults: poller.ready(2 * i + 1),
        rung: poller.ready(2 * i + 2),
      }));
      if (poller.ready(0)) this.#hear();
      if (this.#takeMessages()) return;
      for (const { id, device, faults, rung } of asked)
        if ((faults || rung) && this.#devices.has(id)) {
          this.#serve(id, device, faults, rung);
          credit = faults ? this.#afterFaults : (credit ?? this.#afterRequests);
        }
    }
  }

  #hear(): void {
    if (readFrom(this.#data.bell, this.#count) > 0) this.#heard += Number(this.#count[0]);
  }

  /** A message may be taken in before the bell is rung for it, and the bell is closed after this. */
  #hearLast(rings: number): void {
    for (const poller = new Poller([this.#data.bell]); this.#heard < rings; this.#hear())
      poller.wait(LOOK_UP);
  }

  /** Looks for a while; true where there is something to do. */
  #looked(credit: SpinCredit): boolean {
    const until = performance.now() + SPIN_FOR;
    let found = false;
    do found = this.#poller.wait(0) > 0;
    while (!found && performance.now() < until);
    credit.looked(found);
    return found;
  }

  #serve(id: number, { pages, bell }: Served, faults: boolean, rung: boolean): void {
    try {
      if (rung) readFrom(bell, this.#count);
      pages.serve(faults);
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #takeMessages(): boolean {
    for (let next = this.#next(); next; next = this.#next()) {
      if (next.type === 'attach') this.#attach(next);
      else if (next.type === 'detach') this.#detach(next.id);
      else if (next.type !== 'stop') this.#tryTakeIn(next);
      else {
        // Their mirrors were not closed, and so what these have stays.
        for (const [id, { areaFd }] of [...this.#devices]) this.#detach(id, [areaFd]);
        this.#tracker.close();
        this.#hearLast(next.rings);
        return true;
      }
    }
    return false;
  }

  #next(): HostPagerRequest | undefined {
    return this.#later.shift() ?? this.#receive();
  }

  #receive(): HostPagerRequest | undefined {
    return receiveMessageOnPort(this.#data.port)?.message as HostPagerRequest | undefined;
  }

  /** What was said before a packet was put in holds for it, also where this thread has not come to it yet. */
  readonly #beforeAcquire = (): void => {
    for (let next = this.#receive(); next; next = this.#receive()) {
      const now =
        this.#later.length === 0 && (next.type === 'pin' || next.type === 'unpin' || next.type === 'advise');
      if (now) this.#takeIn(next as Told);
      else this.#later.push(next);
    }
  };

  #tryTakeIn(told: Told): void {
    try {
      this.#takeIn(told);
    } catch (error) {
      this.#fail(told.id, error);
    }
  }

  #takeIn(told: Told): void {
    const pages = this.#devices.get(told.id)?.pages;
    if (!pages) return;
    if (told.type === 'advise') advise(pages.copies, told.range, told.advice);
    else if (told.type === 'pin') pages.pins.add(told.range);
    else pages.pins.remove(told.range);
  }

  #attach(request: AttachRequest): void {
    try {
      const served = serve(request, this.#tracker, this.#beforeAcquire);
      this.#devices.set(request.id, served);
      this.#note(served);
      this.#poll();
      this.#report({ type: 'attached', id: request.id });
    } catch (error) {
      this.#fail(request.id, error);
    }
  }

  /** For who clears up should this thread be terminated, with that of the mirror: all that only they would close. */
  #note({ area, areaFd, bell, control, kick, userfaultfd }: Served): void {
    const tracker = this.#tracker.userfaultfd ?? 0;
    noteOthers(control, [areaFd, area.fd, bell, kick, userfaultfd, tracker, this.#data.bell]);
  }

  #detach(id: number, left: readonly number[] = []): void {
    const device = this.#devices.get(id);
    if (!device) return;
    this.#devices.delete(id);
    noteOthers(device.control, left);
    device.pages.close();
    for (const memory of [device.area, device.control]) {
      memory.unmap();
      close(memory.fd);
    }
    for (const fd of [device.userfaultfd, device.bell, device.kick]) close(fd);
    this.#poll();
  }

  #poll(): void {
    const fds = [...this.#devices.values()].flatMap(({ userfaultfd, bell }) => [userfaultfd, bell]);
    this.#poller = new Poller([this.#data.bell, ...fds]);
  }

  #fail(id: number, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#detach(id);
    this.#report({ type: 'failed', id, message });
  }

  #report(report: HostPagerReport): void {
    this.#data.port.postMessage(report);
  }
}

function advise(copies: Copies, range: Range, advice: Advice): void {
  if (advice === 'prefetch') copies.prefetch(range);
  else if (advice === 'drop') copies.drop(range);
  else if ('readMostly' in advice) copies.readMostly(range, advice.readMostly);
  else copies.preferSize(range, advice.fetchSize);
}

/** Takes what the device has made over into this process. Leaves nothing open where it throws. */
function serve(request: AttachRequest, tracker: HostTracker, beforeAcquire: () => void): Served {
  const { pid, descriptors, cores, claims, arenaInode, areaFd, mode } = request;
  const taken: number[] = [];
  const mapped: SharedMemory[] = [];
  const pidfd = pidfdOpen(pid);
  const take = (fd: number): number => {
    const got = takeDescriptor(pidfd, fd);
    taken.push(got);
    return got;
  };
  const map = (fd: number, size: number): SharedMemory => {
    const memory = SharedMemory.map(take(fd), 0, size);
    mapped.push(memory);
    return memory;
  };
  try {
    const userfaultfd = take(descriptors.userfaultfd);
    const bell = take(descriptors.bell);
    const kick = take(CHILD_FD.KICK);
    const area = map(descriptors.area, AREA_BYTES);
    const control = map(CHILD_FD.CONTROL, CONTROL_BYTES);
    const pages = new DevicePages({
      tracker,
      area,
      control,
      userfaultfd,
      kick,
      pid,
      mode,
      cores,
      claims,
      pageSize: pageSize(),
      arenaInode,
      beforeAcquire,
    });
    return { pages, userfaultfd, bell, kick, area, areaFd, control };
  } catch (error) {
    for (const memory of mapped) memory.unmap();
    for (const fd of taken) close(fd);
    throw error;
  } finally {
    close(pidfd);
  }
}
