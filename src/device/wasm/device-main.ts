/**
 * The main thread of a wasm device's process: sets the window up, gives pager and cores their data, takes programs in,
 * and supervises. It dies with the host, whichever way that ends.
 *
 * @module
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { CHILD_FD, type RemoteError } from '../../engine/child-protocol.ts';
import { type PacketFailure, ringDoorbell } from '../../engine/completion.ts';
import { CONTROL_BYTES } from '../../engine/control-layout.ts';
import { lose } from '../../engine/loss.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import { Supervisor } from '../../engine/supervisor.ts';
import { hex, UnsupportedError } from '../../errors.ts';
import { SIGKILL, setParentDeathSignal, setThreadName, signalEventfd } from '../../linux/process.ts';
import { relaxMemory } from './binary/relax-memory.ts';
import type {
  CoreData,
  CoreModule,
  CoreReport,
  DeviceInit,
  FaultMode,
  LoadRequest,
  PagerData,
  PagerReport,
} from './child-messages.ts';
import { ownRanges } from './regions.ts';
import {
  baseOf,
  createLinearMemory,
  mapProtectedWindow,
  mapWindow,
  openWindowFaults,
  WINDOW_BYTES,
} from './window.ts';

/** The threads of this process, started already or on demand; each waits for a message with its data. */
export interface DeviceThreads {
  readonly pager: Worker;
  core(): Worker;
}

interface InitRequest {
  readonly type: 'init';
}
interface StopRequest {
  readonly type: 'stop';
  readonly queue: number;
  readonly index: number;
}
type Request = { readonly id: number } & (InitRequest | LoadRequest | StopRequest);

const control = SharedMemory.map(CHILD_FD.CONTROL, 0, CONTROL_BYTES);
let memory: WebAssembly.Memory;
let base: number;
/** The segments of the log of maps where cores apply it themselves. */
let protectedLog: number | undefined;
const programs: CoreModule[] = [];
const mailPorts: MessagePort[] = [];
/** The program that each core was sent last. */
const mailed: number[] = [];
const mailCount = new Int32Array(new SharedArrayBuffer(4 * 64));
let supervisor: Supervisor | undefined;
let loading:
  | {
      program: CoreModule;
      /** Cores that have not answered, and those that have taken it in. */
      waiting: Set<number>;
      taken: Set<number>;
      error: string | undefined;
      resolve(): void;
      reject(error: Error): void;
    }
  | undefined;
let loads: Promise<unknown> = Promise.resolve();

const kickPager = (): void => signalEventfd(CHILD_FD.KICK);

async function init({ cores, logSegments, faults }: DeviceInit, threads: DeviceThreads): Promise<unknown> {
  memory = createLinearMemory();
  base = baseOf(memory);
  const { userfaultfd, refused } = openFaults(faults);
  if (userfaultfd !== undefined) mapWindow(base, 0, WINDOW_BYTES, CHILD_FD.ARENA, userfaultfd);
  else {
    mapProtectedWindow(base, CHILD_FD.ARENA, ownRanges(cores));
    protectedLog = logSegments;
  }
  const pagerData: PagerData = {
    base,
    control: control.address,
    cores,
    logSegments,
    ...(userfaultfd === undefined ? {} : { userfaultfd }),
  };
  const pager = startPager(threads.pager, pagerData);
  supervisor = new Supervisor({
    control,
    wakeFd: CHILD_FD.WAKE,
    cores,
    start: (core) => startCore(core, threads.core()),
    kickPager,
    lose: (reason) => lose(control, reason),
    loadFailed: (core, failure) => {
      if (mailed[core] === loading?.program.id) loaded(core, faultText(failure));
    },
  });
  await Promise.all([pager, supervisor.startAll()]);
  return { faults: userfaultfd === undefined ? 'trap' : 'userfaultfd', refused };
}

/** The descriptor for the window's faults; none in trap mode, whether asked for or for want of anything better. */
function openFaults(mode: FaultMode): { userfaultfd?: number; refused?: string } {
  if (mode === 'trap') return {};
  try {
    return { userfaultfd: openWindowFaults() };
  } catch (error) {
    if (mode === 'auto' && error instanceof UnsupportedError) return { refused: error.message };
    throw error;
  }
}

function startPager(pager: Worker, data: PagerData): Promise<void> {
  pager.on('error', (error) => lose(control, `the pager failed: ${String(error)}`));
  pager.on('exit', () => lose(control, 'the pager ended'));
  pager.postMessage(data);
  return new Promise((resolve) => {
    pager.on('message', (message: PagerReport) => {
      if (message.type === 'serving') resolve();
      else if (message.type === 'stopping') supervisor?.faulted(message.core, message.loading);
      else supervisor?.restored(message.core);
    });
  });
}

function startCore(core: number, thread: Worker): { thread: Worker; serving: Promise<void> } {
  const { port1, port2 } = new MessageChannel();
  mailPorts[core] = port1;
  const data: CoreData = {
    core,
    memory,
    control: control.address,
    programs,
    mail: port2,
    mailCount,
    mailSeen: Atomics.load(mailCount, core),
    base,
    ...(protectedLog === undefined ? {} : { logSegments: protectedLog }),
  };
  thread.postMessage(data, [port2]);
  // A program that is being loaded now is not among those that the core starts with, even where the thread before this
  // one had taken it in; but a core that it failed on does not try again.
  if (loading?.waiting.has(core) || loading?.taken.has(core)) mailTo(core, loading.program);
  const serving = new Promise<void>((resolve) => {
    thread.on('message', (message: CoreReport) => {
      if (message.type === 'serving') resolve();
      else if (loading?.program.id === message.id) loaded(core, message.error);
    });
  });
  return { thread, serving };
}

function mailTo(core: number, program: CoreModule): void {
  mailed[core] = program.id;
  mailPorts[core]!.postMessage(program);
  Atomics.add(mailCount, core, 1);
}

/** Compiles once, places static data once, and has every core instantiate. One program at a time. */
async function load(request: LoadRequest): Promise<unknown> {
  const module = await WebAssembly.compile(
    protectedLog === undefined ? request.module : relaxMemory(request.module),
  );
  const bytes = new Uint8Array(memory.buffer);
  for (const segment of request.segments) bytes.set(segment.bytes, segment.address);
  const program: CoreModule = { id: request.program, module, kernels: request.kernels };
  await new Promise<void>((resolve, reject) => {
    loading = {
      program,
      waiting: new Set(mailPorts.keys()),
      taken: new Set(),
      error: undefined,
      resolve,
      reject,
    };
    for (const core of mailPorts.keys()) mailTo(core, program);
    ringDoorbell(control, 0x7fffffff);
  });
  programs.push(program);
  return undefined;
}

function loaded(core: number, error: string | undefined): void {
  if (!loading) return;
  loading.waiting.delete(core);
  if (error === undefined) loading.taken.add(core);
  loading.error ??= error;
  if (loading.waiting.size > 0) return;
  // Only once every core has answered: the next program must not be taken for this one.
  const { error: failed, resolve, reject } = loading;
  loading = undefined;
  if (failed === undefined) resolve();
  else reject(new Error(failed));
}

function faultText(failure: PacketFailure): string {
  if (failure.address === undefined) return 'its start function was stopped';
  return `its start function faulted: ${failure.access ?? 'access'} at ${hex(failure.address)}; a module may touch its own static data and live buffers there, and nothing else`;
}

function remote(error: unknown, type: string): RemoteError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UnsupportedError) {
    const { missing: reason, errno } = error;
    return { kind: 'unsupported', reason, message, ...(errno ? { errno } : {}) };
  }
  if (type === 'load') {
    const reason = error instanceof WebAssembly.CompileError ? 'compile' : 'instantiate';
    return { kind: 'program', reason, message: `the program could not be loaded: ${message}` };
  }
  return { kind: 'other', reason: type, message };
}

/** Takes the process over. */
export function serve(data: DeviceInit, threads: DeviceThreads): void {
  setParentDeathSignal(SIGKILL);
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.on('uncaughtException', (error) =>
    lose(control, `its main thread failed: ${error.stack ?? error.message}`),
  );
  // What a terminal sends to its whole process group is the host's to decide about.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  setThreadName('mirror-device');
  const ready = init(data, threads);
  // Its failure is the answer to the host's request.
  ready.catch(() => {});
  process.on('message', (request: Request) => answer(request, ready));
  // The host may have gone before anyone listened.
  if (!process.connected) process.kill(process.pid, 'SIGKILL');
}

function answer(request: Request, ready: Promise<unknown>): void {
  if (request.type === 'stop') {
    supervisor?.stopPacket(request.queue, request.index);
    return;
  }
  const work = request.type === 'init' ? ready : loads.then(() => load(request));
  if (request.type === 'load') loads = work.catch(() => {});
  work.then(
    (value) => process.send?.({ id: request.id, ok: true, value }),
    (error) => process.send?.({ id: request.id, ok: false, error: remote(error, request.type) }),
  );
}
