/**
 * A case of the suite: a sentence, and a body that asserts it on an open mirror. Types only.
 *
 * @module
 */
import type { DeviceSide, Sides } from './sides.ts';
import type { ConformanceTarget, Need } from './target.ts';

/** What a case may say while it runs. */
export interface CaseReport {
  /** A line beside the result: figures that nobody asserts. */
  diagnostic(message: string): void;
  /** Counts a device as skipped, for which the case does not run. */
  skipped(device: string, reason: string): Promise<void>;
}

/** A case about sharing memory between all who can reach it. */
export interface SvmCase {
  /** The name at its origin, the OpenCL conformance tests, and what must hold. */
  readonly name: string;
  /** It also runs where there are coarse buffers only. */
  readonly coarse?: boolean;
  /** Why it can't run here; undefined where it can. */
  skip?(sides: Sides): string | undefined;
  run(sides: Sides, report: CaseReport): Promise<void>;
}

/** A case about one device and the interface that the mirror and its users know. */
export interface ContractCase {
  readonly name: string;
  /** It also runs where there are coarse buffers only. */
  readonly coarse?: boolean;
  /** Opens a mirror of its own, since the device does not stay as it is. */
  readonly alone?: boolean;
  /** Skipped for a device whose {@link ConformanceTarget.without} has it. */
  readonly needs?: Need;
  skip?(side: DeviceSide): string | undefined;
  run(side: DeviceSide, sides: Sides, target: ConformanceTarget): Promise<void>;
}
