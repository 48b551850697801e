/**
 * Events of mirrors as server-sent events, to a few readers: one that does not keep up loses events, and is told how many.
 * Nobody listens to the mirrors while there is no reader.
 *
 * @module
 */
import type { ServerResponse } from 'node:http';
import { EVENT_NAMES, subscribe } from '../observe/index.ts';

const MOST_READERS = 16;
/** Bytes that wait for a reader, beyond which it loses what comes. */
const MOST_WAITING = 2 ** 20;
/** Milliseconds between signs of life. */
const HEARTBEAT = 15_000;

interface Reader {
  readonly response: ServerResponse;
  lost: number;
}

export class EventStreams {
  readonly #readers = new Set<Reader>();
  #ends: (() => void)[] = [];
  #heartbeat: NodeJS.Timeout | undefined;

  /** Takes a reader in; false where there are too many. */
  add(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    if (this.#readers.size >= MOST_READERS) return false;
    const reader: Reader = { response, lost: 0 };
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
    response.write(': connected\n\n');
    this.#readers.add(reader);
    response.on('close', () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#rest();
    });
    if (this.#ends.length === 0) this.#listen();
    return true;
  }

  close(): void {
    for (const { response } of this.#readers) response.end();
    this.#readers.clear();
    this.#rest();
  }

  #listen(): void {
    this.#ends = EVENT_NAMES.map((name) =>
      subscribe(name, (event) => this.#send(`event: ${name}\ndata: ${JSON.stringify(event)}\n\n`)),
    );
    this.#heartbeat = setInterval(() => {
      for (const { response } of this.#readers) response.write(': \n\n');
    }, HEARTBEAT).unref();
  }

  #rest(): void {
    for (const end of this.#ends.splice(0)) end();
    clearInterval(this.#heartbeat);
  }

  #send(text: string): void {
    for (const reader of this.#readers) {
      const { response } = reader;
      if (response.writableLength > MOST_WAITING) {
        reader.lost++;
        continue;
      }
      if (reader.lost > 0) response.write(`event: lost\ndata: {"count":${reader.lost}}\n\n`);
      reader.lost = 0;
      response.write(text);
    }
  }
}
