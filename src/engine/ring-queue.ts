/**
 * The queue that a user holds for a device with rings: it checks each command, makes its packet and hands it on. It
 * outlives the device process: after a reopen it feeds the new one's ring.
 *
 * @module
 */
import type {
  Addressed,
  ArgumentKind,
  ArgumentsOf,
  Command,
  CommandType,
  DeviceContext,
  Kernel,
  LaunchOptions,
  MapOptions,
  Queue,
  UnmapOptions,
} from '../device/device.ts';
import { DeviceLost, hex, invalidType, outOfRange } from '../errors.ts';
import { argumentContext, checkBuffer, checkRange, checkUses } from './buffer-checks.ts';
import { isUint8Array } from './byte-arrays.ts';
import type { Packet, QueuedCommand } from './command.ts';
import { BUILTIN_KERNEL, MAX_ARGUMENTS } from './control-layout.ts';
import {
  type ArgumentContext,
  checkTimeout,
  chunkSize,
  countItems,
  isAddressed,
  packArguments,
} from './kernel-arguments.ts';
import { mapCommand, unmapCommand } from './ownership-commands.ts';
import { dispatch, nothing } from './packets.ts';
import type { StopConditions } from './stop-watch.ts';

/** Bytes that a core copies or fills at a time: a multiple of every pattern size that is a power of two. */
const TRANSFER_CHUNK = 1 << 20;
const LARGEST_PATTERN = 128;

/** A kernel of a loaded program, with its number on the device. */
export interface LoadedKernel extends Kernel {
  readonly id: number;
  readonly owner: object;
}

/** What a queue needs of its device. */
export interface QueueHost {
  readonly name: string;
  readonly cores: number;
  readonly pointerLimit: number;
  readonly maxItems: number;
  readonly context: DeviceContext;
  /** Throws where the device is lost (and not being reopened) or closed. */
  submit(
    queue: RingQueue,
    type: CommandType,
    kernel: string,
    packet: Packet,
    stop?: StopConditions,
  ): QueuedCommand;
  /** Calls back when what was put into the queue so far has ended; at once where that is so. */
  whenEnded(queue: RingQueue, callback: () => void): void;
}

export class RingQueue implements Queue {
  readonly number: number;
  readonly #host: QueueHost;
  readonly #arguments: ArgumentContext;
  readonly #failed: QueuedCommand[] = [];

  constructor(host: QueueHost, number: number) {
    this.#host = host;
    this.number = number;
    this.#arguments = argumentContext(host.context, host.pointerLimit);
  }

  launch<const Kinds extends readonly ArgumentKind[]>(
    kernel: Kernel<Kinds>,
    options: LaunchOptions<ArgumentsOf<Kinds>>,
  ): Command {
    const { id, owner, name, kinds } = loadedKernel(kernel);
    if (owner !== this.#host) {
      throw outOfRange('kernel', `a kernel of a program loaded on device '${this.#host.name}'`, name);
    }
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
    const { signal, timeout } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal))
      throw invalidType('signal', 'an AbortSignal', signal);
    if (timeout !== undefined) checkTimeout(timeout);
    const items = countItems(options.items, this.#host.maxItems);
    const chunk = chunkSize(options.chunk, items, this.#host.cores);
    const args = packArguments(name, kinds, options.args, this.#arguments);
    if (args.length > MAX_ARGUMENTS) throw outOfRange('args', `at most ${MAX_ARGUMENTS} values`, args.length);
    if (options.uses !== undefined) checkUses(this.#host.context, options.uses);
    signal?.throwIfAborted();
    const packet = dispatch(id, items, chunk, args);
    if (signal === undefined && timeout === undefined) return this.#host.submit(this, 'launch', name, packet);
    return this.#host.submit(this, 'launch', name, packet, { signal, timeout });
  }

  copy(target: number | Addressed, source: number | Addressed, size?: number): Command {
    const from = this.#range('source', source, size);
    if (isAddressed(target) && target.size < from.size) {
      throw outOfRange('size', `at most the target's ${target.size} bytes`, from.size);
    }
    const to = this.#range('target', target, from.size);
    if (to.address < from.address + from.size && from.address < to.address + from.size) {
      throw outOfRange(
        'target',
        `clear of the source [${hex(from.address)}, ${hex(from.address + from.size)}) (CL_MEM_COPY_OVERLAP)`,
        to.address,
      );
    }
    const packet = dispatch(BUILTIN_KERNEL.COPY, from.size, TRANSFER_CHUNK, [to.address, from.address]);
    return this.#host.submit(this, 'copy', 'copy', packet);
  }

  fill(target: number | Addressed, pattern: number | Uint8Array, size?: number): Command {
    const bytes = typeof pattern === 'number' ? oneByte(pattern) : pattern;
    if (!isUint8Array(bytes)) throw invalidType('pattern', 'a byte or a Uint8Array', pattern);
    if (bytes.length < 1 || bytes.length > LARGEST_PATTERN) {
      throw outOfRange('pattern', `1 to ${LARGEST_PATTERN} bytes long`, bytes.length);
    }
    const to = this.#range('target', target, size);
    if (to.size % bytes.length !== 0)
      throw outOfRange('size', `a multiple of the pattern's ${bytes.length} bytes`, to.size);
    const words: bigint[] = [];
    const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
    padded.set(bytes);
    for (const word of new BigInt64Array(padded.buffer)) words.push(word);
    const chunk = Math.max(1, Math.floor(TRANSFER_CHUNK / bytes.length)) * bytes.length;
    return this.#host.submit(
      this,
      'fill',
      'fill',
      dispatch(BUILTIN_KERNEL.FILL, to.size, chunk, [to.address, bytes.length, ...words]),
    );
  }

  map(buffer: Addressed, options?: MapOptions): Command {
    return mapCommand(this.#host, this, buffer, options);
  }

  unmap(buffer: Addressed, options?: UnmapOptions): Command {
    return unmapCommand(this.#host, this, buffer, options);
  }

  barrier(): Command {
    return this.#host.submit(this, 'barrier', 'barrier', nothing());
  }

  marker(): Command {
    return this.#host.submit(this, 'marker', 'marker', nothing());
  }

  async finish(): Promise<void> {
    await new Promise<void>((resolve) => this.#host.whenEnded(this, resolve));
    const silent = this.takeSilentFailures();
    if (silent.length > 0) throw silent[0]!.error;
  }

  /** A command of this queue has failed; perhaps nobody will look. */
  noteFailure(command: QueuedCommand): void {
    if (command.observed || command.noted) return;
    command.noted = true;
    this.#failed.push(command);
  }

  /** Says on the process's warnings what failed and nobody looked at, once; not what only the closing ended. */
  warnOfSilentFailures(): void {
    for (const { error } of this.takeSilentFailures()) {
      if (error instanceof DeviceLost && error.reason === 'it was closed') continue;
      process.emitWarning(`A failed command was never looked at: ${String(error)}`, 'MirrorspaceWarning');
    }
  }

  /** Failures that nobody has looked at, once. */
  takeSilentFailures(): QueuedCommand[] {
    return this.#failed.splice(0).filter((command) => !command.observed);
  }

  #range(
    name: string,
    where: number | Addressed,
    size: number | undefined,
  ): { address: number; size: number } {
    const address = isAddressed(where) ? where.address : where;
    if (typeof address !== 'number') throw invalidType(name, 'an address or a buffer', where);
    const length = size ?? (isAddressed(where) ? where.size : undefined);
    if (length === undefined) throw invalidType('size', 'a number of bytes where no buffer says it', size);
    if (typeof length !== 'number') throw invalidType('size', 'a number of bytes', length);
    if (!Number.isSafeInteger(length) || length < 1 || length > this.#host.maxItems) {
      throw outOfRange('size', `from 1 to ${this.#host.maxItems} bytes`, length);
    }
    if (isAddressed(where)) {
      checkBuffer(this.#host.context, name, where);
      if (length > where.size) throw outOfRange('size', `at most the ${name}'s ${where.size} bytes`, length);
    }
    checkRange(this.#host.context, name, address, length, name === 'target' ? 'write' : 'read');
    this.#host.context.checkUnmapped(name, address);
    return { address, size: length };
  }
}

function loadedKernel(kernel: unknown): LoadedKernel {
  if (typeof kernel !== 'object' || kernel === null || typeof (kernel as LoadedKernel).id !== 'number') {
    throw invalidType('kernel', "a kernel, as a program's kernel(name, kinds) gives it", kernel);
  }
  return kernel as LoadedKernel;
}

function oneByte(pattern: number): Uint8Array {
  if (!Number.isInteger(pattern) || pattern < 0 || pattern > 255)
    throw outOfRange('pattern', 'a byte, 0 to 255', pattern);
  return new Uint8Array([pattern]);
}
