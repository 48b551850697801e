/**
 * The pager for system SVM as a thread with mirrors has it: one worker for all of its devices, there while one of them
 * is open. It never keeps the process alive.
 *
 * @module
 */
import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { distFolder } from '../../../engine/device-process.ts';
import { SystemError, UnsupportedError } from '../../../errors.ts';
import { close } from '../../../linux/memfd.ts';
import { eventfd, signalEventfd } from '../../../linux/process.ts';
import type { Range } from '../../../mm/address.ts';
import type { Advice, AttachRequest, HostPagerData, HostPagerReport, HostPagerRequest } from './messages.ts';

const ENTRY = 'device/process/system/entry-host.cjs';

/** Milliseconds that a process that ends waits for the thread to leave what it is at: one system call, or one answer. */
const LAST_WAIT = 2000;

/** A device that is being served. */
interface Client {
  attached(): void;
  /** It can't be attached, or is served no longer. */
  failed(message: string): void;
}

/** A device's part in the pager. */
export interface Attachment {
  /** The device's process has ended, or will be ended at once. */
  detach(): void;
  /** Kernels may store there, or no longer. From the next packet on at the latest. */
  pin(range: Range, on: boolean): void;
  /** Has happened before the next packet begins. */
  advise(range: Range, advice: Advice): void;
}

let running: SystemPager | undefined;

/**
 * Has a device served; `lost` is called once where that ends by itself. Throws UnsupportedError where this process may
 * not have the device's descriptors.
 */
export function attachDevice(
  request: Omit<AttachRequest, 'type' | 'id'>,
  lost: (reason: string) => void,
): Promise<Attachment> {
  running ??= new SystemPager();
  return running.attach(request, lost);
}

class SystemPager {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #bell = eventfd();
  readonly #clients = new Map<number, Client>();
  readonly #ended = new Int32Array(new SharedArrayBuffer(4));
  /**
   * A thread that the process ends with itself must not be in native code, nor enter it: that would abort the process
   * instead of ending it.
   */
  readonly #atExit = (): void => {
    this.#stop();
    Atomics.wait(this.#ended, 0, 0, LAST_WAIT);
  };
  #stopped = false;
  /** How often the bell was rung. */
  #rings = 0;
  #holds = 0;
  #nextId = 1;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: HostPagerData = { bell: this.#bell, port: port2, ended: this.#ended };
    this.#worker = new Worker(join(distFolder(), ENTRY), { workerData, transferList: [port2], execArgv: [] });
    this.#worker.on('error', (error) => this.#failAll(String(error)));
    this.#worker.once('exit', () => {
      process.off('exit', this.#atExit);
      this.#failAll('its thread ended');
      this.#port.close();
      if (Atomics.load(this.#ended, 0) === 0) close(this.#bell);
    });
    port1.on('message', (report: HostPagerReport) => this.#reported(report));
    this.#worker.unref();
    port1.unref();
    // A worker in a system call keeps the process from ending.
    process.once('exit', this.#atExit);
  }

  async attach(
    request: Omit<AttachRequest, 'type' | 'id'>,
    lost: (reason: string) => void,
  ): Promise<Attachment> {
    const id = this.#nextId++;
    this.#hold(true);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#clients.set(id, {
          attached: resolve,
          failed: (message) => reject(refusal(message)),
        });
        this.#tell({ ...request, type: 'attach', id });
      });
    } catch (error) {
      this.#leave(id);
      throw error;
    } finally {
      this.#hold(false);
    }
    this.#clients.set(id, {
      attached: () => {},
      failed: (message) => lost(`the pager of its host failed: ${message}`),
    });
    return {
      detach: () => {
        if (!this.#clients.has(id)) return;
        this.#tell({ type: 'detach', id });
        this.#leave(id);
      },
      advise: (range, advice) => this.#tell({ type: 'advise', id, range, advice }),
      pin: (range, on) => this.#tell({ type: on ? 'pin' : 'unpin', id, range }),
    };
  }

  /** With the last device the thread goes. */
  #leave(id: number): void {
    this.#clients.delete(id);
    if (this.#clients.size > 0 || this.#stopped) return;
    this.#stop();
  }

  #stop(): void {
    this.#tell({ type: 'stop', rings: this.#rings + 1 });
  }

  #tell(request: HostPagerRequest): void {
    if (this.#stopped) return;
    if (request.type === 'stop') this.#retire();
    this.#port.postMessage(request);
    this.#rings++;
    signalEventfd(this.#bell);
  }

  #reported(report: HostPagerReport): void {
    const client = this.#clients.get(report.id);
    if (report.type === 'attached') {
      client?.attached();
      return;
    }
    this.#clients.delete(report.id);
    client?.failed(report.message);
  }

  /** The next device gets another one. */
  #retire(): void {
    this.#stopped = true;
    if (running === this) running = undefined;
  }

  #failAll(reason: string): void {
    this.#retire();
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    for (const client of clients) client.failed(reason);
  }

  #hold(on: boolean): void {
    this.#holds += on ? 1 : -1;
    if (on && this.#holds === 1) this.#port.ref();
    else if (!on && this.#holds === 0) this.#port.unref();
  }
}

/** This process may not have what it needs of its device. */
export function refusal(cause: unknown): UnsupportedError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const errno = cause instanceof SystemError ? { errno: cause.errno } : {};
  return new UnsupportedError(
    'system SVM',
    `This process can't answer the page faults of its device (${message}). It takes descriptors of its child, which needs the right to trace it: allow ptrace (kernel.yama.ptrace_scope below 2, a seccomp profile that permits 'pidfd_getfd', 'process_vm_readv' and 'process_vm_writev'), or open the device without 'system'`,
    errno,
  );
}
