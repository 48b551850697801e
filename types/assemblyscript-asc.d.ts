/**
 * The part of `assemblyscript/asc` that this repository uses. The package's own declarations bring AssemblyScript's
 * globals along (a `console` without `error`, for one), which then hide Node's.
 */
export interface AscResult {
  readonly error: Error | null;
  readonly stdout: { toString(): string };
  readonly stderr: { toString(): string };
}

export interface AscOptions {
  readFile?(name: string, baseDir: string): string | null | Promise<string | null>;
  writeFile?(name: string, contents: string | Uint8Array, baseDir: string): void | Promise<void>;
  listFiles?(folder: string, baseDir: string): string[] | null | Promise<string[] | null>;
}

declare const asc: {
  main(argv: readonly string[], options?: AscOptions): Promise<AscResult>;
};
export default asc;
