/**
 * `node --import mirrorspace/trace PROGRAM`: records the mirrors of a program that knows nothing of it, and writes a trace
 * when its thread ends, into the file that MIRRORSPACE_TRACE names (`%p` is the number of the process, `%t` of the thread).
 * Where no mirror was opened nothing is written.
 *
 * @module
 */
import { threadId } from 'node:worker_threads';
import { Recorder } from './recorder.ts';

const recorder = new Recorder();
const path = (process.env.MIRRORSPACE_TRACE || 'mirrorspace-%p-%t.json')
  .replaceAll('%p', String(process.pid))
  .replaceAll('%t', String(threadId));

function write(): void {
  if (recorder.size === 0) return;
  try {
    recorder.write(path);
  } catch (error) {
    process.stderr.write(`mirrorspace: the trace could not be written: ${String(error)}\n`);
  }
  recorder[Symbol.dispose]();
}

process.once('exit', write);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // Only the main thread gets signals. What the program does about one, it still does; else it dies of it as ever.
  process.once(signal, () => {
    if (process.listenerCount(signal) > 0) return;
    write();
    process.kill(process.pid, signal);
  });
}
