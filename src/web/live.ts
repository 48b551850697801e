/**
 * `node --import mirrorspace/live PROGRAM`: a live page over the mirrors of a program that knows nothing of it. It is there
 * from the first mirror on, and its address is printed on standard error; MIRRORSPACE_PORT names the port, and
 * MIRRORSPACE_LIVE=json asks for JSON.
 *
 * @module
 */
import { threadId } from 'node:worker_threads';
import { type MirrorToSee, subscribe } from '../observe/index.ts';
import { serve } from './server.ts';

const stop = subscribe('open', ({ object }) => {
  stop();
  void start(object as MirrorToSee);
});

async function start(mirror: MirrorToSee): Promise<void> {
  const port = Number(process.env.MIRRORSPACE_PORT ?? 0);
  try {
    const { url } = await serve({ mirrors: [mirror], port });
    const about = { url, pid: process.pid, thread: threadId };
    const text = process.env.MIRRORSPACE_LIVE === 'json' ? JSON.stringify(about) : `mirrorspace: ${url}`;
    process.stderr.write(`${text}\n`);
  } catch (error) {
    // Another process of the program may have the port.
    process.stderr.write(`mirrorspace: no live page: ${error instanceof Error ? error.message : error}\n`);
  }
}
