/**
 * What a compiler's log says about a source: the first error with its line. Pure.
 *
 * @module
 */

/** Lines of a log that a message quotes. */
const MOST_LINES = 40;

export interface BuildError {
  /** Of the source, from 1. */
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/**
 * The first error that a log names by line and column; undefined where none is. Most drivers have clang's own form,
 * `FILE:LINE:COLUMN: error: TEXT`; PoCL has `error: FILE:LINE:COLUMN: TEXT`.
 */
export function firstBuildError(log: string): BuildError | undefined {
  const found =
    /:(\d+):(\d+): (?:fatal )?error: ([^\n]*)/.exec(log) ??
    /^(?:fatal )?error: [^\n]*?:(\d+):(\d+): ([^\n]*)/m.exec(log);
  return found ? { line: Number(found[1]), column: Number(found[2]), text: found[3]! } : undefined;
}

/** The message of a failed build: the error with its line of the source, then the log, cut where it is long. */
export function buildFailure(log: string, source: string): string {
  const lines = log.trim().split('\n');
  const shown = lines.slice(0, MOST_LINES);
  if (lines.length > shown.length) shown.push(`(${lines.length - shown.length} more lines)`);
  const body = log.trim() === '' ? 'the driver gives no build log' : `build log:\n${shown.join('\n')}`;
  const error = firstBuildError(log);
  const text = error && source.split('\n')[error.line - 1];
  if (!error || text === undefined) return body;
  return `line ${error.line}: ${error.text}\n  ${text.trim()}\n${body}`;
}
