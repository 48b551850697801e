/**
 * What {@link compileAssemblyScript} and its compiler thread tell each other.
 *
 * @module
 */

export interface CompileRequest {
  /** The name of the source, relative to `folder`. */
  readonly file: string;
  /** Where imports are looked for; undefined for a source that stands alone. */
  readonly folder: string | undefined;
  /** The source itself; undefined where it is to be read. */
  readonly text: string | undefined;
  /** The text of an asconfig.json. */
  readonly config: string;
  /** The text of mirrorspace/assembly/work-items, which any source may import. */
  readonly workItems: string;
  readonly flags: readonly string[];
}

export type CompileAnswer =
  | { readonly kind: 'compiled'; readonly wasm: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failed' | 'missing'; readonly message: string };
