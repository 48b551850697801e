/**
 * Where the bytes of a wasm device's program come from: given, or read from a file.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { invalidType, outOfRange, ProgramError } from '../../errors.ts';
import { programBytes } from '../program-bytes.ts';

/** The bytes of a program, copied; a file URL is read. */
export async function readSource(source: URL | Uint8Array | ArrayBuffer): Promise<Uint8Array> {
  const bytes = programBytes(source);
  if (bytes) return bytes;
  if (!(source instanceof URL))
    throw invalidType('program', 'a file URL, a Uint8Array or an ArrayBuffer', source);
  if (source.protocol !== 'file:') throw outOfRange('program', 'a file: URL', source.href);
  try {
    return Uint8Array.from(await readFile(source));
  } catch (cause) {
    throw new ProgramError('not-found', `the program ${source.href} could not be read: ${String(cause)}`, {
      cause,
    });
  }
}
