/**
 * Which requests the live server answers: a decision about a method, a path and two headers. A page of another site can
 * have a browser send requests here, also under a name of its own that leads to this machine (DNS rebinding): hence the
 * look at Host and Origin, beside the token. Pure.
 *
 * @module
 */

export interface AskedFor {
  readonly method: string;
  readonly url: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** What the path must begin with. */
  readonly token: string;
  readonly port: number;
}

export interface Refusal {
  /** Of HTTP. */
  readonly status: 400 | 403 | 404 | 405 | 421 | 500 | 503;
  readonly code: 'token' | 'origin' | 'path' | 'method' | 'host' | 'failed' | 'full' | 'query';
  readonly message: string;
  /** The methods that there are. */
  readonly allow?: string;
}

export type Decision =
  | Refusal
  | { readonly answer: 'snapshot' | 'events' }
  | { readonly answer: 'plan'; readonly query: PlanQuery }
  | { readonly answer: 'residence'; readonly query: ResidenceQuery }
  /** A file of the page, by its path in the page's folder. */
  | { readonly answer: 'file'; readonly path: string };

/** Where would a buffer go, in which mirror? */
export interface PlanQuery {
  readonly mirror: number;
  /** Bytes. */
  readonly size: number;
  readonly at?: number;
}

/** Which pages of a range are in memory? */
export interface ResidenceQuery {
  readonly mirror: number;
  readonly start: number;
  readonly end: number;
}

/** `files` has the paths of the page's files. */
export function decide(
  { method, url, host, origin, token, port }: AskedFor,
  files: { has(path: string): boolean },
): Decision {
  const names = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (host === undefined || !names.includes(host.toLowerCase()))
    return { status: 421, code: 'host', message: 'this server answers to the name of this machine only' };
  if (origin !== undefined && !names.some((name) => origin === `http://${name}`))
    return { status: 403, code: 'origin', message: 'pages of other sites may not ask' };
  const [way = '', query = ''] = url.split('?', 2);
  const [, given = '', ...rest] = way.split('/');
  if (!sameText(given, token))
    return {
      status: 403,
      code: 'token',
      message: 'the address lacks the token: it is in the URL that was printed',
    };
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, code: 'method', message: 'nothing can be changed here', allow: 'GET, HEAD' };
  const path = rest.join('/') || 'index.html';
  if (path === 'snapshot' || path === 'events') return { answer: path };
  if (path === 'plan') return planOf(new URLSearchParams(query));
  if (path === 'residence') return residenceOf(new URLSearchParams(query));
  if (files.has(path)) return { answer: 'file', path };
  return { status: 404, code: 'path', message: 'there is no such page' };
}

function planOf(query: URLSearchParams): Decision {
  const [mirror, size, at] = ['mirror', 'size', 'at'].map((name) => wholeNumber(query.get(name)));
  if (mirror === undefined || size === undefined || (query.has('at') && at === undefined)) {
    const message = 'plan?mirror=ID&size=BYTES[&at=ADDRESS], in whole numbers';
    return { status: 400, code: 'query', message };
  }
  return { answer: 'plan', query: { mirror, size, ...(at === undefined ? {} : { at }) } };
}

function residenceOf(query: URLSearchParams): Decision {
  const [mirror, start, end] = ['mirror', 'start', 'end'].map((name) => wholeNumber(query.get(name)));
  if (mirror === undefined || start === undefined || end === undefined || start >= end) {
    const message =
      'residence?mirror=ID&start=ADDRESS&end=ADDRESS, in whole numbers, the end above the start';
    return { status: 400, code: 'query', message };
  }
  return { answer: 'residence', query: { mirror, start, end } };
}

function wholeNumber(text: string | null): number | undefined {
  if (text === null || !/^[0-9]{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** In a time that does not tell where they differ. */
function sameText(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let i = 0; i < expected.length; i++)
    difference |= expected.charCodeAt(i) ^ (i < given.length ? given.charCodeAt(i) : 0);
  return difference === 0;
}
