/**
 * What devices in a process of their own have in common on the host's side: a session (process, log of maps, rings,
 * pump) that can be lost and opened again, the queues that outlive it, and the mirror's port. A particular device
 * adds how its process is started and how programs are loaded.
 *
 * @module
 */
import type { Addressed, CommandType, DeviceContext, DeviceCounters, MirrorPort } from '../device/device.ts';
import { DeviceFault, DeviceLost, outOfRange, StateError } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import { type Packet, QueuedCommand } from './command.ts';
import { CommandPump } from './command-pump.ts';
import { monotonicNow, type PacketFailure } from './completion.ts';
import { FILLED_BYTES_F64, HEADER, MAP_ENTRY, MAX_QUEUES } from './control-layout.ts';
import type { DeviceProcess } from './device-process.ts';
import { MapLogWriter } from './map-log.ts';
import { Ring } from './ring.ts';
import { type QueueHost, RingQueue } from './ring-queue.ts';

const ACKNOWLEDGED = (): boolean => true;

/** One life of the device's process. */
interface Session {
  readonly process: DeviceProcess;
  readonly log: MapLogWriter;
  readonly pump: CommandPump;
  readonly rings: Map<RingQueue, Ring>;
}

export interface RingDeviceOptions {
  readonly context: DeviceContext;
  readonly cores: number;
  readonly pointerLimit: number;
  readonly maxItems: number;
  /** Starts the process; the log already lists the live ranges. */
  start(log: MapLogWriter): Promise<DeviceProcess>;
}

export class RingDevice implements QueueHost, MirrorPort {
  readonly name: string;
  readonly cores: number;
  readonly pointerLimit: number;
  readonly maxItems: number;
  readonly #o: RingDeviceOptions;
  readonly #queues: RingQueue[] = [];
  #session: Session | undefined;
  /** The log of a session whose process is still starting. */
  #opening: MapLogWriter | undefined;
  #closed = false;
  #lost: Promise<DeviceLost>;
  #resolveLost: (lost: DeviceLost) => void = () => {};
  #lastLoss: DeviceLost | undefined;
  #lastPid = 0;
  #launches = 0;
  #past: DeviceCounters = { launches: 0, faults: 0, filledBytes: 0, wildFaults: 0, coreRestarts: 0 };

  constructor(options: RingDeviceOptions) {
    this.#o = options;
    this.name = options.context.name;
    this.cores = options.cores;
    this.pointerLimit = options.pointerLimit;
    this.maxItems = options.maxItems;
    this.#lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    this.#queues.push(new RingQueue(this, 0));
  }

  get queue(): RingQueue {
    return this.#queues[0]!;
  }

  get lost(): Promise<DeviceLost> {
    return this.#lost;
  }

  /** The process id of the device, or of its last life. */
  get pid(): number {
    return this.#session?.process.pid ?? this.#lastPid;
  }

  get closed(): boolean {
    return this.#closed;
  }

  createQueue(): RingQueue {
    const { process: device } = this.#live();
    if (this.#queues.length === MAX_QUEUES)
      throw outOfRange('queues', `at most ${MAX_QUEUES} on a device`, MAX_QUEUES + 1);
    const queue = new RingQueue(this, this.#queues.length);
    this.#queues.push(queue);
    this.#addRing(this.#session!, queue);
    Atomics.store(device.control.i32, HEADER.QUEUE_COUNT, this.#queues.length);
    return queue;
  }

  /** Opens a session. The ranges that are live now are in its log before the process starts. */
  async open(): Promise<void> {
    const log = new MapLogWriter();
    for (const range of this.#o.context.live()) {
      log.append(range.access === 'read' ? MAP_ENTRY.MAP_READ : MAP_ENTRY.MAP_WRITE, range);
    }
    // Maps and unmaps while the process starts go to the log as well.
    this.#opening = log;
    let process: DeviceProcess;
    try {
      process = await this.#o.start(log);
    } catch (error) {
      log.close();
      throw error;
    } finally {
      this.#opening = undefined;
    }
    const pump = new CommandPump({
      control: process.control,
      hold: (pending) => process.hold(pending),
      checkAlive: () => process.checkAlive(),
      ended: (commands) => this.#ended(commands),
    });
    const session: Session = { process, log, pump, rings: new Map() };
    for (const queue of this.#queues) this.#addRing(session, queue);
    Atomics.store(process.control.i32, HEADER.QUEUE_COUNT, this.#queues.length);
    process.onWake = () => pump.woken();
    process.onLost = (lost) => this.#sessionLost(session, lost);
    this.#session = session;
    this.#lastPid = process.pid;
    process.checkAlive();
  }

  /** Opens a session again after a loss; nothing where the device lives. */
  async reopen(): Promise<boolean> {
    if (this.#closed) throw new StateError('closed', `device '${this.name}' is closed`);
    if (this.#session || this.#opening) return false;
    this.#lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    await this.open();
    return true;
  }

  request(message: { type: string } & Record<string, unknown>): Promise<unknown> {
    return this.#live().process.request(message);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const session = this.#session;
    if (session) {
      session.process.onLost = () => {};
      this.#end(session, new DeviceLost(this.name, 'it was closed'));
      await session.process.close();
      session.log.close();
    }
    for (const command of this.#queues.flatMap((queue) => queue.takeSilentFailures())) {
      if (command.error instanceof DeviceLost && command.error.reason === 'it was closed') continue;
      process.emitWarning(
        `A failed command was never looked at: ${String(command.error)}`,
        'MirrorspaceWarning',
      );
    }
  }

  counters(): DeviceCounters {
    const now = this.#session ? this.#countersOf(this.#session) : undefined;
    const past = this.#past;
    return {
      launches: this.#launches,
      faults: past.faults + (now?.faults ?? 0),
      filledBytes: past.filledBytes + (now?.filledBytes ?? 0),
      wildFaults: past.wildFaults + (now?.wildFaults ?? 0),
      coreRestarts: past.coreRestarts + (now?.coreRestarts ?? 0),
    };
  }

  // What queues ask.

  checkBuffer(name: string, buffer: Addressed): void {
    if ((buffer as { freed?: unknown }).freed === true) {
      throw new StateError('freed', `${name} is a freed buffer (it was at 0x${buffer.address.toString(16)})`);
    }
    this.checkRange(name, buffer.address, buffer.size);
  }

  checkRange(name: string, address: number, size: number, access: 'read' | 'write' = 'read'): void {
    const allowed = this.#o.context.accessTo(address, size);
    if (allowed === undefined) {
      throw outOfRange(name, `within one live buffer that device '${this.name}' may touch`, address);
    }
    if (access === 'write' && allowed === 'read') {
      throw outOfRange(name, `in a buffer that device '${this.name}' may write`, address);
    }
  }

  submit(
    queue: RingQueue,
    type: CommandType,
    kernel: string,
    packet: Packet,
    signal?: AbortSignal,
  ): QueuedCommand {
    const session = this.#live();
    const ring = session.rings.get(queue)!;
    const command: QueuedCommand = new QueuedCommand(
      {
        block: (which, timeout) => session.pump.block(which, timeout),
        progressOf: (which) => (this.#session === session ? ring.progressOf(which) : 0),
      },
      queue.number,
      type,
      kernel,
      packet,
      monotonicNow(),
    );
    if (type === 'launch') this.#launches++;
    if (signal) this.#obey(signal, session, ring, command);
    ring.push(command);
    session.pump.follow();
    return command;
  }

  pendingOf(queue: RingQueue): readonly QueuedCommand[] {
    return this.#session?.rings.get(queue)?.commands() ?? [];
  }

  // What the mirror asks.

  mapped(range: Range, access: 'read' | 'write'): void {
    this.#log()?.append(access === 'read' ? MAP_ENTRY.MAP_READ : MAP_ENTRY.MAP_WRITE, range);
  }

  unmapped(range: Range): () => boolean {
    const log = this.#log();
    if (!log) return ACKNOWLEDGED;
    const session = this.#session;
    const inUse = session !== undefined && session.pump.pending > 0;
    const head = log.append(inUse ? MAP_ENTRY.UNMAP_IN_USE : MAP_ENTRY.UNMAP, range);
    if (log.lagging) session?.process.kick();
    // No kernel runs, so no fault is being answered; and the pager reads the log in order before it answers the next.
    if (!inUse) return ACKNOWLEDGED;
    return () => this.#log() !== log || log.applied(head);
  }

  drained(callback: () => void): void {
    if (this.#session) this.#session.pump.whenDrained(callback);
    else callback();
  }

  nudge(): void {
    this.#session?.process.kick();
  }

  #log(): MapLogWriter | undefined {
    return this.#session?.log ?? this.#opening;
  }

  #live(): Session {
    if (this.#closed) throw new StateError('closed', `device '${this.name}' is closed`);
    this.#session?.process.checkAlive();
    if (!this.#session) throw this.#lastLoss ?? new StateError('lost', `device '${this.name}' is not open`);
    return this.#session;
  }

  #addRing(session: Session, queue: RingQueue): void {
    const ring = new Ring(session.process.control, queue.number, this.cores, (command, failure) =>
      this.#explain(command, failure),
    );
    session.rings.set(queue, ring);
    session.pump.add(ring);
  }

  #obey(signal: AbortSignal, session: Session, ring: Ring, command: QueuedCommand): void {
    const abort = (): void => {
      if (command.settled) return;
      command.abortReason = signal.reason;
      if (ring.withdraw(command)) {
        command.fail(signal.reason);
        this.#ended([command]);
      } else if (ring.cancel(command)) {
        session.process.tell({ type: 'stop', queue: ring.number, index: command.index });
      }
    };
    signal.addEventListener('abort', abort, { once: true });
    command.whenSettled(() => signal.removeEventListener('abort', abort));
  }

  #explain(command: QueuedCommand, failure: PacketFailure): unknown {
    const nearest = failure.address === undefined ? undefined : this.#o.context.nearest(failure.address);
    return new DeviceFault({
      ...failure,
      device: this.name,
      kernel: command.kernel,
      ...(nearest ? { nearest } : {}),
    });
  }

  #ended(commands: readonly QueuedCommand[]): void {
    for (const command of commands) {
      if (command.status === 'failed') this.#queues[command.queue]!.noteFailure(command);
    }
  }

  #countersOf({ process: device }: Session): Omit<DeviceCounters, 'launches'> {
    const { i32, f64 } = device.control;
    return {
      faults: Atomics.load(i32, HEADER.FAULTS),
      filledBytes: f64[FILLED_BYTES_F64]!,
      wildFaults: Atomics.load(i32, HEADER.WILD_FAULTS),
      coreRestarts: Atomics.load(i32, HEADER.CORE_RESTARTS),
    };
  }

  #sessionLost(session: Session, lost: DeviceLost): void {
    this.#end(session, lost);
    this.#lastLoss = lost;
    this.#resolveLost(lost);
    void session.process.close().then(() => session.log.close());
  }

  /** No command of the session ends any more: settle them, and remember its counters. */
  #end(session: Session, lost: DeviceLost): void {
    session.pump.pump();
    this.#past = this.counters();
    this.#session = undefined;
    const left = session.pump.stop();
    for (const command of left) command.fail(lost);
    this.#ended(left);
    session.pump.releaseDrained();
  }
}
