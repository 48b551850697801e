/**
 * A device process as the host holds it: spawned with the descriptors that it needs, spoken to over Node's channel for
 * the rare things (loading a program, stopping a kernel), watched through a pidfd. It runs built JavaScript found by
 * the package's own name, without the host's debugger, loaders or NODE_OPTIONS; it dies with the host, and the host
 * learns of its death within a turn of the event loop, or of a blocking wait.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeviceLost, MirrorError, ProgramError, UnsupportedError } from '../errors.ts';
import { close } from '../linux/memfd.ts';
import { eventfd, howEnded, Poller, pidfdOpen, signalEventfd } from '../linux/process.ts';
import { CONTROL_NAME, noteOwner } from './abandoned.ts';
import { CHILD_FD, type DeviceReply, type DeviceRequest, type RemoteError } from './child-protocol.ts';
import { CONTROL_BYTES, CORE, coreWord, HEADER, LOST_REASON, NO_HAZARD } from './control-layout.ts';
import { checkDescriptorLimit } from './descriptor-limit.ts';
import { packetsInside, type Runaway, readRunaway } from './loss.ts';
import type { MapLogWriter } from './map-log.ts';
import { readText, SharedMemory } from './shared-memory.ts';

/** Three pairs of pipes, a pidfd, the loop's own pair for signals, and some for other threads. */
const DESCRIPTORS_TO_START = 12;

export interface DeviceProcessOptions {
  readonly name: string;
  /** The entry module: below this package's `dist/`, or another package's file as a URL, in JavaScript that runs as it is. */
  readonly entry: string | URL;
  readonly execArgv: readonly string[];
  readonly arenaFd: number;
  readonly log: MapLogWriter;
  readonly cores: number;
  /** What the entry module finds as JSON in `process.argv[2]`. */
  readonly init: Record<string, unknown>;
}

export class DeviceProcess {
  readonly control: SharedMemory;
  readonly pid: number;
  #ready: unknown;
  onWake: () => void = () => {};
  /** Called once when the process has ended; with the kernel that is to blame where it ran away. */
  onLost: (lost: DeviceLost, runaway: Runaway | undefined) => void = () => {};
  /** The name of a packet's kernel, where that has not been settled. */
  kernelOf: (queue: number, index: number) => string | undefined = () => undefined;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #wake: Socket;
  readonly #kick: number;
  readonly #pidfd: number;
  readonly #poller: Poller;
  readonly #requests = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextRequest = 1;
  #holds = 0;
  #ended: Promise<void>;
  #lost: DeviceLost | undefined;
  #closing = false;
  #givenUp: string | undefined;

  private constructor(name: string, control: SharedMemory, child: ChildProcess, pid: number, kick: number) {
    this.#name = name;
    this.control = control;
    this.#child = child;
    this.pid = pid;
    this.#kick = kick;
    this.#pidfd = pidfdOpen(pid);
    this.#poller = new Poller([this.#pidfd]);
    this.#wake = (child.stdio as unknown as readonly Socket[])[CHILD_FD.WAKE]!;
    this.#wake.on('data', () => this.onWake());
    this.#wake.on('error', () => {});
    child.on('message', (message: DeviceReply) => this.#answered(message));
    child.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#markLost(signal ?? code ?? undefined);
        resolve();
      });
    });
    child.unref();
    child.channel?.unref();
    this.#wake.unref();
  }

  /** Spawns the process and waits until it serves. Throws what it says where it can't. */
  static async start(options: DeviceProcessOptions): Promise<DeviceProcess> {
    const control = SharedMemory.create(CONTROL_NAME, CONTROL_BYTES);
    control.i32[HEADER.QUEUE_COUNT] = 1;
    for (let core = 0; core < options.cores; core++) control.i32[coreWord(core) + CORE.HAZARD] = NO_HAZARD;
    const { arenaFd: arena, log } = options;
    let kick = -1;
    let child: ChildProcess | undefined;
    let device: DeviceProcess;
    try {
      // A thread may be terminated at any moment: what there is of it is known from the first.
      kick = eventfd();
      noteOwner(control, { arena, log: log.fd, kick, pidfd: -1, process: 0 });
      checkDescriptors();
      checkDescriptorLimit(options.name, options.cores);
      child = spawnDevice(options, control.fd, kick);
      noteOwner(control, { arena, log: log.fd, kick, pidfd: -1, process: child.pid ?? 0 });
      if (child.pid === undefined) throw await notStarted(options.name, child);
      device = new DeviceProcess(options.name, control, child, child.pid, kick);
      noteOwner(control, { arena, log: log.fd, kick, pidfd: device.#pidfd, process: child.pid });
    } catch (error) {
      if (child?.pid !== undefined) await discard(child);
      if (kick !== -1) close(kick);
      control.unmap();
      close(control.fd);
      throw error;
    }
    try {
      device.#ready = await device.request({ type: 'init' });
      return device;
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  /** What the process said when it was ready. */
  get ready(): unknown {
    return this.#ready;
  }

  /** Asks the process something; keeps this process alive until it has answered. */
  request(message: DeviceRequest): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = this.#nextRequest++;
    this.hold(true);
    return new Promise<unknown>((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
      this.#child.send({ ...message, id }, (error) => {
        if (error) this.#fail(id, error);
      });
    }).finally(() => this.hold(false));
  }

  /** Tells the process something, without an answer. */
  tell(message: DeviceRequest): void {
    if (!this.#lost && this.#child.connected) this.#child.send({ ...message, id: 0 }, () => {});
  }

  /** Keeps this process alive (counted), or no longer. */
  hold(on: boolean): void {
    this.#holds += on ? 1 : -1;
    if (on && this.#holds === 1) {
      this.#child.ref();
      this.#child.channel?.ref();
      this.#wake.ref();
    } else if (!on && this.#holds === 0) {
      this.#child.unref();
      this.#child.channel?.unref();
      this.#wake.unref();
    }
  }

  /** Wakes the pager, to take in the log of maps. */
  kick(): void {
    if (!this.#lost) signalEventfd(this.#kick);
  }

  /** Finds out without the event loop whether the process has ended. */
  checkAlive(): void {
    if (!this.#lost && this.#poller.wait(0) > 0) this.#markLost(howEnded(this.pid));
  }

  /** Kills it for that reason. */
  giveUp(reason: string): void {
    if (this.#lost) return;
    this.#givenUp = reason;
    this.kill();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends the process and gives back what it held. */
  async close(): Promise<void> {
    if (this.#closing) return this.#ended;
    this.#closing = true;
    this.hold(true);
    this.kill();
    await this.#ended;
    this.#wake.destroy();
    if (this.#child.connected) this.#child.disconnect();
    close(this.#pidfd);
    close(this.#kick);
    this.control.unmap();
    close(this.control.fd);
  }

  #kernelsInside(): string[] {
    const names = packetsInside(this.control).map(({ queue, index }) => this.kernelOf(queue, index));
    return [...new Set(names.filter((name) => name !== undefined))];
  }

  #answered(message: DeviceReply): void {
    const request = this.#requests.get(message.id);
    if (!request) return;
    this.#requests.delete(message.id);
    if (message.ok) request.resolve(message.value);
    else request.reject(revive(message.error));
  }

  #fail(id: number, error: Error): void {
    this.#requests.get(id)?.reject(this.#lost ?? new DeviceLost(this.#name, error.message));
    this.#requests.delete(id);
  }

  #markLost(exit: number | string | undefined): void {
    if (this.#lost) return;
    const length = this.control.i32[HEADER.LOST_LENGTH]!;
    const said = length > 0 ? readText(this.control, LOST_REASON, length) : undefined;
    const own = this.#closing ? 'it was closed' : (said ?? this.#givenUp);
    const kernels = own === undefined ? this.#kernelsInside() : [];
    const reason =
      own ?? `its process ${this.pid} ended${exit === undefined ? '' : ` (${exit})`}${inside(kernels)}`;
    this.#lost = new DeviceLost(this.#name, reason, exit, [], kernels);
    const runaway = this.#closing ? undefined : readRunaway(this.control);
    const cause = runaway?.loading ? startRanAway(this.#lost) : this.#lost;
    for (const { reject } of this.#requests.values()) reject(cause);
    this.#requests.clear();
    this.onLost(this.#lost, runaway);
  }
}

function inside(kernels: readonly string[]): string {
  const names = kernels.map((name) => `'${name}'`).join(', ');
  return kernels.length === 0 ? '' : ` inside kernel${kernels.length === 1 ? '' : 's'} ${names}`;
}

function spawnDevice(options: DeviceProcessOptions, control: number, kick: number): ChildProcess {
  const { NODE_OPTIONS: _dropped, NODE_V8_COVERAGE: _coverage, ...env } = process.env;
  const entry =
    typeof options.entry === 'string' ? join(distFolder(), options.entry) : fileURLToPath(options.entry);
  return spawn(process.execPath, [...options.execArgv, entry, JSON.stringify(options.init)], {
    stdio: ['ignore', 'ignore', 'inherit', options.arenaFd, control, options.log.fd, 'pipe', kick, 'ipc'],
    serialization: 'advanced',
    env,
    ...(hasWorkingFolder() ? {} : { cwd: '/' }),
  });
}

/** False where the folder that this process works in was deleted, and Node would not start there. */
function hasWorkingFolder(): boolean {
  const folder = readlinkSync('/proc/self/cwd');
  return !folder.endsWith(' (deleted)') || existsSync(folder);
}

/** Throws where there are too few to start a process: Node keeps the pipes of one that it had to give up. */
function checkDescriptors(): void {
  const spare: number[] = [];
  try {
    while (spare.length < DESCRIPTORS_TO_START) spare.push(eventfd());
  } finally {
    for (const fd of spare) close(fd);
  }
}

async function notStarted(device: string, child: ChildProcess): Promise<UnsupportedError> {
  const cause = await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve));
  return new UnsupportedError(
    'device process',
    `The process of device '${device}' could not be started: ${cause.message}`,
    { cause, ...(cause.code ? { errno: cause.code } : {}) },
  );
}

/** Ends a process that was started for nothing, with its pipes. */
async function discard(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  for (const stream of child.stdio) stream?.destroy();
  if (child.connected) child.disconnect();
}

/** Where the built package lies (its entry points of processes and threads), whether this file runs from source or from there. */
export function distFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('mirrorspace/package.json')), 'dist');
}

function startRanAway(lost: DeviceLost): ProgramError {
  return new ProgramError(
    'instantiate',
    `the program could not be loaded: its start function ran away, and the device with it: ${lost.reason}; a module may touch its own static data and live buffers there, and nothing else`,
    { cause: lost },
  );
}

function revive(error: RemoteError): MirrorError {
  if (error.kind === 'program') return new ProgramError(error.reason, error.message);
  if (error.kind === 'unsupported') {
    return new UnsupportedError(error.reason, error.message, error.errno ? { errno: error.errno } : {});
  }
  return new MirrorError('ERR_MIRROR_DEVICE', error.message);
}
