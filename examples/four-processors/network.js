/**
 * What the graph is made of, declared once for all four: JavaScript and the process device work on these layouts, and the
 * declarations for WebAssembly and OpenCL C are printed from them. JavaScript, since a process device runs it as it is.
 *
 * @module
 */
import { pointer, struct, u32 } from 'mirrorspace/layout';

export const Airport = struct('Airport', {
  /** The first of the routes that leave here; null where none does. */
  get routes() {
    return pointer(Route);
  },
  /** Its place among all airports. */
  index: u32,
});

export const Route = struct('Route', {
  to: pointer(Airport),
  /** The next route from the same airport. */
  get next() {
    return pointer(Route);
  },
  metres: u32,
});

/** Of one airport, seen from one origin. */
export const Way = struct('Way', {
  /** The airport before it on the shortest way. */
  via: pointer(Airport),
  /** The airport behind it in the queue of those that are to be looked at. */
  behind: pointer(Airport),
  metres: u32,
  queued: u32,
});

/** Of one origin. */
export const Answer = struct('Answer', {
  origin: pointer(Airport),
  farthest: pointer(Airport),
  metres: u32,
  /** On the way to the farthest. */
  flights: u32,
  reached: u32,
});

/** More metres than any way has. */
export const FAR = 0xffff_ffff;
