/**
 * A core of a process device: a worker thread that imports kernel modules and runs packets, and does nothing else. While
 * it runs packets its event loop stands still; it turns only to import.
 *
 * @module
 */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { CHILD_FD } from '../../engine/child-protocol.ts';
import {
  CONTROL_BYTES,
  CORE,
  CORE_STATE,
  coreWord,
  SLOT_F64,
  slotByte,
} from '../../engine/control-layout.ts';
import { enterCall, leaveCall } from '../../engine/core-call.ts';
import { CoreLoop } from '../../engine/core-loop.ts';
import { firstMessage } from '../../engine/first-message.ts';
import { MapLogReader } from '../../engine/map-log.ts';
import { ProtectedWindow } from '../../engine/protected-window.ts';
import { SharedMemory } from '../../engine/shared-memory.ts';
import type { CoreReport, LoadFailure } from '../../engine/thread-messages.ts';
import { viewMemory } from '../../ffi/library.ts';
import { pageSize } from '../../linux/mmap.ts';
import { setThreadName, threadId } from '../../linux/process.ts';
import type { CoreData, CoreModule, ModuleExports } from './child-messages.ts';
import { installConsole } from './core-console.ts';
import { CorePrograms, isFailure } from './core-programs.ts';
import { provideContext } from './kernel/context.ts';
import { MirroredMemory } from './kernel/mirrored-memory.ts';
import { AREA_BYTES } from './system/area.ts';
import { SystemGate } from './system/gate.ts';

void firstMessage<CoreData>().then(serve);

async function serve(data: CoreData): Promise<void> {
  const { core, cores, claims, control: address, mail, mailCount, logSegments } = data;
  const control = new SharedMemory(address, CONTROL_BYTES);
  const { i32, f64 } = control;
  const block = coreWord(core);
  // Safe: the claims stay mapped for as long as the process lives.
  const memory = new MirroredMemory(claims, viewMemory);
  // A core before this one may have been ended on its way back.
  Atomics.store(i32, block + CORE.NATIVE, 0);
  const programs = new CorePrograms(memory, () => {
    Atomics.add(i32, block + CORE.NATIVE, 1);
  });
  let scratch: Uint8Array | undefined;
  const protectedWindow =
    logSegments === undefined
      ? undefined
      : new ProtectedWindow(new MapLogReader(CHILD_FD.LOG, logSegments), 0, CHILD_FD.ARENA, pageSize());
  const { system } = data;
  const gate = system
    ? new SystemGate({
        area: new SharedMemory(system.area, AREA_BYTES),
        control,
        core,
        log: new MapLogReader(CHILD_FD.LOG, system.logSegments),
        bell: system.bell,
        kick: CHILD_FD.KICK,
      })
    : undefined;
  const report = (message: CoreReport): void => parentPort!.postMessage(message);

  setThreadName(`mirror-core-${core}`);
  installConsole();
  provideContext({
    core,
    cores,
    memory,
    scratch: () => {
      scratch ??= new Uint8Array(data.scratch);
      return scratch;
    },
    items() {
      if (Atomics.load(i32, block + CORE.STATE) !== CORE_STATE.RUNNING) return undefined;
      return f64[slotByte(i32[block + CORE.QUEUE]!, i32[block + CORE.INDEX]!) / 8 + SLOT_F64.ITEMS]!;
    },
  });
  Atomics.store(i32, block + CORE.THREAD, threadId());

  /** The top level of a module may fault like a kernel: the core is LOADING meanwhile, and may not come back. */
  async function take(module: CoreModule): Promise<ModuleExports | LoadFailure> {
    enterCall(control, core, CORE_STATE.LOADING);
    protectedWindow?.catchUp();
    const answer = await programs.take(module);
    leaveCall(control, core, CORE_STATE.LOADING);
    return answer;
  }

  for (const module of data.programs) {
    const answer = await take(module);
    // It was taken in once; without it this core would fail every launch of its kernels.
    if (isFailure(answer)) throw new Error(`a program could not be taken in again: ${answer.message}`);
  }
  let seen = data.mailSeen;
  report({ type: 'serving' });

  const loop = new CoreLoop(control, core, CHILD_FD.WAKE, {
    kernel: (id) => programs.kernel(id),
    enter: () => {
      protectedWindow?.catchUp();
      gate?.enter();
    },
    leave: () => gate?.leave(),
    idle: () => (Atomics.load(mailCount, core) === seen ? undefined : 'leave'),
  });
  for (;;) {
    loop.run();
    seen = Atomics.load(mailCount, core);
    for (let next = receiveMessageOnPort(mail); next; next = receiveMessageOnPort(mail)) {
      const module = next.message as CoreModule;
      const answer = await take(module);
      const outcome = isFailure(answer) ? { failure: answer } : { value: answer };
      report({ type: 'loaded', id: module.id, ...outcome });
    }
  }
}
