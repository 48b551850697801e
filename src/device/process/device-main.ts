/**
 * The main thread of a process device's process: claims the window, and has the cores import modules. What is the same
 * for all devices is the engine's.
 *
 * @module
 */
import { openFaults } from '../../engine/arena-window.ts';
import type { PacketFailure } from '../../engine/completion.ts';
import { DeviceMain, serveHost } from '../../engine/device-main.ts';
import type { DeviceThreads } from '../../engine/thread-messages.ts';
import { hex, ProgramError } from '../../errors.ts';
import type { Range } from '../../mm/address.ts';
import type { CoreModule, DeviceInit, DeviceReady, LoadRequest, ModuleExports } from './child-messages.ts';
import { claimWindow } from './claim-window.ts';
import { SystemSetup } from './system/setup.ts';

class ProcessDeviceMain {
  readonly engine: DeviceMain<CoreModule>;
  readonly #init: DeviceInit;
  #claims: readonly Range[] = [];
  #userfaultfd: number | undefined;
  #system: SystemSetup | undefined;

  constructor(init: DeviceInit, threads: DeviceThreads) {
    this.#init = init;
    this.engine = new DeviceMain<CoreModule>({
      cores: init.cores,
      threads,
      coreData: () => ({
        cores: init.cores,
        scratch: init.scratch,
        claims: this.#claims,
        ...this.#system?.forCores(init.logSegments),
        ...(this.#userfaultfd === undefined ? { logSegments: init.logSegments } : {}),
      }),
      leave: () => this.#system?.release(),
      explainFault,
      remember,
    });
  }

  async ready(): Promise<DeviceReady> {
    const { room, declared } = this.#init;
    const onDemand = room !== undefined && !declared;
    const { userfaultfd, refused } = openFaults(onDemand ? 'userfaultfd' : this.#init.faults);
    this.#userfaultfd = userfaultfd;
    if (onDemand && userfaultfd !== undefined) this.#system = new SystemSetup();
    const { claims, reserved } = claimWindow(this.#init.window, userfaultfd, room, this.#system?.userfaultfd);
    this.#claims = claims;
    await this.engine.startCores();
    const faults = userfaultfd === undefined ? 'trap' : 'userfaultfd';
    return {
      faults,
      claims,
      reserved,
      ...(refused === undefined ? {} : { refused }),
      ...(this.#system ? { system: this.#system.descriptors } : {}),
    };
  }

  /** The log of maps is read from now on: the host has seen that the claims hold all of it. */
  begin(): Promise<void> {
    const userfaultfd = this.#userfaultfd;
    const { logSegments } = this.#init;
    return this.engine.startPager({
      logSegments,
      ...(userfaultfd === undefined ? {} : { userfaultfd }),
      ...this.#system?.forPager(),
    });
  }

  async load({ program, type: _type, ...request }: LoadRequest): Promise<ModuleExports> {
    const module: CoreModule = { id: program, ...request };
    const [exports] = (await this.engine.load(module)) as ModuleExports[];
    return exports!;
  }
}

function remember(module: CoreModule, said: readonly unknown[]): CoreModule {
  const [one, ...rest] = said.map((each) => JSON.stringify(each));
  if (rest.some((each) => each !== one)) {
    throw new ProgramError(
      'changed',
      `the program could not be loaded: ${module.url} exports something else on each core; it must not change while it is loaded`,
    );
  }
  return { ...module, expected: (said[0] as ModuleExports).kernels.map(({ name }) => name) };
}

function explainFault(failure: PacketFailure): string {
  if (failure.address === undefined) return 'its top level was stopped';
  return `its top level faulted: ${failure.access ?? 'access'} at ${hex(failure.address)}; a module may touch live buffers there, and nothing else of mirrored memory`;
}

/** Takes the process over. */
export function serve(init: DeviceInit, threads: DeviceThreads): void {
  const main = new ProcessDeviceMain(init, threads);
  serveHost({
    control: main.engine.control,
    ready: () => main.ready(),
    stop: (queue, index) => main.engine.stopPacket(queue, index),
    answers: { begin: () => main.begin(), load: (request: LoadRequest) => main.load(request) },
  });
}
