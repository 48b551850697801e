/**
 * What a compiler's log says about a source: the first error with its line. Pure.
 *
 * @module
 */

/** Lines of a log that a message quotes. */
const MOST_LINES = 40;

export interface BuildError {
  /** As the log names it: an included file, or the driver's own name for the source. */
  readonly file: string;
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
    /^([^\n]*?):(\d+):(\d+): (?:fatal )?error: ([^\n]*)/m.exec(log) ??
    /^(?:fatal )?error: ([^\n]*?):(\d+):(\d+): ([^\n]*)/m.exec(log);
  if (!found) return undefined;
  const [, file, line, column, text] = found;
  return { file: file!, line: Number(line), column: Number(column), text: text! };
}

/** The message of a failed build: the error with its line of the source, then the log, cut where it is long. */
export function buildFailure(log: string, source: string): string {
  const lines = log.trim().split('\n');
  const shown = lines.slice(0, MOST_LINES);
  if (lines.length > shown.length) shown.push(`(${lines.length - shown.length} more lines)`);
  const body = log.trim() === '' ? 'the driver gives no build log' : `build log:\n${shown.join('\n')}`;
  const error = firstBuildError(log);
  if (error && isIncluded(error.file, source))
    return `${error.file}, line ${error.line}: ${error.text}\n${body}`;
  const text = error && source.split('\n')[error.line - 1];
  if (!error || text === undefined) return body;
  return `line ${error.line}: ${error.text}\n  ${text.trim()}\n${body}`;
}

/** Whether an error is in a file that the source includes, by itself or through others. */
function isIncluded(file: string, source: string): boolean {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const includes = [...source.matchAll(/^\s*#\s*include\s*["<]([^">]+)/gm)].map(([, path]) => path!);
  return (
    includes.some((path) => path.endsWith(name)) || (includes.length > 0 && /\.(h|hpp|clh|inc)$/.test(name))
  );
}
