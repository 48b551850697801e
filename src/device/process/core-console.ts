/**
 * The console of a core. A worker's own hands its text to the main thread by messages, which a core that never turns its
 * event loop does not see through; this one writes to the standard error that the device shares with its host, at once.
 *
 * @module
 */
import { Console } from 'node:console';
import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';

const STDERR = 2;

export function installConsole(): void {
  const stream = new Writable({
    decodeStrings: true,
    write(chunk: Uint8Array, _encoding, done) {
      try {
        for (let at = 0; at < chunk.length; ) at += writeSync(STDERR, chunk, at);
      } catch {
        // Its reader is full or gone: what a kernel prints is not worth a fault.
      }
      done();
    },
  });
  globalThis.console = new Console({ stdout: stream, stderr: stream });
}
