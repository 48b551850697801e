/**
 * What is published of commands and of what happens in a device's process: the payloads, from commands and trace records.
 * Pure.
 *
 * @module
 */
import { DeviceFault, MirrorError } from '../errors.ts';
import type {
  CompleteEvent,
  FaultEvent,
  FetchEvent,
  InvalidateEvent,
  LaunchEvent,
  MirrorIdentity,
  ObservedError,
  WriteBackEvent,
} from '../observe/events.ts';
import type { QueuedCommand } from './command.ts';
import type { Settlement } from './settlement.ts';
import type { TraceRecord } from './trace-ring.ts';

/** Whose events they are. */
export interface EventSource {
  readonly mirror: MirrorIdentity;
  readonly device: string;
}

/** What all events of a command have. */
function about({ mirror, device }: EventSource, queue: string, command: QueuedCommand, time: number) {
  const { number, type, kernel } = command;
  return { mirror, device, time, command: number, queue, type, kernel };
}

/** A command that has just been made. */
export function launchEvent(
  source: EventSource,
  queue: string,
  command: QueuedCommand,
  after: readonly Settlement[],
): LaunchEvent {
  const { packet, queued } = command;
  const numbers: number[] = [];
  for (const each of after) if ('number' in each) numbers.push((each as QueuedCommand).number);
  return {
    ...about(source, queue, command, queued),
    ...(typeof packet === 'function' ? {} : { items: packet.items, args: packet.args.map(plainArgument) }),
    after: numbers,
  };
}

/** As JSON can have it. */
function plainArgument(value: number | bigint): number | string {
  if (typeof value === 'number') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

/** A command that has ended, and is about to be settled. */
export function completeEvent(
  source: EventSource,
  queue: string,
  command: QueuedCommand,
  status: CompleteEvent['status'],
  error: unknown,
  time: number,
): CompleteEvent {
  const { times } = command;
  const { started, finished } = times;
  return {
    ...about(source, queue, command, time),
    status,
    times,
    ...(started === undefined || finished === undefined ? {} : { duration: finished - started }),
    ...(status === 'failed' ? { error: observedError(error) } : {}),
  };
}

export function observedError(error: unknown): ObservedError {
  if (!(error instanceof Error)) return { name: 'unknown', message: String(error) };
  const { name, message } = error;
  const { code } = error as { code?: unknown };
  return {
    name,
    message,
    ...(error instanceof MirrorError || typeof code === 'string' ? { code: String(code) } : {}),
    ...(error instanceof DeviceFault
      ? { core: error.core, ...(error.address === undefined ? {} : { address: error.address }) }
      : {}),
  };
}

/** What a record of a device's process is published as; undefined for one that is none. */
export type TracedEvent =
  | { readonly name: 'fault'; readonly event: FaultEvent }
  | { readonly name: 'fetch'; readonly event: FetchEvent }
  | { readonly name: 'write-back'; readonly event: WriteBackEvent }
  | { readonly name: 'invalidate'; readonly event: InvalidateEvent };

const OUTCOMES = ['allocated', 'mapped', 'own', 'unmapped', 'read-only'] as const;
const FETCHES = ['fault', 'prefetch'] as const;
const WRITE_BACKS = ['completion', 'invalidation', 'capacity'] as const;
const INVALIDATIONS = ['written', 'remapped', 'untracked', 'advised'] as const;

export function tracedEvent(source: EventSource, record: TraceRecord): TracedEvent | undefined {
  const { kind, time, duration, address, start, end, bytes, detail } = record;
  const { mirror, device } = source;
  const base = { mirror, device, time };
  const range = { start, end };
  // By sixteens: 1 to 15 are faults.
  const outcome = OUTCOMES[kind - 1];
  const fetch = FETCHES[kind - 16];
  const back = WRITE_BACKS[kind - 32];
  const cause = INVALIDATIONS[kind - 48];
  if (outcome) {
    const access = detail % 2 === 1 ? 'write' : 'read';
    const core = Math.floor(detail / 2) - 1;
    return { name: 'fault', event: { ...base, address, access, core, outcome, range, bytes, duration } };
  }
  if (fetch) return { name: 'fetch', event: { ...base, address, range, bytes, cause: fetch, duration } };
  if (back) {
    const event = { ...base, range, bytes, cause: back, unwrittenBytes: detail, duration };
    return { name: 'write-back', event };
  }
  if (cause) return { name: 'invalidate', event: { ...base, range, bytes, cause } };
  return undefined;
}
