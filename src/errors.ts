/**
 * The errors of Mirrorspace; a leaf that any part may import (of what it names, only types).
 *
 * Bad arguments are native `TypeError` (wrong kind) or `RangeError` (wrong value) that carry Node's codes
 * `ERR_INVALID_ARG_TYPE` and `ERR_OUT_OF_RANGE`. Everything else is a {@link MirrorError} with a stable
 * `code`, an `errno` name where the system gave one, and the numbers that matter. Addresses are numbers in
 * fields and hexadecimal in messages. docs/errors.md lists each with its remedy.
 *
 * @module
 */
import type { Refusal } from './placement/refusal.ts';

/** `0x` and lower-case digits, as /proc/PID/maps and every debugger print an address. */
export function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

/** Bytes for a person: the largest binary unit that divides or rounds well ("64 KiB", "1.5 MiB"). */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const text = Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
  return `${text} ${units[unit]}`;
}

/** What every error of this package that is not a bad argument extends. */
export class MirrorError extends Error {
  /** Stable, `ERR_MIRROR_…`. */
  readonly code: string;
  /** The system's name for the failure, such as `'ENOMEM'`, where there is one. */
  declare readonly errno?: string;

  constructor(code: string, message: string, options: { cause?: unknown; errno?: string } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options.errno !== undefined) this.errno = options.errno;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** No place satisfies the request. `refusal` is the full report. */
export class PlacementError extends MirrorError {
  readonly refusal: Refusal;
  constructor(message: string, refusal: Refusal) {
    super('ERR_MIRROR_PLACEMENT', message, { errno: 'ENOMEM' });
    this.refusal = refusal;
  }
}

/** The object is in a state in which the call makes no sense. */
export class StateError extends MirrorError {
  readonly state:
    | 'closed'
    | 'freed'
    | 'lost'
    | 'held'
    | 'busy'
    | 'transferred'
    | 'ended'
    | 'mapped'
    | 'unmapped';
  constructor(state: StateError['state'], message: string) {
    super('ERR_MIRROR_STATE', message);
    this.state = state;
  }
}

/** A buffer that has no room in a process that attached, or would attach, and what is in its way there. */
export interface Obstacle {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Mappings of that process in the range, or why there can be no mapping. */
  readonly blockers: readonly { readonly name: string; readonly start: number; readonly end: number }[];
}

/** A mirror can't be attached, or a buffer of one that is attached can't be reached here. Nothing has changed. */
export class AttachError extends MirrorError {
  readonly reason: 'gone' | 'not-permitted' | 'other-mirror' | 'full' | 'conflict' | 'unreachable';
  /** For `conflict` and `unreachable`: the buffers that have no room in this process. */
  readonly obstacles: readonly Obstacle[];
  constructor(reason: AttachError['reason'], message: string, obstacles: readonly Obstacle[] = []) {
    super('ERR_MIRROR_ATTACH', message, reason === 'conflict' ? { errno: 'EEXIST' } : {});
    this.reason = reason;
    this.obstacles = obstacles;
  }
}

/** Memory can't be moved into the devices' windows by `mirror.evacuate`: it is not the caller's, or not of one kind. */
export class EvacuationError extends MirrorError {
  readonly reason:
    | 'not-mapped'
    | 'several-mappings'
    | 'kernel'
    | 'stack'
    | 'heap'
    | 'program'
    | 'mirror'
    | 'shared'
    | 'unreadable';
  readonly start: number;
  readonly end: number;
  constructor(
    reason: EvacuationError['reason'],
    message: string,
    { start, end }: { readonly start: number; readonly end: number },
  ) {
    super('ERR_MIRROR_EVACUATION', message);
    this.reason = reason;
    this.start = start;
    this.end = end;
  }
}

/** A program cannot be loaded, or has no such kernel. */
export class ProgramError extends MirrorError {
  readonly reason: string;
  constructor(reason: string, message: string, options: { cause?: unknown } = {}) {
    super('ERR_MIRROR_PROGRAM', message, options);
    this.reason = reason;
  }
}

/** A system call failed. */
export class SystemError extends MirrorError {
  readonly syscall: string;
  readonly args: readonly (number | string)[];
  declare readonly errno: string;
  constructor(syscall: string, args: readonly (number | string)[], errno: string, hint = '') {
    const shown = args.map((a) => (typeof a === 'number' && a >= 4096 ? hex(a) : String(a))).join(', ');
    super('ERR_MIRROR_SYSTEM', `${syscall}(${shown}) failed: ${errno}${hint ? `. ${hint}` : ''}`, { errno });
    this.syscall = syscall;
    this.args = args;
    this.errno = errno;
  }
}

/** The live or lately freed buffer that lies closest to a faulting address. */
export interface NearestBuffer {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** A sentence fragment: "16 bytes past `tree`". */
  readonly relation: string;
  readonly freed: boolean;
}

export interface DeviceFaultDetails {
  /** `unmapped`: no live buffer there; `read-only`: a store where only loads are allowed; `trap`: the kernel trapped. */
  readonly reason: 'unmapped' | 'read-only' | 'trap';
  readonly device: string;
  readonly kernel: string;
  readonly core: number;
  /** Absent where the device cannot tell (a trap). */
  readonly address?: number;
  readonly access?: 'read' | 'write';
  readonly nearest?: NearestBuffer;
  /** The trap's own words, where it has any; or what more there is to say of an access. */
  readonly detail?: string;
}

/** A kernel touched memory that is not there for it, or trapped. Only that launch is rejected. */
export class DeviceFault extends MirrorError {
  readonly reason: DeviceFaultDetails['reason'];
  readonly device: string;
  readonly kernel: string;
  readonly core: number;
  readonly address: number | undefined;
  readonly access: 'read' | 'write' | undefined;
  readonly nearest: NearestBuffer | undefined;
  readonly detail: string | undefined;

  constructor(d: DeviceFaultDetails) {
    const who = `kernel '${d.kernel}' on ${d.device} core ${d.core}`;
    const where = d.address === undefined ? '' : ` at ${hex(d.address)}`;
    const how =
      d.access ?? (d.address === undefined ? `${d.detail ?? 'access'} (address unknown)` : 'access');
    const near = d.nearest ? `, ${d.nearest.relation}` : '';
    const text =
      d.reason === 'trap'
        ? `${who} trapped: ${d.detail ?? 'unknown reason'}${where}${near}`
        : `${who} faulted: ${how}${where}${near}${
            d.reason === 'read-only' ? ' (read-only for this device)' : ''
          }${d.address !== undefined && d.detail ? `; ${d.detail}` : ''}`;
    super(
      'ERR_MIRROR_DEVICE_FAULT',
      text,
      d.address === undefined ? {} : { errno: d.reason === 'read-only' ? 'EPERM' : 'EFAULT' },
    );
    this.reason = d.reason;
    this.device = d.device;
    this.kernel = d.kernel;
    this.core = d.core;
    this.address = d.address;
    this.access = d.access;
    this.nearest = d.nearest;
    this.detail = d.detail;
  }
}

/** The device is gone: crashed, killed, or closed under the command. `device.reopen()` brings it back. */
export class DeviceLost extends MirrorError {
  readonly device: string;
  readonly reason: string;
  /** Exit code or signal of the device process, where one is known. */
  readonly exit: number | string | undefined;
  /** Ranges of the host's memory, outside of buffers, to which stores of kernels may not have been written back. */
  readonly unwritten: readonly { readonly start: number; readonly end: number }[];
  /** Kernels that its cores were inside of when its process ended by itself: one of them is the likely cause. */
  readonly kernels: readonly string[];
  constructor(
    device: string,
    reason: string,
    exit?: number | string,
    unwritten: DeviceLost['unwritten'] = [],
    kernels: readonly string[] = [],
  ) {
    super('ERR_MIRROR_DEVICE_LOST', `device '${device}' was lost: ${reason}`);
    this.device = device;
    this.reason = reason;
    this.exit = exit;
    this.unwritten = unwritten;
    this.kernels = kernels;
  }
}

/** An OpenCL driver refused a call, or a command of it failed. */
export class OpenClError extends MirrorError {
  /** `clEnqueueNDRangeKernel`; for a command that failed later, the call that put it in. */
  readonly call: string;
  /** OpenCL's number for the failure, below 0. */
  readonly status: number;
  /** Its name: `'CL_OUT_OF_RESOURCES'`. */
  readonly constant: string;
  constructor(call: string, status: number, constant: string, hint = '') {
    super('ERR_MIRROR_OPENCL', `${call} failed: ${constant} (${status})${hint ? `. ${hint}` : ''}`);
    this.call = call;
    this.status = status;
    this.constant = constant;
  }
}

/**
 * A command did not run, since one of those that it was to wait for (`after`) has failed: `cause` says how. Along a chain
 * of such commands `origin` is the failure at its beginning.
 */
export class DependencyError extends MirrorError {
  readonly origin: unknown;
  constructor(what: string, prerequisite: string, cause: unknown) {
    const origin = originOf(cause);
    const why = origin instanceof Error ? origin.message : String(origin);
    super('ERR_MIRROR_DEPENDENCY', `${what} did not run: ${prerequisite} that it waits for failed: ${why}`, {
      cause,
    });
    this.origin = origin;
  }
}

/** Outside of the class: bundlers rename one that speaks of itself. */
function originOf(cause: unknown): unknown {
  return cause instanceof DependencyError ? cause.origin : cause;
}

/** Something did not happen within the time that the caller allowed. */
export class TimeoutError extends MirrorError {
  readonly timeout: number;
  constructor(what: string, timeout: number) {
    super('ERR_MIRROR_TIMEOUT', `${what} did not finish within ${timeout} ms`, { errno: 'ETIMEDOUT' });
    this.timeout = timeout;
  }
}

/** A limit that the caller has set does not allow it. */
export class LimitError extends MirrorError {
  /** In bytes, as are the others. */
  readonly limit: number;
  readonly used: number;
  readonly requested: number;
  constructor(what: string, limit: number, used: number, requested: number) {
    const [most, now, more] = [limit, used, requested].map(formatBytes);
    super('ERR_MIRROR_LIMIT', `${what} may take ${most} and takes ${now}: no room for ${more}`, {
      errno: 'ENOMEM',
    });
    this.limit = limit;
    this.used = used;
    this.requested = requested;
  }
}

/** This machine, runtime or device lacks something; the message says what, and how to get it. */
export class UnsupportedError extends MirrorError {
  readonly missing: string;
  constructor(missing: string, message: string, options: { cause?: unknown; errno?: string } = {}) {
    super('ERR_MIRROR_UNSUPPORTED', message, options);
    this.missing = missing;
  }
}

/** A `TypeError` with Node's code: the argument is of the wrong kind. */
export function invalidType(name: string, expected: string, value: unknown): TypeError {
  const shown = value === null ? 'null' : typeof value === 'object' ? value.constructor?.name : typeof value;
  const error = new TypeError(
    `The "${name}" argument must be ${expected}. Received ${shown ?? 'an object'} ${preview(value)}`.trimEnd(),
  );
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** A `RangeError` with Node's code: the argument is of the right kind and the wrong value. */
export function outOfRange(name: string, expected: string, value: unknown): RangeError {
  const error = new RangeError(
    `The value of "${name}" is out of range. It must be ${expected}. Received ${preview(value)}`,
  );
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
}

function preview(value: unknown): string {
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= 65536 ? `${value} (${hex(value)})` : String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'boolean') return String(value);
  return '';
}
