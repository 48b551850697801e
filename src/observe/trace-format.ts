/**
 * The trace event format of Chrome, as Perfetto (ui.perfetto.dev), chrome://tracing and speedscope read it: the parts that
 * are used here. "Trace Event Format", Google, 2016. Types only.
 *
 * @module
 */

interface Placed {
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly name: string;
  readonly cat: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** `X`: something with a beginning and a duration. Those of one track nest or follow each other. */
export interface CompleteSlice extends Placed {
  readonly ph: 'X';
  readonly dur: number;
}

/** `i`: a moment, of a thread. */
export interface Instant extends Placed {
  readonly ph: 'i';
  readonly s: 't';
}

/** `b` and `e`: the beginning and end of something that may overlap others; a pair has `cat` and `id` in common. */
export interface AsyncEdge extends Placed {
  readonly ph: 'b' | 'e';
  readonly id: string;
}

/** `s` and `f`: the ends of an arrow, from within a slice to the beginning of another. */
export interface FlowEdge extends Placed {
  readonly ph: 's' | 'f';
  readonly id: string;
  readonly bp?: 'e';
}

/** `C`: the values of a counter from now on. */
export interface CounterValue extends Placed {
  readonly ph: 'C';
  readonly args: Readonly<Record<string, number>>;
}

/** `M`: the name of a process or thread, or its place among the others. */
export interface Metadata {
  readonly ph: 'M';
  readonly pid: number;
  readonly tid: number;
  readonly name: 'process_name' | 'process_sort_index' | 'thread_name' | 'thread_sort_index';
  readonly args: Readonly<Record<string, string | number>>;
}

export type TraceEvent = CompleteSlice | Instant | AsyncEdge | FlowEdge | CounterValue | Metadata;

/** A trace as a document. */
export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ns';
  readonly otherData: Readonly<Record<string, string | number>>;
}
