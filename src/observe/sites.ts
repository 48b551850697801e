/**
 * Which line of the program asked for something: the first frame of the stack that is neither this package's nor Node's.
 * Taking a stack costs microseconds, so it is done on request only.
 *
 * @module
 */
import { invalidType } from '../errors.ts';
import { siteOf } from './stack.ts';

/** Frames that are looked at: the package's own come first. */
const FRAMES = 32;

/** Where the files of this package lie, built and as source. */
const own: readonly string[] = ownFolders(import.meta.url);
let recording = process.env.MIRRORSPACE_SITES === '1';

function ownFolders(url: string): string[] {
  const root = /^(?:file:\/\/)?(.*\/)(?:dist|src)\//.exec(url)?.[1];
  return root === undefined ? [] : [`${root}dist/`, `${root}src/`];
}

/**
 * From now on events say which line of the program caused them (`site`), or no longer. From the start on with
 * `MIRRORSPACE_SITES=1` in the environment. Throws TypeError.
 */
export function recordSites(on: boolean): void {
  if (typeof on !== 'boolean') throw invalidType('on', 'a boolean', on);
  recording = on;
}

/** @internal What an event of the call under way is to say of its site: to be spread into it. */
export function site(): { readonly site?: string } {
  if (!recording) return {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  const found = siteOf(stack, own);
  return found === undefined ? {} : { site: found };
}
