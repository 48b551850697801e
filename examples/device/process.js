// The aperture device's process: this file is its main thread, its pager, and each of its cores. JavaScript, since device
// processes run it as it is.
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import {
  CHILD_FD,
  DeviceMain,
  placeWindow,
  SharedMemory,
  serveCore,
  serveHost,
  servePager,
  transferKernels,
} from 'mirrorspace/device';
import { AddressError } from 'mirrorspace/kernel';

const startThread = (role) => new Worker(new URL(import.meta.url), { workerData: role });

if (isMainThread) serveDevice(JSON.parse(process.argv[2]));
else if (workerData === 'pager') void servePager(({ base, window }) => ({ base, limit: window.end }));
else void serveCore(startCore);

function serveDevice({ cores, window, logSegments }) {
  const { base, userfaultfd } = placeWindow(window, CHILD_FD.ARENA, 'auto');
  const faults = userfaultfd === undefined ? {} : { userfaultfd };
  const main = new DeviceMain({
    cores,
    threads: { pager: startThread('pager'), core: () => startThread('core') },
    coreData: () => ({ base, window, ...(userfaultfd === undefined ? { logSegments } : {}) }),
    explainFault: () => 'its top level touched memory that is in no buffer',
  });
  serveHost({
    control: main.control,
    ready: () => Promise.all([main.startPager({ base, window, logSegments, ...faults }), main.startCores()]),
    stop: (queue, index) => main.stopPacket(queue, index),
    // Every core has the same kernels: the first one's names are everyone's.
    answers: { load: async ({ program, url, first }) => (await main.load({ id: program, url, first }))[0] },
  });
}

/** A core: its view of memory, and its kernels by number. */
function startCore({ base, window }) {
  const { buffer } = new SharedMemory(base + window.start, window.end - window.start).u8;
  const memory = {
    /** `length` elements at an address of the mirror. */
    view(Type, address, length) {
      const size = length * (Type.BYTES_PER_ELEMENT ?? 1);
      if (!(address >= window.start && address + size <= window.end)) throw new AddressError(address, size);
      return new Type(buffer, address - window.start, length);
    },
  };
  // Copy and fill, which every device has.
  const kernels = transferKernels((address, length) => memory.view(Uint8Array, address, length));
  return {
    base,
    kernel: (id) => kernels[id],
    async take({ url, first }) {
      const made = (await import(url)).default(memory);
      const names = Object.keys(made);
      for (const [i, name] of names.entries()) kernels[first + i] = made[name];
      return names;
    },
  };
}
