/**
 * What devices in a process of their own have in common on the host's side: a session (process, log of maps, rings,
 * pump) that can be lost and opened again, the queues that outlive it, and the mirror's port. A particular device
 * adds how its process is started and how programs are loaded.
 *
 * A session that a runaway kernel has cost is opened again at once: that launch rejects with its DeviceFault, other
 * commands of the session with DeviceLost, and what is put in meanwhile waits for the new session.
 *
 * @module
 */
import type {
  CommandType,
  DeviceContext,
  DeviceCounters,
  MirrorPort,
  QueueOptions,
} from '../device/device.ts';
import { DeviceLost, outOfRange, StateError } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import { channels, publish } from '../observe/channels.ts';
import type { DeviceEvent } from '../observe/events.ts';
import type { HostAction, Packet, QueuedCommand } from './command.ts';
import { checkQueueOptions } from './command-options.ts';
import { monotonicNow } from './completion.ts';
import { MAP_ENTRY, MAX_QUEUES } from './control-layout.ts';
import { DeviceCommands } from './device-commands.ts';
import type { DeviceProcess } from './device-process.ts';
import {
  addCounters,
  DeviceSession,
  NO_COUNTERS,
  type SessionCounters,
  type SessionOptions,
} from './device-session.ts';
import { type LoadLimit, within } from './load-limit.ts';
import type { Runaway } from './loss.ts';
import { LossNotice } from './loss-notice.ts';
import { MapLogWriter } from './map-log.ts';
import { type Ordering, type QueueHost, RingQueue } from './ring-queue.ts';
import type { Settlement } from './settlement.ts';
import type { StopConditions } from './stop-watch.ts';

export interface RingDeviceOptions extends SessionOptions {
  readonly pointerLimit: number;
  readonly maxItems: number;
  /** See {@link QueueHost}. */
  reaches?(name: string, address: number, size: number): void;
  declare?(ranges: readonly Range[]): () => void;
  forget?(range: Range): void;
  /** Starts the process, programs and all; the log already lists the live ranges. */
  start(log: MapLogWriter): Promise<DeviceProcess>;
}

export class RingDevice implements QueueHost, MirrorPort {
  readonly name: string;
  readonly cores: number;
  readonly pointerLimit: number;
  readonly maxItems: number;
  readonly #o: RingDeviceOptions;
  readonly #queues: RingQueue[] = [];
  #session: DeviceSession | undefined;
  /** The log of a session whose process is still starting. */
  #opening: MapLogWriter | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  /** A lost device on its way back; what is put in meanwhile is held. */
  #reopening: Promise<void> | undefined;
  readonly #commands: DeviceCommands;
  readonly #loss = new LossNotice();
  #lastPid = 0;
  #launches = 0;
  #reopens = 0;
  #past: SessionCounters = NO_COUNTERS;

  constructor(options: RingDeviceOptions) {
    this.#o = options;
    this.name = options.context.name;
    this.cores = options.cores;
    this.pointerLimit = options.pointerLimit;
    this.maxItems = options.maxItems;
    this.#commands = new DeviceCommands(this.name, options.context.commands, this.#queues);
    this.#queues.push(new RingQueue(this, 0, 'in', 'queue-0'));
  }

  get queue(): RingQueue {
    return this.#queues[0]!;
  }

  get lost(): Promise<DeviceLost> {
    return this.#loss.promise;
  }

  /** The process id of the device, or of its last life. */
  get pid(): number {
    return this.#session?.process.pid ?? this.#lastPid;
  }

  get closed(): boolean {
    return this.#closed;
  }

  createQueue(options?: QueueOptions): RingQueue {
    const { order, name } = checkQueueOptions(options, `queue-${this.#queues.length}`);
    const session = this.#live();
    if (this.#queues.length === MAX_QUEUES)
      throw outOfRange('queues', `at most ${MAX_QUEUES} on a device`, MAX_QUEUES + 1);
    const queue = new RingQueue(this, this.#queues.length, order, name);
    this.#queues.push(queue);
    // A session that is being opened gives it a ring of its own accord.
    session?.addRing(queue);
    return queue;
  }

  /** Opens a session. The ranges that are live now are in its log before the process starts. */
  async open(): Promise<void> {
    const log = MapLogWriter.of(this.#o.context.live());
    // Maps and unmaps while the process starts go to the log as well.
    this.#opening = log;
    let process: DeviceProcess | undefined;
    try {
      process = await this.#o.start(log);
      if (this.#closed) throw this.#closedError();
    } catch (error) {
      await process?.close();
      log.close();
      throw error;
    } finally {
      this.#opening = undefined;
    }
    const session = new DeviceSession(process, log, this.#o, (commands) => this.#commands.ended(commands));
    for (const queue of this.#queues) session.addRing(queue);
    process.onLost = (lost, runaway) => this.#sessionLost(session, lost, runaway);
    this.#session = session;
    this.#lastPid = process.pid;
    if (this.#reopening) {
      this.#reopening = undefined;
      this.#reopens++;
      if (channels['device-reopen'].hasSubscribers)
        publish('device-reopen', { ...this.#eventBase(), pid: process.pid });
    }
    this.#commands.takeUp(session);
    process.checkAlive();
  }

  /** Opens a session again after a loss; nothing where the device lives. */
  async reopen(): Promise<void> {
    if (this.#closed) throw this.#closedError();
    this.#session?.process.checkAlive();
    if (!this.#session) await (this.#reopening ?? this.#comeBack());
  }

  /** Resolves, or rejects, once commands no longer wait. */
  #comeBack(): Promise<void> {
    this.#loss.renew();
    const reopening = this.open().catch((error: unknown) => {
      this.#reopening = undefined;
      const why = this.#closed ? 'it was closed' : `it could not be opened again: ${messageOf(error)}`;
      const lost = new DeviceLost(this.name, why);
      this.#loss.tell(lost);
      this.#commands.failHeld(lost);
      throw error;
    });
    this.#reopening = reopening;
    return reopening;
  }

  /** Once the device is there, where it is being reopened. Where a limit is passed, the device is started anew. */
  async request(message: { type: string } & Record<string, unknown>, limit?: LoadLimit): Promise<unknown> {
    let session = this.#live();
    while (!session) {
      // Where it fails, the next line throws the loss.
      await this.#reopening?.catch(() => {});
      session = this.#live();
    }
    session.trace();
    try {
      const { process } = session;
      const from = session;
      const answer = process.request(message);
      return await (limit ? within(limit, (reason) => from.abandon(reason), answer) : answer);
    } finally {
      session.drain();
    }
  }

  /** Resolves once the process has ended, at each call. */
  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    const session = this.#session;
    if (session) {
      // Commands end, and frees that wait for them take effect, only once no kernel can run any more.
      session.process.onLost = (lost) => this.#end(session, lost);
      await session.process.close();
      session.log.close();
    }
    // It ends by itself, since the device is closed.
    await this.#reopening?.catch(() => {});
    for (const queue of this.#queues) queue.warnOfSilentFailures();
  }

  counters(): DeviceCounters {
    return { ...this.#sessionCounters(), launches: this.#launches, reopens: this.#reopens };
  }

  #sessionCounters(): SessionCounters {
    return this.#session ? addCounters(this.#past, this.#session.counters()) : this.#past;
  }

  // What queues ask.

  get context(): DeviceContext {
    return this.#o.context;
  }

  get reaches(): QueueHost['reaches'] {
    return this.#o.reaches;
  }

  get declare(): QueueHost['declare'] {
    return this.#o.declare;
  }

  get forget(): QueueHost['forget'] {
    return this.#o.forget;
  }

  get scope(): object {
    return this.#commands.scope;
  }

  submit(
    queue: RingQueue,
    type: CommandType,
    kernel: string,
    packet: Packet | HostAction,
    ordering?: Ordering,
    stop?: StopConditions,
  ): QueuedCommand {
    this.#live();
    if (type === 'launch') this.#launches++;
    return this.#commands.submit(queue, type, kernel, packet, ordering, stop);
  }

  whenEnded(queue: RingQueue, callback: () => void): void {
    this.#commands.whenEnded(queue, callback);
  }

  blocked(queue: RingQueue): () => readonly Settlement[] {
    return this.#commands.blocked(queue);
  }

  // What the mirror asks.

  mapped(range: Range, access: 'read' | 'write'): void {
    (this.#session?.log ?? this.#opening)?.append(
      access === 'read' ? MAP_ENTRY.MAP_READ : MAP_ENTRY.MAP_WRITE,
      range,
    );
  }

  unmapped(range: Range): () => boolean {
    const session = this.#session;
    if (session) {
      const applied = session.unmapped(range);
      return () => this.#session !== session || applied();
    }
    this.#opening?.append(MAP_ENTRY.UNMAP, range);
    return () => true;
  }

  /** A range is gone that nothing runs in. */
  left(range: Range): void {
    (this.#session?.log ?? this.#opening)?.append(MAP_ENTRY.UNMAP, range);
  }

  drained(callback: () => void): void {
    this.#commands.drained(callback);
  }

  nudge(): void {
    this.#session?.process.kick();
  }

  /** The session; undefined while the device is being reopened. Throws where it is lost or closed. */
  #live(): DeviceSession | undefined {
    if (this.#closed) throw this.#closedError();
    this.#session?.process.checkAlive();
    if (!this.#session && !this.#reopening)
      throw this.#loss.last ?? new StateError('lost', `device '${this.name}' is not open`);
    return this.#session;
  }

  #eventBase(): DeviceEvent {
    return { mirror: this.#o.context.commands.mirror, device: this.name, time: monotonicNow() };
  }

  #closedError(): StateError {
    return new StateError('closed', `device '${this.name}' is closed`);
  }

  #sessionLost(session: DeviceSession, lost: DeviceLost, runaway: Runaway | undefined): void {
    this.#end(session, lost, runaway);
    if (channels['device-lost'].hasSubscribers) {
      const { reason, exit } = lost;
      const event = { ...this.#eventBase(), reason, runaway: runaway !== undefined };
      publish('device-lost', exit === undefined ? event : { ...event, exit });
    }
    this.#loss.tell(lost);
    void session.process.close().then(() => session.log.close());
    // Its failure is told to the commands that are held, and to whoever asks next.
    if (runaway || session.givenUp) this.#comeBack().catch(() => {});
  }

  /** No command of the session ends any more: settle them, and remember its counters. */
  #end(session: DeviceSession, lost: DeviceLost, runaway?: Runaway): void {
    session.pump.pump();
    this.#past = this.#sessionCounters();
    this.#session = undefined;
    this.#commands.session = undefined;
    const left = session.settleAll(lost, runaway);
    this.#commands.ended(left);
    session.pump.releaseDrained();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
