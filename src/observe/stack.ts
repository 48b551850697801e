/**
 * Reading a stack as V8 writes it, for the line of the program that a call came from. Pure.
 *
 * @module
 */

/** The place of the first frame that is not in one of the folders, nor Node's own: `/app/main.ts:12:30`. */
export function siteOf(stack: string, folders: readonly string[]): string | undefined {
  for (const line of stack.split('\n')) {
    const place = /^\s+at (?:async )?(?:.*\()?((?:file:\/\/)?\/[^)]*:\d+:\d+)\)?$/.exec(line)?.[1];
    if (place === undefined) continue;
    const path = place.replace(/^file:\/\//, '');
    if (!folders.some((folder) => path.startsWith(folder))) return path;
  }
  return undefined;
}
