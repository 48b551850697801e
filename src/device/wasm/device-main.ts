/**
 * The main thread of a wasm device's process: sets the window up, compiles programs and places their static data. What
 * is the same for all devices is the engine's.
 *
 * @module
 */

import { openFaults } from '../../engine/arena-window.ts';
import { CHILD_FD } from '../../engine/child-protocol.ts';
import type { PacketFailure } from '../../engine/completion.ts';
import { DeviceMain, serveHost } from '../../engine/device-main.ts';
import type { DeviceThreads } from '../../engine/thread-messages.ts';
import { hex, ProgramError } from '../../errors.ts';
import { relaxMemory } from './binary/relax-memory.ts';
import type { CoreModule, DeviceInit, LoadRequest } from './child-messages.ts';
import { ownEnd, ownRanges } from './regions.ts';
import { baseOf, createLinearMemory, mapProtectedWindow, mapWindow, WINDOW_BYTES } from './window.ts';

let memory: WebAssembly.Memory;
let base: number;
/** The segments of the log of maps where cores apply it themselves. */
let protectedLog: number | undefined;

async function init(
  main: DeviceMain<CoreModule>,
  { cores, scratch, logSegments, faults }: DeviceInit,
): Promise<unknown> {
  memory = createLinearMemory();
  base = baseOf(memory);
  const { userfaultfd, refused } = openFaults(faults);
  if (userfaultfd !== undefined)
    mapWindow(base, 0, WINDOW_BYTES, ownEnd(cores, scratch), CHILD_FD.ARENA, userfaultfd);
  else {
    mapProtectedWindow(base, CHILD_FD.ARENA, ownRanges(cores, scratch));
    protectedLog = logSegments;
  }
  const pager = main.startPager({
    base,
    scratch,
    logSegments,
    ...(userfaultfd === undefined ? {} : { userfaultfd }),
  });
  await Promise.all([pager, main.startCores()]);
  return { faults: userfaultfd === undefined ? 'trap' : 'userfaultfd', refused };
}

/** Compiles once, places static data once, and has every core instantiate. */
async function load(main: DeviceMain<CoreModule>, request: LoadRequest): Promise<undefined> {
  const module = await compile(protectedLog === undefined ? request.module : relaxMemory(request.module));
  const bytes = new Uint8Array(memory.buffer);
  for (const segment of request.segments) bytes.set(segment.bytes, segment.address);
  await main.load({ id: request.program, module, kernels: request.kernels });
}

async function compile(bytes: Uint8Array): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ProgramError('compile', `the program could not be loaded: ${message}`);
  }
}

function explainFault(failure: PacketFailure): string {
  if (failure.address === undefined) return 'its start function was stopped';
  return `its start function faulted: ${failure.access ?? 'access'} at ${hex(failure.address)}; a module may touch its own static data and live buffers there, and nothing else`;
}

/** Takes the process over. */
export function serve(data: DeviceInit, threads: DeviceThreads): void {
  const main = new DeviceMain<CoreModule>({
    cores: data.cores,
    threads,
    coreData: () => ({
      memory,
      base,
      cores: data.cores,
      scratch: data.scratch,
      ...(protectedLog === undefined ? {} : { logSegments: protectedLog }),
    }),
    explainFault,
  });
  serveHost({
    control: main.control,
    ready: () => init(main, data),
    stop: (queue, index) => main.stopPacket(queue, index),
    answers: { load: (request: LoadRequest) => load(main, request) },
  });
}
