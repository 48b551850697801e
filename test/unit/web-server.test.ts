/** The live server: it tells what mirrors do to whoever has its address, and nothing to anybody else. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { get, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, it } from 'node:test';
import { type LiveSnapshot, serve } from 'mirrorspace/serve';
import { decide } from '../../src/web/requests.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

function ask(url: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const codeOf = ({ text }: Answer): string => JSON.parse(text).error.code;

/** Reads server-sent events until one is as asked. */
function readEvents(url: string) {
  const events: { name: string; data: unknown }[] = [];
  let text = '';
  let told = (): void => {};
  const sent = get(url, { agent: false }, (response) => {
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('data', (part) => {
      text += part;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const name = lines.find((line) => line.startsWith('event: '))?.slice(7);
        const data = lines.find((line) => line.startsWith('data: '))?.slice(6);
        events.push({ name: name ?? '', data: data === undefined ? undefined : JSON.parse(data) });
      }
      told();
    });
  });
  sent.on('error', () => {});
  return {
    events,
    until: async (fits: () => boolean): Promise<void> => {
      while (!fits()) await new Promise<void>((resolve) => (told = resolve));
    },
    end: () => sent.destroy(),
  };
}

describe('the live server', () => {
  it('gives pictures of mirrors, with what they did since it runs', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      await using server = await serve({ mirrors: [mirror] });
      const buffer = mirror.alloc(65536, { name: 'shown' });
      const command = wasm.queue.launch(program.kernel('increment', ['pointer']), {
        items: 1,
        args: [buffer],
      });
      await command.done;
      const { status, headers, text } = await ask(`${server.url}snapshot`);
      assert.deepEqual(
        [status, headers['content-type'], headers['cache-control']],
        [200, 'application/json', 'no-store'],
      );
      const { mirrors } = JSON.parse(text) as LiveSnapshot;
      assert.deepEqual(
        mirrors.map(({ id }) => id),
        [mirror.id],
      );
      const [seen] = mirrors;
      assert.ok(seen!.buffers.some(({ name, start }) => name === 'shown' && start === buffer.address));
      assert.deepEqual(
        seen!.commands.map(({ launch, end }) => [launch.kernel, end?.status, end?.times.finished]),
        [['increment', 'complete', command.times.finished]],
      );
      if (wasm.faults === 'userfaultfd')
        assert.ok(
          seen!.faults.some(({ address }) => address === buffer.address),
          text,
        );
    }));

  it('sees mirrors that are opened while it runs, and no longer those that were closed', async () => {
    await using server = await serve();
    const count = async () =>
      (JSON.parse((await ask(`${server.url}snapshot`)).text) as LiveSnapshot).mirrors.length;
    assert.equal(await count(), 0);
    await withMirror(async () => assert.equal(await count(), 1));
    assert.equal(await count(), 0);
  });

  it('tells events as they happen', () =>
    withMirror(async ({ mirror }) => {
      await using server = await serve();
      const reader = readEvents(`${server.url}events`);
      await reader.until(() => reader.events.length > 0);
      const buffer = mirror.alloc(4096, { name: 'told' });
      buffer.free();
      await reader.until(() => reader.events.some(({ name }) => name === 'unmap'));
      const map = reader.events.find(({ name }) => name === 'map')!.data as Record<string, unknown>;
      assert.deepEqual([map.buffer, map.address, map.size], ['told', buffer.address, 4096]);
      reader.end();
    }));

  it('answers nobody without the token, under another name, from another site, or who wants to change something', async () => {
    await using server = await serve();
    const { url, port } = server;
    const base = `http://127.0.0.1:${port}/`;
    const local = `127.0.0.1:${port}`;
    assert.equal((await ask(url)).status, 200);
    assert.equal(
      (await ask(url, 'GET', { host: `localhost:${port}`, origin: `http://${local}` })).status,
      200,
    );
    for (const [answer, status, code] of [
      [await ask(base), 403, 'token'],
      [await ask(`${base}snapshot`), 403, 'token'],
      [await ask(`${url.slice(0, -2)}/snapshot`), 403, 'token'],
      [await ask(url, 'GET', { host: 'evil.example' }), 421, 'host'],
      [await ask(url, 'GET', { host: `evil.example:${port}` }), 421, 'host'],
      [await ask(url, 'GET', { origin: 'http://evil.example' }), 403, 'origin'],
      [await ask(url, 'GET', { origin: 'null' }), 403, 'origin'],
      [await ask(`${url}snapshot`, 'POST'), 405, 'method'],
      [await ask(`${url}snapshot`, 'DELETE'), 405, 'method'],
      [await ask(url, 'OPTIONS', { origin: `http://${local}` }), 405, 'method'],
      [await ask(`${url}../../etc/passwd`), 403, 'token'],
      [await ask(`${url}x%2f..%2fy`), 404, 'path'],
      [await ask(`${url}constructor`), 404, 'path'],
    ] as const) {
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], answer.text);
      assert.ok(!answer.text.includes(url.split('/')[3]!));
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
    assert.equal((await ask(`${url}snapshot`, 'PUT')).headers.allow, 'GET, HEAD');
    const head = await ask(`${url}snapshot`, 'HEAD');
    assert.deepEqual([head.status, head.text], [200, '']);
    const other = await serve();
    assert.notEqual(other.url.split('/')[3], url.split('/')[3]);
    await other.close();
  });

  it('answers where a buffer would go, or why nowhere, and changes nothing', () =>
    withMirror(async ({ mirror }) => {
      await using server = await serve({ mirrors: [mirror] });
      const there = mirror.alloc(65536, { name: 'in the way' });
      const plan = async (query: string) => {
        const { status, text } = await ask(`${server.url}plan?${query}`);
        return { status, answer: JSON.parse(text) };
      };
      const { answer } = await plan(`mirror=${mirror.id}&size=65536`);
      assert.deepEqual(answer, JSON.parse(JSON.stringify(mirror.plan(65536))));
      const refused = await plan(`mirror=${mirror.id}&size=4096&at=${there.address}`);
      assert.equal(refused.answer.ok, false);
      assert.match(refused.answer.message, /in the way/);
      assert.match(refused.answer.remedies[0].text, /elsewhere in the window it fits at 0x/);
      const nothing = await plan(`mirror=${mirror.id}&size=0`);
      assert.deepEqual([nothing.status, nothing.answer.ok], [200, false]);
      assert.equal((await plan('mirror=123456&size=4096')).status, 404);
      assert.equal((await plan(`mirror=${mirror.id}`)).status, 400);
      assert.equal(mirror.buffers().length, 1);
    }));

  it('tells which pages of a buffer are in memory, one by one', () =>
    withMirror(async ({ mirror }) => {
      await using server = await serve({ mirrors: [mirror] });
      const page = mirror.pageSize;
      const there = mirror.alloc(1000 * page, { name: 'there' });
      for (const i of [0, 3, 500]) there.bytes[i * page] = 1;
      const asked = async (query: string) => {
        const { status, text } = await ask(`${server.url}residence?mirror=${mirror.id}&${query}`);
        return { status, answer: JSON.parse(text) };
      };
      const few = await asked(`start=${there.address - page}&end=${there.address + 5 * page}`);
      assert.deepEqual(few.answer.parts, [
        { start: there.address, end: there.address + 5 * page, residence: [1, 0, 0, 1, 0] },
      ]);
      const all = await asked(`start=${there.address}&end=${there.end}`);
      assert.deepEqual([all.answer.parts[0].start, all.answer.parts[0].end], [there.address, there.end]);
      const shares: number[] = all.answer.parts[0].residence;
      assert.equal(shares.length, 500);
      assert.deepEqual(
        [...shares.entries()].filter(([, share]) => share > 0),
        [
          [0, 0.5],
          [1, 0.5],
          [250, 0.5],
        ],
      );
      const odd = mirror.alloc(page + 1, { name: 'odd' });
      const last = await asked(`start=${odd.address + page}&end=${odd.address + page + 1}`);
      assert.deepEqual(
        last.answer.parts.map(({ start, end }: { start: number; end: number }) => [start, end]),
        [[odd.address + page, odd.address + 2 * page]],
      );
      assert.deepEqual((await asked(`start=${2 ** 46}&end=${2 ** 46 + page}`)).answer.parts, []);
      assert.equal((await asked('start=5&end=5')).status, 400);
      assert.equal((await ask(`${server.url}residence?mirror=123456&start=1&end=2`)).status, 404);
    }));

  it('listens on this machine only', async () => {
    await using server = await serve();
    const others = Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).filter(({ internal, family }) => !internal && family === 'IPv4'),
    );
    for (const { address } of others) {
      const outcome = await new Promise<string>((resolve) => {
        const socket = connect({ host: address, port: server.port });
        socket.on('connect', () => resolve('connected'));
        socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code!));
      });
      assert.equal(outcome, 'ECONNREFUSED');
    }
  });

  it('takes so many readers of events and no more, until one goes', async () => {
    await using server = await serve();
    const readers = Array.from({ length: 16 }, () => readEvents(`${server.url}events`));
    for (const reader of readers) await reader.until(() => reader.events.length > 0);
    const refused = await ask(`${server.url}events`);
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'full']);
    for (const reader of readers) reader.end();
  });

  it('never keeps its process alive, and is gone once closed', async () => {
    const program = "import { serve } from 'mirrorspace/serve'; console.log((await serve()).url);";
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: new URL('../..', import.meta.url),
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(status, 0);
    assert.match(stdout, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/\n$/);
    const server = await serve();
    const reader = readEvents(`${server.url}events`);
    await reader.until(() => reader.events.length > 0);
    await Promise.all([server.close(), server.close()]);
    await assert.rejects(ask(server.url), { code: 'ECONNREFUSED' });
  });

  it('refuses options that make no sense, and a port that is taken', async () => {
    await using server = await serve();
    await assert.rejects(serve({ port: server.port }), { code: 'EADDRINUSE' });
    await assert.rejects(serve({ port: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(serve({ port: '80' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(serve({ mirrors: {} as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(serve({ mirrors: [1] as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(serve(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('the decision about a request', () => {
  const FILES = new Set(['index.html', 'assets/a.js']);

  it('wants all of the token, and a Host', () => {
    const token = 'abcd';
    const good = {
      method: 'GET',
      url: '/abcd/snapshot?x=1',
      host: 'LOCALHOST:80',
      origin: undefined,
      token,
      port: 80,
    };
    assert.deepEqual(decide(good, FILES), { answer: 'snapshot' });
    for (const url of [
      '/abc/snapshot',
      '/abcde/snapshot',
      '//abcd/snapshot',
      '/',
      '',
      'abcd/snapshot',
      '/ABCD/',
    ])
      assert.equal((decide({ ...good, url }, FILES) as { code?: string }).code, 'token', url);
    assert.equal((decide({ ...good, host: undefined }, FILES) as { code?: string }).code, 'host');
  });

  it('knows the files of the page by name, and questions for a place by their numbers', () => {
    const asked = (path: string) =>
      decide(
        { method: 'GET', url: `/t/${path}`, host: 'localhost:1', origin: undefined, token: 't', port: 1 },
        FILES,
      );
    assert.deepEqual(asked(''), { answer: 'file', path: 'index.html' });
    assert.deepEqual(asked('assets/a.js'), { answer: 'file', path: 'assets/a.js' });
    assert.equal((asked('assets/b.js') as { code?: string }).code, 'path');
    assert.equal((asked('assets/../index.html') as { code?: string }).code, 'path');
    assert.deepEqual(asked('plan?mirror=1&size=4096&at=65536'), {
      answer: 'plan',
      query: { mirror: 1, size: 4096, at: 65536 },
    });
    for (const query of ['', '?mirror=1', '?mirror=1&size=-1', '?mirror=1&size=1e9', '?mirror=1&size=1&at=x'])
      assert.equal((asked(`plan${query}`) as { code?: string }).code, 'query', query);
  });
});
