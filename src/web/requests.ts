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
  readonly status: 403 | 404 | 405 | 421 | 500 | 503;
  readonly code: 'token' | 'origin' | 'path' | 'method' | 'host' | 'failed' | 'full';
  readonly message: string;
  /** The methods that there are. */
  readonly allow?: string;
}

export type Decision = Refusal | { readonly answer: 'index' | 'snapshot' | 'events' };

const PATHS: Readonly<Record<string, 'index' | 'snapshot' | 'events'>> = {
  '': 'index',
  snapshot: 'snapshot',
  events: 'events',
};

export function decide({ method, url, host, origin, token, port }: AskedFor): Decision {
  const names = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (host === undefined || !names.includes(host.toLowerCase()))
    return { status: 421, code: 'host', message: 'this server answers to the name of this machine only' };
  if (origin !== undefined && !names.some((name) => origin === `http://${name}`))
    return { status: 403, code: 'origin', message: 'pages of other sites may not ask' };
  const [, given = '', ...rest] = url.split('?')[0]!.split('/');
  if (!sameText(given, token))
    return {
      status: 403,
      code: 'token',
      message: 'the address lacks the token: it is in the URL that was printed',
    };
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, code: 'method', message: 'nothing can be changed here', allow: 'GET, HEAD' };
  const path = rest.join('/');
  const answer = Object.hasOwn(PATHS, path) ? PATHS[path] : undefined;
  if (!answer) return { status: 404, code: 'path', message: 'there is no such page' };
  return { answer };
}

/** In a time that does not tell where they differ. */
function sameText(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let i = 0; i < expected.length; i++)
    difference |= expected.charCodeAt(i) ^ (i < given.length ? given.charCodeAt(i) : 0);
  return difference === 0;
}
