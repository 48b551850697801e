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
  CommandOptions,
  CommandType,
  DeviceContext,
  Freeable,
  FreeOptions,
  HostRange,
  Kernel,
  LaunchOptions,
  MapOptions,
  MemoryRange,
  MigrateOptions,
  QueueOrder as Order,
  Queue,
  TransferOptions,
  UnmapOptions,
} from '../device/device.ts';
import { DeviceLost, hex, invalidType, outOfRange } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import { argumentContext, checkUses } from './buffer-checks.ts';
import type { HostAction, Packet, QueuedCommand } from './command.ts';
import { checkAfter, checkObject, checkStop } from './command-options.ts';
import { BUILTIN_KERNEL, MAX_ARGUMENTS } from './control-layout.ts';
import { type CopyEnd, hostCopy } from './host-copies.ts';
import { type ArgumentContext, isAddressed, packArguments } from './kernel-arguments.ts';
import { chunkSize, countItems, groupSize } from './launch-range.ts';
import { checkAddressed, checkedRange, copyEnd } from './memory-ranges.ts';
import { checkRanges, migrateOptions, prefetchHere, prefetchPackets } from './migration.ts';
import { mapCommand, unmapCommand } from './ownership-commands.ts';
import { dispatch, fillPacket, nothing, patternBytes, TRANSFER_CHUNK } from './packets.ts';
import { QueueOrder } from './queue-order.ts';
import { beginFrees, callWith, checkFreeables } from './queued-free.ts';
import type { Settlement } from './settlement.ts';
import type { StopConditions } from './stop-watch.ts';

/** A kernel of a loaded program, with its number on the device. */
export interface LoadedKernel extends Kernel {
  readonly id: number;
  readonly owner: object;
}

/** What a command waits for: it fails with one of `after`, and comes only after `gates`, however they end. */
export interface Ordering {
  readonly after: readonly Settlement[];
  readonly gates: readonly Settlement[];
}

/** What a queue needs of its device. */
export interface QueueHost {
  readonly name: string;
  readonly cores: number;
  readonly pointerLimit: number;
  readonly maxItems: number;
  /** Identifies the mirror, whose commands may wait for each other. */
  readonly scope: object;
  readonly context: DeviceContext;
  /** For devices that reach memory that no buffer holds: throws where this one can't be reached. A size of 0 is unknown. */
  readonly reaches?: ((name: string, address: number, size: number) => void) | undefined;
  /** Such memory that a launch names: for the time of the launch. Gives what ends that. */
  readonly declare?: ((ranges: readonly Range[]) => () => void) | undefined;
  /** Forgets copies of such memory before the next packet that is submitted. */
  readonly forget?: ((range: Range) => void) | undefined;
  /** Throws where the device is lost (and not being reopened) or closed. */
  submit(
    queue: RingQueue,
    type: CommandType,
    kernel: string,
    packet: Packet | HostAction,
    ordering?: Ordering,
    stop?: StopConditions,
  ): QueuedCommand;
  /** Calls back when what was put into the queue so far has ended; at once where that is so. */
  whenEnded(queue: RingQueue, callback: () => void): void;
  /** Gives, when called, those that were put into the queue so far and wait for others. */
  blocked(queue: RingQueue): () => readonly Settlement[];
}

const NO_OPTIONS: CommandOptions = {};
const NONE: readonly never[] = [];

export class RingQueue implements Queue {
  readonly number: number;
  readonly name: string;
  readonly order: Order;
  readonly #host: QueueHost;
  /** For a queue out of order. */
  readonly #order: QueueOrder | undefined;
  readonly #arguments: ArgumentContext;
  readonly #failed: QueuedCommand[] = [];

  constructor(host: QueueHost, number: number, order: Order, name: string) {
    this.#host = host;
    this.number = number;
    this.order = order;
    this.name = name;
    this.#arguments = argumentContext(host.context, host.pointerLimit, host.reaches);
    if (order === 'out') {
      this.#order = new QueueOrder({
        scope: host.scope,
        whenEnded: (callback) => host.whenEnded(this, callback),
        blocked: () => host.blocked(this),
      });
    }
  }

  launch<const Kinds extends readonly ArgumentKind[]>(
    kernel: Kernel<Kinds>,
    options: LaunchOptions<ArgumentsOf<Kinds>>,
  ): Command {
    const loaded = loadedKernel(kernel);
    const { id, owner, name } = loaded;
    if (owner !== this.#host) {
      throw outOfRange('kernel', `a kernel of a program loaded on device '${this.#host.name}'`, name);
    }
    checkObject('options', options);
    const items = countItems(options.items, this.#host.maxItems);
    const group = groupSize(options.local, options.items);
    const chunk = chunkSize(options.chunk, items, this.#host.cores, group);
    const foreign = options.uses === undefined ? NONE : checkUses(this.#arguments, options.uses);
    const put = (): QueuedCommand => {
      const args = this.packArguments(loaded, options.args, this.#arguments);
      return this.#put('launch', name, this.launchPacket(id, items, chunk, args), options);
    };
    return foreign.length === 0 ? put() : this.#declaring(foreign, put);
  }

  /** Puts a command in that names memory of the host's. */
  #declaring(ranges: readonly Range[], put: () => QueuedCommand): QueuedCommand {
    const takeBack = this.#host.declare?.(ranges);
    let command: QueuedCommand | undefined;
    try {
      command = put();
    } finally {
      if (!command || command.settled) takeBack?.();
    }
    if (takeBack && !command.settled) command.whenSettled(takeBack);
    return command;
  }

  /** @internal The arguments of a launch, checked, as its packet holds them. */
  protected packArguments(
    { name, kinds }: LoadedKernel,
    values: unknown,
    context: ArgumentContext,
  ): readonly (number | bigint)[] {
    const args = packArguments(name, kinds, values, context);
    if (args.length > MAX_ARGUMENTS) throw outOfRange('args', `at most ${MAX_ARGUMENTS} values`, args.length);
    return args;
  }

  /** @internal The packet of a launch that has been checked. */
  protected launchPacket(
    id: number,
    items: number,
    chunk: number,
    args: readonly (number | bigint)[],
  ): Packet {
    return dispatch(id, items, chunk, args);
  }

  copy(
    target: number | Addressed | ArrayBufferView,
    source: number | Addressed | ArrayBufferView,
    size?: number | TransferOptions,
  ): Command {
    const options = transferOptions(size);
    const from = copyEnd(this.#host, 'source', source, options.size);
    if (isAddressed(target) && target.size < from.size) {
      throw outOfRange('size', `at most the target's ${target.size} bytes`, from.size);
    }
    const to = copyEnd(this.#host, 'target', target, from.size);
    if (to.address < from.address + from.size && from.address < to.address + from.size) {
      throw outOfRange(
        'target',
        `clear of the source [${hex(from.address)}, ${hex(from.address + from.size)}) (CL_MEM_COPY_OVERLAP)`,
        to.address,
      );
    }
    const packet =
      'view' in from || 'view' in to
        ? this.hostCopy(to, from)
        : dispatch(BUILTIN_KERNEL.COPY, from.size, TRANSFER_CHUNK, [to.address, from.address]);
    return this.#put('copy', 'copy', packet, options);
  }

  fill(target: number | Addressed, pattern: number | Uint8Array, size?: number | TransferOptions): Command {
    const options = transferOptions(size);
    const bytes = patternBytes(pattern);
    const to = checkedRange(this.#host, 'target', target, options.size);
    return this.#put('fill', 'fill', fillPacket(to.address, to.size, bytes), options);
  }

  map(buffer: Addressed, options?: MapOptions): Command {
    return mapCommand(this.#host.context, this.#pass, buffer, options);
  }

  unmap(buffer: Addressed, options?: UnmapOptions): Command {
    return unmapCommand(this.#host.context, this.#pass, buffer, options);
  }

  migrate(
    ranges: number | Addressed | MemoryRange | readonly (number | Addressed | MemoryRange)[],
    options: MigrateOptions = NO_OPTIONS,
  ): Command {
    checkObject('options', options);
    const { to, ...rest } = migrateOptions(options);
    const pages = checkRanges(this.#host.context, ranges);
    if (to === 'host') return this.#put('migrate', 'migrate', prefetchHere(pages), rest);
    const packets = prefetchPackets(pages);
    const last = packets.pop()!;
    const parts = packets.map((packet) => this.#put('migrate', 'migrate', packet, rest));
    return this.#put('migrate', 'migrate', last, rest, parts);
  }

  invalidate(range: Addressed, options: CommandOptions = NO_OPTIONS): Command {
    checkObject('options', options);
    const { address, size } = checkAddressed('range', range);
    const { forget } = this.#host;
    const packet = forget ? () => forget({ start: address, end: address + size }) : nothing();
    return this.#put('invalidate', 'invalidate', packet, options);
  }

  free(
    buffers: Freeable | readonly Freeable[],
    how: FreeOptions | FreeOptions['callback'] = NO_OPTIONS,
  ): Command {
    const options = typeof how === 'function' ? { callback: how } : how;
    checkObject('options', options);
    const { callback } = options;
    if (callback !== undefined && typeof callback !== 'function')
      throw invalidType('callback', 'a function', callback);
    const what = checkFreeables(buffers);
    if (callback) return this.#put('free', 'free', callWith(callback, what), options);
    const free = beginFrees(this.#host.context, what);
    let command: QueuedCommand;
    try {
      command = this.#put('free', 'free', () => free.commit(), options);
    } catch (error) {
      free.cancel();
      throw error;
    }
    if (command.settled) free.cancel();
    else command.whenSettled(() => command.outcome === 'failed' && free.cancel());
    return command;
  }

  barrier(options?: CommandOptions): Command {
    return this.#point('barrier', options);
  }

  marker(options?: CommandOptions): Command {
    return this.#point('marker', options);
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

  /** Puts a command in; it waits for `parts` as for what its options name. */
  #put(
    type: CommandType,
    kernel: string,
    packet: Packet | HostAction,
    options: CommandOptions,
    parts: readonly Settlement[] = NONE,
  ): QueuedCommand {
    const stop = checkStop(options);
    const named = checkAfter(options.after, this.#host.scope);
    const after = parts.length > 0 ? [...named, ...parts] : named;
    const gates = this.#order?.gates ?? NONE;
    if (after.length === 0 && gates.length === 0)
      return this.#host.submit(this, type, kernel, packet, undefined, stop);
    return this.#host.submit(this, type, kernel, packet, { after, gates }, stop);
  }

  /** @internal What the host does for a copy of which an end is its own. */
  protected hostCopy(to: CopyEnd, from: CopyEnd): HostAction {
    return hostCopy(this.#host.context, to, from, from.size);
  }

  /** @internal To most devices the passing of a buffer is nothing but a place in the order. */
  protected passPacket(_ranges: readonly HostRange[]): Packet {
    return nothing();
  }

  readonly #pass = (type: 'map' | 'unmap', options: CommandOptions, ranges: readonly HostRange[]) =>
    this.#put(type, type, this.passPacket(ranges), options);

  /** A barrier or marker. In order, every command is one for those behind it. */
  #point(type: 'barrier' | 'marker', options: CommandOptions = NO_OPTIONS): QueuedCommand {
    checkObject('options', options);
    const order = this.#order;
    if (!order) return this.#put(type, type, nothing(), options);
    const stop = checkStop(options);
    const after = checkAfter(options.after, this.#host.scope);
    const gate = order.gateBehind(after);
    const gates = gate ? [...order.gates, gate] : order.gates;
    const command = this.#host.submit(this, type, type, () => {}, { after, gates }, stop);
    if (type === 'barrier') order.close(gate ? [gate, command] : [command]);
    return command;
  }
}

function loadedKernel(kernel: unknown): LoadedKernel {
  if (typeof kernel !== 'object' || kernel === null || typeof (kernel as LoadedKernel).id !== 'number') {
    throw invalidType('kernel', "a kernel, as a program's kernel(name, kinds) gives it", kernel);
  }
  return kernel as LoadedKernel;
}

function transferOptions(size: number | TransferOptions | undefined): TransferOptions {
  if (typeof size === 'object' && size !== null) return size;
  if (size === undefined) return NO_OPTIONS;
  if (typeof size !== 'number') throw invalidType('size', 'a number of bytes, or options', size);
  return { size };
}
