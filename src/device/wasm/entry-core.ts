/**
 * A core of a wasm device: a worker thread that instantiates programs and runs packets, and does nothing else.
 *
 * @module
 */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { CHILD_FD } from '../../engine/child-protocol.ts';
import { CONTROL_BYTES, CORE, CORE_STATE, coreWord } from '../../engine/control-layout.ts';
import { enterCall, leaveCall } from '../../engine/core-call.ts';
import { CoreLoop } from '../../engine/core-loop.ts';
import { firstMessage } from '../../engine/first-message.ts';
import { MapLogReader } from '../../engine/map-log.ts';
import { ProtectedWindow } from '../../engine/protected-window.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import type { CoreReport } from '../../engine/thread-messages.ts';
import { pageSize } from '../../linux/mmap.ts';
import { setThreadName, threadId } from '../../linux/process.ts';
import type { CoreData, CoreModule } from './child-messages.ts';
import { CorePrograms } from './core-programs.ts';

void firstMessage<CoreData>().then(serve);

function serve(data: CoreData): void {
  const {
    core,
    memory,
    control: address,
    programs: initial,
    mail,
    mailCount,
    base,
    logSegments,
    mailSeen,
  } = data;
  const control = new SharedMemory(address, CONTROL_BYTES);
  const block = coreWord(core);
  const programs = new CorePrograms(memory, core);
  const protectedWindow =
    logSegments === undefined
      ? undefined
      : new ProtectedWindow(new MapLogReader(CHILD_FD.LOG, logSegments), base, CHILD_FD.ARENA, pageSize());
  const report = (message: CoreReport): void => parentPort!.postMessage(message);

  setThreadName(`mirror-core-${core}`);
  Atomics.store(control.i32, block + CORE.THREAD, threadId());

  /** A start function may fault like a kernel: the core is LOADING meanwhile, and may not come back. */
  function take(program: CoreModule): string | undefined {
    let error: string | undefined;
    enterCall(control, core, CORE_STATE.LOADING);
    try {
      programs.take(program);
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
    }
    leaveCall(control, core, CORE_STATE.LOADING);
    return error;
  }

  for (const program of initial) {
    const error = take(program);
    // It was taken in once; without it this core would fail every launch of its kernels.
    if (error !== undefined) throw new Error(`a program could not be taken in again: ${error}`);
  }
  let seen = mailSeen;
  report({ type: 'serving' });

  new CoreLoop(control, core, CHILD_FD.WAKE, {
    kernel: (id) => programs.kernel(id),
    enter: () => protectedWindow?.catchUp(),
    idle() {
      const count = Atomics.load(mailCount, core);
      if (count === seen) return;
      seen = count;
      for (let next = receiveMessageOnPort(mail); next; next = receiveMessageOnPort(mail)) {
        const program = next.message as CoreModule;
        const error = take(program);
        report({
          type: 'loaded',
          id: program.id,
          ...(error === undefined ? {} : { failure: { message: error } }),
        });
      }
    },
  }).run();
}
