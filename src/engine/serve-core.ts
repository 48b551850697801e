/**
 * A core of a device process from its first message on: it takes programs in, and runs packets. A device says what a
 * program is, and what its kernels are called by number.
 *
 * @module
 */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { pageSize } from '../linux/mmap.ts';
import { setThreadName, threadId } from '../linux/process.ts';
import type { Address } from '../mm/address.ts';
import { CHILD_FD } from './child-protocol.ts';
import { CONTROL_BYTES, CORE, CORE_STATE, coreWord } from './control-layout.ts';
import { enterCall, leaveCall } from './core-call.ts';
import { type CoreKernel, CoreLoop } from './core-loop.ts';
import { firstMessage } from './first-message.ts';
import { MapLogReader } from './map-log.ts';
import { ProtectedWindow } from './protected-window.ts';
import { SharedMemory } from './shared-memory.ts';
import type { CoreProgramData, CoreReport, CoreStart } from './thread-messages.ts';

/** What a core is given by {@link DeviceMain}, beside what the device adds. */
export interface CoreData<Program extends CoreProgramData> extends CoreStart<Program> {
  /** Set where the window works by protection, without userfaultfd. */
  readonly logSegments?: number;
}

/** What a device does on a core. */
export interface CoreServer<Program extends CoreProgramData> {
  /** Where virtual address 0 of the window lies in this process. */
  readonly base: Address;
  /**
   * Takes a program in; gives what the core says of it, which {@link DeviceMain.load} hands on. What it throws is why the
   * program can't be loaded. It may fault like a kernel: then the core does not come back.
   */
  take(program: Program): unknown;
  /** The kernel of that number. */
  kernel(id: number): CoreKernel | undefined;
}

/** Takes the thread over, once it has its data. Between packets its event loop turns only to take programs in. */
export async function serveCore<Program extends CoreProgramData, Data extends CoreData<Program>>(
  start: (data: Data) => CoreServer<Program>,
): Promise<never> {
  const data = await firstMessage<Data>();
  const { core, mail, mailCount, logSegments } = data;
  const control = new SharedMemory(data.control, CONTROL_BYTES);
  const server = start(data);
  const protectedWindow =
    logSegments === undefined
      ? undefined
      : new ProtectedWindow(
          new MapLogReader(CHILD_FD.LOG, logSegments),
          server.base,
          CHILD_FD.ARENA,
          pageSize(),
        );
  const report = (message: CoreReport): void => parentPort!.postMessage(message);

  setThreadName(`mirror-core-${core}`);
  Atomics.store(control.i32, coreWord(core) + CORE.THREAD, threadId());

  async function take(program: Program): Promise<{ value: unknown } | { failure: { message: string } }> {
    enterCall(control, core, CORE_STATE.LOADING);
    let answer: { value: unknown } | { failure: { message: string } };
    try {
      protectedWindow?.catchUp();
      answer = { value: await server.take(program) };
    } catch (cause) {
      answer = { failure: { message: cause instanceof Error ? cause.message : String(cause) } };
    }
    leaveCall(control, core, CORE_STATE.LOADING);
    return answer;
  }

  for (const program of data.programs) {
    const answer = await take(program);
    // It was taken in once; without it this core would fail every launch of its kernels.
    if ('failure' in answer)
      throw new Error(`a program could not be taken in again: ${answer.failure.message}`);
  }
  let seen = data.mailSeen;
  report({ type: 'serving' });

  const loop = new CoreLoop(control, core, CHILD_FD.WAKE, {
    kernel: (id) => server.kernel(id),
    enter: () => protectedWindow?.catchUp(),
    idle: () => (Atomics.load(mailCount, core) === seen ? undefined : 'leave'),
  });
  for (;;) {
    loop.run();
    seen = Atomics.load(mailCount, core);
    for (let next = receiveMessageOnPort(mail); next; next = receiveMessageOnPort(mail)) {
      const program = next.message as Program;
      report({ type: 'loaded', id: program.id, ...(await take(program)) });
    }
  }
}
