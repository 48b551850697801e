/**
 * The server behind the live page: snapshots of this thread's mirrors and their events as they happen, to this machine
 * only, to whoever knows the token in the address, and for reading only. It changes nothing in a mirror, and never keeps
 * the process alive.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { invalidType, outOfRange } from '../errors.ts';
import type { MirrorToSee } from '../observe/index.ts';
import { EventStreams } from './event-streams.ts';
import { LiveMirrors } from './live-mirrors.ts';
import { type PageFile, readPage } from './page-files.ts';
import { type Decision, decide, type Refusal } from './requests.ts';

export interface ServeOptions {
  /** Mirrors that are open already. Those that are opened from now on are seen without being named. */
  readonly mirrors?: readonly MirrorToSee[];
  /** 0, the default, takes one that is free. */
  readonly port?: number;
}

/** A server that runs. */
export interface LiveServer {
  /** Whoever has it may look: http://127.0.0.1:PORT/TOKEN/ */
  readonly url: string;
  readonly port: number;
  /** Ends all connections. Safe to call twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What every answer carries: nothing is kept, guessed, framed or shown to other sites. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * Serves what mirrors of this thread do, on the loopback interface. Throws TypeError or RangeError for bad options, what
 * `listen` does where the port is taken.
 */
export async function serve(options: ServeOptions = {}): Promise<LiveServer> {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { mirrors = [], port = 0 } = options;
  if (!Array.isArray(mirrors)) throw invalidType('mirrors', 'an array of mirrors', mirrors);
  for (const [i, mirror] of mirrors.entries())
    if (typeof mirror?.occupants !== 'function') throw invalidType(`mirrors[${i}]`, 'a mirror', mirror);
  if (typeof port !== 'number') throw invalidType('port', 'a number', port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw outOfRange('port', 'from 0 to 65535', port);

  const token = randomBytes(24).toString('base64url');
  const server = createServer({ keepAliveTimeout: 5000, maxHeaderSize: 8192 });
  server.unref();
  server.on('connection', (socket) => socket.unref());
  await listen(server, port);
  const { port: bound } = server.address() as AddressInfo;
  const page = readPage();
  const live = new LiveMirrors(mirrors);
  const streams = new EventStreams();
  server.on('request', (request, response) => {
    answer(request, response, { token, port: bound, live, streams, page });
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      streams.close();
      live.close();
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return closing;
  };
  return { url: `http://127.0.0.1:${bound}/${token}/`, port: bound, close, [Symbol.asyncDispose]: close };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

interface Served {
  readonly token: string;
  readonly port: number;
  readonly live: LiveMirrors;
  readonly streams: EventStreams;
  readonly page: ReadonlyMap<string, PageFile>;
}

function answer(request: IncomingMessage, response: ServerResponse, served: Served): void {
  const { token, port, live, streams, page } = served;
  const { method = '', url = '', headers } = request;
  // Nobody sends a body with a GET; what comes all the same is not waited for.
  request.resume();
  const { host, origin } = headers;
  const decision = decide({ method, url, host, origin, token, port }, page);
  if ('status' in decision) {
    refuse(response, decision);
    return;
  }
  if (decision.answer === 'events') {
    if (method === 'HEAD') send(response, 200, 'text/event-stream', '');
    else if (!streams.add(response, HEADERS))
      refuse(response, { status: 503, code: 'full', message: 'too many readers of events: close some' });
    return;
  }
  if (decision.answer === 'file') {
    const { type, body } = page.get(decision.path)!;
    send(response, 200, type, body);
    return;
  }
  try {
    const found = answerOf(decision, live);
    if (found) send(response, 200, 'application/json', JSON.stringify(found));
    else
      refuse(response, { status: 404, code: 'path', message: 'there is no such mirror, or it was closed' });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    refuse(response, { status: 500, code: 'failed', message });
  }
}

function answerOf(decision: Exclude<Decision, Refusal>, live: LiveMirrors): object | undefined {
  if (decision.answer === 'plan') return live.plan(decision.query);
  if (decision.answer === 'residence') return live.residence(decision.query);
  return live.snapshots();
}

function refuse(response: ServerResponse, { status, code, message, allow }: Refusal): void {
  if (allow) response.setHeader('allow', allow);
  send(response, status, 'application/json', JSON.stringify({ error: { code, message } }));
}

function send(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': length });
  // For HEAD, Node sends none of it.
  response.end(body);
}
