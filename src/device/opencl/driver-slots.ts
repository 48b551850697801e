/**
 * Commands in a driver's queue: each is one call of OpenCL's, with an event that tells how it ended. A queue in order and
 * one out of order are what the engine makes of it, as of the rings of other devices: prerequisites, and what is the
 * host's to do, never reach the driver.
 *
 * @module
 */
import type { Packet, QueuedCommand, TimesSource } from '../../engine/command.ts';
import { monotonicNow } from '../../engine/completion.ts';
import type { Slots } from '../../engine/ring-slots.ts';
import type { QueueOrder } from '../device.ts';
import type { CommandCalls } from './command-calls.ts';
import * as CL from './icd/constants.ts';
import { HandleCell } from './icd/handle-cell.ts';
import type { Handle, OpenCl } from './icd/loader.ts';
import { openClError } from './icd/status.ts';

/** Commands that are with the driver at a time: each has an event, and a place in the driver's own lists. */
const MOST = 1024;

interface Entry {
  readonly command: QueuedCommand;
  /** 0 where the driver did not take it, or has nothing to do for it. */
  readonly event: Handle;
  /** The call that put it in, for errors. */
  readonly call: string;
  /** When it was put in. */
  readonly at: number;
  /** Why the driver did not take it. */
  readonly refusal: { readonly error: unknown } | undefined;
  /** 0 where it is complete, below 0 where it failed. */
  status: number;
}

export class DriverSlots implements Slots, TimesSource {
  readonly number: number;
  readonly #cl: OpenCl;
  readonly #calls: CommandCalls;
  readonly #queue: Handle;
  readonly #order: QueueOrder;
  readonly #entries: Entry[] = [];
  readonly #byCommand = new Map<QueuedCommand, Entry>();
  readonly #event = new HandleCell();
  readonly #status = new Int32Array(1);
  readonly #time = new BigUint64Array(1);
  #written = 0;
  #retired = 0;
  #lastFinished = 0;
  /** The command that was settled last, and has not told its times. */
  #untold: Entry | undefined;
  #closed = false;

  constructor(calls: CommandCalls, queue: Handle, number: number, order: QueueOrder) {
    this.#cl = calls.cl;
    this.#calls = calls;
    this.#queue = queue;
    this.number = number;
    this.#order = order;
  }

  get inFlight(): number {
    return this.#entries.length;
  }

  /** The event of the oldest command, where it has one. */
  get oldest(): Handle {
    return this.#entries[0]?.event ?? 0;
  }

  /** Blocks until a command has ended that the driver has; false where there is nothing in the driver to wait for. */
  await(command: QueuedCommand): boolean {
    const own = this.#byCommand.get(command);
    if (!own) return false;
    // What is nothing for the driver ends with what came before.
    const last = own.event === 0 ? this.#entries.indexOf(own) - 1 : 0;
    const entry = own.event === 0 ? this.#entries.findLast(({ event }, i) => i <= last && event !== 0) : own;
    if (!entry) return false;
    this.#event.value = entry.event;
    // Another answer may be about one that has failed: its own status says how.
    if (this.#cl.clWaitForEvents(1, this.#event.bytes) === 0) entry.status = CL.CL_COMPLETE;
    return true;
  }

  get head(): number {
    let done = 0;
    while (done < this.#entries.length && this.#isDone(this.#entries[done]!)) done++;
    return (this.#retired + done) | 0;
  }

  get retired(): number {
    return this.#retired;
  }

  retire(upTo: number): void {
    this.#retired = upTo;
  }

  /** Nothing goes to the driver from now on. */
  close(): void {
    this.#closed = true;
  }

  submit(command: QueuedCommand, packet: Packet, at: number): boolean {
    if (this.#closed || this.#entries.length >= MOST) return false;
    let call = '';
    let refusal: Entry['refusal'];
    this.#event.value = 0;
    // In order its turn comes when those before it have ended, which the driver need not be asked for.
    const idle = this.#order === 'in' && !this.#calls.isWork(command.type, packet);
    try {
      if (!idle) call = this.#calls.enqueue(this.#queue, command.type, packet, this.#event.bytes);
    } catch (error) {
      refusal = { error };
    }
    const status = idle ? CL.CL_COMPLETE : 1;
    const entry: Entry = { command, event: this.#event.value, call, at, refusal, status };
    this.#entries.push(entry);
    this.#byCommand.set(command, entry);
    command.submitted(this.#written, at);
    this.#written = (this.#written + 1) | 0;
    // Others may wait for what it stores.
    if (!idle) this.#cl.clFlush(this.#queue);
    // While the driver works, and not between the end of one command and the beginning of the next.
    this.tellTimes();
    return true;
  }

  done(command: QueuedCommand): boolean {
    return this.#isDone(this.#byCommand.get(command)!);
  }

  settle(command: QueuedCommand): void {
    const entry = this.#byCommand.get(command)!;
    this.#byCommand.delete(command);
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    const { call, refusal, status } = entry;
    if (refusal) command.fail(refusal.error);
    else {
      this.tellTimes();
      this.#untold = entry;
      command.ranAs(this);
      if (status < 0) command.fail(openClError(call, status));
      else command.complete();
    }
  }

  /** A driver does not tell how far it is. */
  progressOf(): number {
    return 0;
  }

  #isDone(entry: Entry): boolean {
    if (entry.status <= CL.CL_COMPLETE || entry.refusal) return true;
    const what = CL.CL_EVENT_COMMAND_EXECUTION_STATUS;
    const failed = this.#cl.clGetEventInfo(entry.event, what, 4, this.#status, null);
    entry.status = failed === 0 ? this.#status[0]! : failed;
    return entry.status <= CL.CL_COMPLETE;
  }

  /** Of the command that was settled last; the driver may forget it then. */
  tellTimes(): void {
    const entry = this.#untold;
    if (!entry) return;
    this.#untold = undefined;
    this.#tellTimes(entry);
    if (entry.event !== 0) this.#cl.clReleaseEvent(entry.event);
  }

  /** The device's clock is its own: differences are its, the beginning is ours. */
  #tellTimes({ command, event, at }: Entry): void {
    if (event === 0) {
      // It took no time when its turn had come.
      const turn = Math.max(at, this.#lastFinished);
      command.ranAt(turn, turn);
      return;
    }
    const put = this.#profiled(event, CL.CL_PROFILING_COMMAND_QUEUED);
    const start = this.#profiled(event, CL.CL_PROFILING_COMMAND_START);
    const end = this.#profiled(event, CL.CL_PROFILING_COMMAND_END);
    const known = put !== undefined && start !== undefined && end !== undefined;
    const begun = known ? at + Number(start - put) / 1e6 : at;
    const ended = known ? at + Number(end - put) / 1e6 : monotonicNow();
    // What is in order began after the one before, by whatever clock.
    const started = this.#order === 'in' ? Math.max(begun, this.#lastFinished) : begun;
    const finished = Math.max(started, ended);
    this.#lastFinished = finished;
    command.ranAt(started, finished);
  }

  #profiled(event: Handle, what: number): bigint | undefined {
    return this.#cl.clGetEventProfilingInfo(event, what, 8, this.#time, null) === 0
      ? this.#time[0]!
      : undefined;
  }
}
