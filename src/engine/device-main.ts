/**
 * The main thread of a device process, as far as it is the same for all devices: it gives pager and cores their data,
 * has every core take programs in, supervises, and answers the host. It dies with the host, whichever way that ends.
 *
 * @module
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { ProgramError, UnsupportedError } from '../errors.ts';
import { SIGKILL, setParentDeathSignal, setThreadName, signalEventfd } from '../linux/process.ts';
import { CHILD_FD, type RemoteError } from './child-protocol.ts';
import { type PacketFailure, ringDoorbell } from './completion.ts';
import { CONTROL_BYTES, MAX_CORES } from './control-layout.ts';
import { lose } from './loss.ts';
import { SharedMemory } from './shared-memory.ts';
import { Supervisor } from './supervisor.ts';
import type {
  CoreProgramData,
  CoreReport,
  CoreStart,
  DeviceThreads,
  LoadFailure,
  PagerReport,
  PagerStart,
} from './thread-messages.ts';

export interface DeviceMainOptions<Program extends CoreProgramData> {
  readonly cores: number;
  readonly threads: DeviceThreads;
  /** What a core of this device is given beside what every core is. */
  coreData(): object;
  /** Called before a packet is complete that no core completes. */
  leave?(): PacketFailure | undefined;
  /** Why a program could not be loaded whose first run faulted, or was stopped, on a core. */
  explainFault(failure: PacketFailure): string;
  /**
   * The program as a core that is started later takes it in, given what each core has said of it. Throws ProgramError
   * where they don't agree.
   */
  remember?(program: Program, said: readonly unknown[]): Program;
}

/** A program on its way into the cores. */
interface Loading<Program> {
  readonly program: Program;
  /** Cores that have not answered, and those that have taken it in. */
  readonly waiting: Set<number>;
  readonly taken: Set<number>;
  failure: LoadFailure | undefined;
  readonly said: unknown[];
  resolve(): void;
  reject(error: Error): void;
}

export class DeviceMain<Program extends CoreProgramData> {
  readonly control = SharedMemory.map(CHILD_FD.CONTROL, 0, CONTROL_BYTES);
  readonly #o: DeviceMainOptions<Program>;
  readonly #supervisor: Supervisor;
  readonly #programs: Program[] = [];
  readonly #mailPorts: MessagePort[] = [];
  /** The program that each core was sent last. */
  readonly #mailed: number[] = [];
  readonly #mailCount = new Int32Array(new SharedArrayBuffer(4 * MAX_CORES));
  #loading: Loading<Program> | undefined;

  constructor(options: DeviceMainOptions<Program>) {
    this.#o = options;
    this.#supervisor = new Supervisor({
      control: this.control,
      wakeFd: CHILD_FD.WAKE,
      cores: options.cores,
      start: (core) => this.#startCore(core, options.threads.core()),
      leave: () => options.leave?.(),
      kickPager: () => signalEventfd(CHILD_FD.KICK),
      lose: (reason) => lose(this.control, reason),
      loadFailed: (core, failure) => {
        if (this.#mailed[core] !== this.#loading?.program.id) return;
        this.#loaded(core, { message: options.explainFault(failure) }, undefined);
      },
    });
  }

  /** Resolves once the pager serves. */
  startPager(data: { readonly logSegments: number } & Readonly<Record<string, unknown>>): Promise<void> {
    const { pager } = this.#o.threads;
    pager.on('error', (error) => lose(this.control, `the pager failed: ${String(error)}`));
    pager.on('exit', () => lose(this.control, 'the pager ended'));
    const start: PagerStart = { ...data, control: this.control.address, cores: this.#o.cores };
    pager.postMessage(start);
    return new Promise((resolve) => {
      pager.on('message', (message: PagerReport) => {
        if (message.type === 'serving') resolve();
        else if (message.type === 'stopping') this.#supervisor.faulted(message.core, message.loading);
        else this.#supervisor.restored(message.core);
      });
    });
  }

  /** Resolves once all cores serve. */
  startCores(): Promise<void> {
    return this.#supervisor.startAll();
  }

  stopPacket(queue: number, index: number): void {
    this.#supervisor.stopPacket(queue, index);
  }

  /**
   * Has every core take a program in, one program at a time; gives what each core said of it. Throws ProgramError where
   * one could not.
   */
  async load(program: Program): Promise<unknown[]> {
    const said: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      const waiting = new Set(this.#mailPorts.keys());
      this.#loading = { program, waiting, taken: new Set(), failure: undefined, said, resolve, reject };
      for (const core of this.#mailPorts.keys()) this.#mailTo(core, program);
      ringDoorbell(this.control, 0x7fffffff);
    });
    this.#programs.push(this.#o.remember?.(program, said) ?? program);
    return said;
  }

  #startCore(core: number, thread: Worker): { thread: Worker; serving: Promise<void> } {
    const { port1, port2 } = new MessageChannel();
    this.#mailPorts[core] = port1;
    const start: CoreStart<Program> = {
      ...this.#o.coreData(),
      core,
      control: this.control.address,
      programs: this.#programs,
      mail: port2,
      mailCount: this.#mailCount,
      mailSeen: Atomics.load(this.#mailCount, core),
    };
    thread.postMessage(start, [port2]);
    // A program that is being loaded now is not among those that the core starts with, even where the thread before
    // this one had taken it in; but a core that it failed on does not try again.
    const loading = this.#loading;
    if (loading?.waiting.has(core) || loading?.taken.has(core)) this.#mailTo(core, loading.program);
    const serving = new Promise<void>((resolve) => {
      thread.on('message', (message: CoreReport) => {
        if (message.type === 'serving') resolve();
        else if (this.#loading?.program.id === message.id) this.#loaded(core, message.failure, message.value);
      });
    });
    return { thread, serving };
  }

  #mailTo(core: number, program: Program): void {
    this.#mailed[core] = program.id;
    this.#mailPorts[core]!.postMessage(program);
    Atomics.add(this.#mailCount, core, 1);
  }

  #loaded(core: number, failure: LoadFailure | undefined, value: unknown): void {
    const loading = this.#loading;
    if (!loading) return;
    loading.waiting.delete(core);
    if (failure === undefined) {
      loading.taken.add(core);
      loading.said[core] = value;
    }
    loading.failure ??= failure;
    if (loading.waiting.size > 0) return;
    // Only once every core has answered: the next program must not be taken for this one.
    this.#loading = undefined;
    if (loading.failure === undefined) loading.resolve();
    else reject(loading, loading.failure);
  }
}

function reject(loading: Loading<unknown>, { reason = 'instantiate', message }: LoadFailure): void {
  loading.reject(new ProgramError(reason, `the program could not be loaded: ${message}`));
}

/** What the host asks of a device process. */
type Request = { readonly id: number; readonly type: string } & Record<string, unknown>;

export interface DeviceHandlers {
  readonly control: SharedMemory;
  /** Called once; its value answers the host's `init`. */
  ready(): Promise<unknown>;
  stop(queue: number, index: number): void;
  /** Answers requests by their type, one after another. */
  readonly answers: Readonly<Record<string, (request: never) => Promise<unknown>>>;
}

/** Takes the process over: from now on it serves its host, and ends with it. */
export function serveHost({ control, stop, answers, ...handlers }: DeviceHandlers): void {
  setParentDeathSignal(SIGKILL);
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.on('uncaughtException', (error) =>
    lose(control, `its main thread failed: ${error.stack ?? error.message}`),
  );
  // What a terminal sends to its whole process group is the host's to decide about.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  setThreadName('mirror-device');
  const ready = handlers.ready();
  // Its failure is the answer to the host's request.
  ready.catch(() => {});
  let last: Promise<unknown> = Promise.resolve();
  process.on('message', (request: Request) => {
    if (request.type === 'stop') return stop(request.queue as number, request.index as number);
    const work = request.type === 'init' ? ready : last.then(() => answers[request.type]!(request as never));
    if (request.type !== 'init') last = work.catch(() => {});
    work.then(
      (value) => process.send?.({ id: request.id, ok: true, value }),
      (error) => process.send?.({ id: request.id, ok: false, error: remote(error, request.type) }),
    );
  });
  // The host may have gone before anyone listened.
  if (!process.connected) process.kill(process.pid, 'SIGKILL');
}

function remote(error: unknown, type: string): RemoteError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UnsupportedError) {
    const { missing: reason, errno } = error;
    return { kind: 'unsupported', reason, message, ...(errno ? { errno } : {}) };
  }
  if (error instanceof ProgramError) return { kind: 'program', reason: error.reason, message };
  return { kind: 'other', reason: type, message };
}
