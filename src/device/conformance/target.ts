/**
 * What the conformance suite is given: how to open a mirror with the devices under test, where their program with the
 * suite's kernels is, and how to bring a device down. A mirror and its buffers are described by what the suite asks of
 * them, since devices know nothing of mirrors. Types only.
 *
 * @module
 */
import type { Device, UserEvent } from '../device.ts';

/** What a device's `load` takes. */
export type ProgramSource = URL | Uint8Array | ArrayBuffer;

/** A part of a buffer that stands for a buffer. */
export interface ConformancePart {
  readonly name: string;
  readonly type: 'fine' | 'coarse';
  readonly address: number;
  readonly size: number;
  readonly freed: boolean;
  readonly bytes: Uint8Array;
}

/** A buffer of the mirror. */
export interface ConformanceBuffer extends ConformancePart {
  sub(offset: number, size?: number): ConformancePart;
  free(): void;
}

/** The options of `alloc` that the suite uses. */
export interface ConformanceAlloc {
  readonly name?: string;
  readonly type?: 'fine' | 'coarse';
  readonly align?: number;
  readonly place?: { readonly at: number } | { readonly within: readonly [number, number] };
  readonly topdown?: boolean;
  readonly devices?: readonly string[];
  readonly access?: Readonly<Record<string, 'read' | 'write' | 'none'>>;
  readonly guard?: number;
  readonly commit?: boolean;
  readonly hugePages?: boolean;
}

/** A mirror, as `openMirror` of `mirrorspace` gives it. */
export interface ConformanceMirror {
  readonly devices: Readonly<Record<string, Device>>;
  readonly pageSize: number;
  alloc(size: number, options?: ConformanceAlloc): ConformanceBuffer;
  createEvent(): UserEvent;
  memoryAt(address: number): ConformanceBuffer | undefined;
  close(): Promise<void>;
}

/**
 * What a device need not have. `isolation`: kernels can be stopped, and what goes wrong in one harms nobody else, since
 * the device is another process. `chunks`: launches take `chunk`. `places`: its buffers lie where `alloc` is told.
 */
export type Need = 'isolation' | 'chunks' | 'places';

/** What is tested. */
export interface ConformanceTarget {
  /** Names the tests: `host and wasm`. */
  readonly name: string;
  /** Opens a mirror with the devices under test, and with nothing in it. Called several times, one at a time. */
  open(): Promise<ConformanceMirror>;
  /** The program with the suite's kernels (`KERNELS`) for a device of that mirror. */
  program(device: Device): ProgramSource | Promise<ProgramSource>;
  /** Why none of it can run here: all cases are skipped then, with this reason. */
  readonly missing?: string;
  /** What a device has not, with the reason: cases about it are skipped. Nothing by default. */
  without?(device: Device): Readonly<Partial<Record<Need, string>>>;
  /**
   * The beginnings of the names of the cases that may be skipped, beside those that `without` tells of: any other that is
   * skipped makes the last test of the suite fail. Without this all may.
   */
  readonly skips?: readonly string[];
  /** Brings a device down as a crash would: `device.lost` resolves soon after. */
  crash(device: Device): void | Promise<void>;
}
