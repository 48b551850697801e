/**
 * What subcommands say and how they fail: colours on a terminal only, JSON as one document, failures as errors that carry
 * the exit code.
 *
 * @module
 */
import picocolors from 'picocolors';

/** The colours of standard output: those of a terminal, or none. NO_COLOR (no-color.org) turns them off. */
export function colours() {
  const { NO_COLOR, TERM } = process.env;
  return picocolors.createColors(process.stdout.isTTY === true && !NO_COLOR && TERM !== 'dumb');
}

export type Colours = ReturnType<typeof colours>;

/** Columns of the terminal; 80 where it is none, or has not been told its size. */
export function width(): number {
  return Math.max(60, process.stdout.columns || 80);
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One document, indented for a person; on one line where several follow each other. */
export function sayJson(value: unknown, line = false): void {
  say(line ? JSON.stringify(value) : JSON.stringify(value, null, 2));
}

/** The command could not do its work. */
export class Failure extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The arguments make no sense. */
export class UsageFailure extends Failure {
  constructor(message: string) {
    super(message, 2);
  }
}

/** What comes from outside (names of files, of processes) without what would steer the terminal. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}

/** Shortened in the middle, since the ends of a path tell most. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const tail = Math.ceil((most - 1) * 0.65);
  return `${text.slice(0, most - 1 - tail)}…${text.slice(-tail)}`;
}
