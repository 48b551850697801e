/**
 * What every device in a process of its own shows its owner, by way of its rings: queues, counters, loss and the way
 * back. A particular device adds its window, and how programs are loaded.
 *
 * @module
 */
import { type Capabilities, SVM } from '../device/capabilities.ts';
import type { DeviceCounters, Program, QueueOptions } from '../device/device.ts';
import type { DeviceLost } from '../errors.ts';
import type { RingDevice } from './ring-device.ts';
import type { RingQueue } from './ring-queue.ts';

/** What cores over the arena's own pages can do. */
const CAPABILITIES: Capabilities =
  SVM.SINGLE_ADDRESS_SPACE |
  SVM.DEVICE_UNASSOCIATED |
  SVM.CONTEXT_ACCESS |
  SVM.HOST_READ |
  SVM.HOST_WRITE |
  SVM.HOST_MAP |
  SVM.DEVICE_READ |
  SVM.DEVICE_WRITE |
  SVM.DEVICE_ATOMIC_ACCESS |
  SVM.CONCURRENT_ACCESS |
  SVM.CONCURRENT_ATOMIC_ACCESS |
  SVM.INDIRECT_ACCESS;

export abstract class OutOfProcessDevice {
  readonly name: string;
  /** Worker threads that run kernels. */
  readonly cores: number;
  readonly capabilities = CAPABILITIES;
  readonly #ring: RingDevice;
  /** Loads run one after another, so that each sees what the one before has numbered and placed. */
  #loads: Promise<unknown> = Promise.resolve();

  constructor(ring: RingDevice) {
    this.#ring = ring;
    this.name = ring.name;
    this.cores = ring.cores;
  }

  get queue(): RingQueue {
    return this.#ring.queue;
  }

  /** The device's process, or that of its last life. */
  get pid(): number {
    return this.#ring.pid;
  }

  /**
   * Resolves, never rejects, when the device is lost other than by `close`; a new promise from the moment on at which it
   * is being reopened.
   */
  get lost(): Promise<DeviceLost> {
    return this.#ring.lost;
  }

  /** Another queue, at most 16 in all; throws RangeError where there are so many. */
  createQueue(options?: QueueOptions): RingQueue {
    return this.#ring.createQueue(options);
  }

  counters(): DeviceCounters {
    return this.#ring.counters();
  }

  /** Brings a lost device back, with its programs loaded again; waits where that is happening already. */
  reopen(): Promise<void> {
    return this.#ring.reopen();
  }

  close(): Promise<void> {
    return this.#ring.close();
  }

  /** For `load`: runs one load after another. */
  protected inOrder(load: () => Promise<Program>): Promise<Program> {
    const loaded = this.#loads.then(load);
    this.#loads = loaded.catch(() => {});
    return loaded;
  }
}
