/**
 * Compiles C into a shared library with the system's compiler, for as long as it is used.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface CompiledLibrary extends Disposable {
  readonly path: string;
}

/** Throws what the compiler says, or that there is none. */
export function compile(source: URL): CompiledLibrary {
  const folder = mkdtempSync(join(tmpdir(), 'native-library-'));
  const path = join(folder, 'library.so');
  const remove = (): void => rmSync(folder, { recursive: true });
  const flags = ['-O1', '-shared', '-fPIC', '-o', path];
  const { error, status, stderr } = spawnSync('cc', [...flags, fileURLToPath(source)], { encoding: 'utf8' });
  if (status !== 0) {
    remove();
    throw new Error(
      error ? `this example needs a C compiler (apt-get install gcc): ${error.message}` : stderr,
    );
  }
  return { path, [Symbol.dispose]: remove };
}
