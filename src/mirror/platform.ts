/**
 * Where mirrors can be at all: Node.js on 64-bit Linux. Elsewhere the refusal says what is missing.
 *
 * @module
 */
import { UnsupportedError } from '../errors.ts';

/** Throws {@link UnsupportedError} where this machine or runtime can't have mirrors. */
export function checkPlatform(): void {
  const refuse = (what: string, remedy: string): never => {
    throw new UnsupportedError(what, `Mirrorspace can't open a mirror on ${what}: ${remedy}`);
  };
  const { versions, platform, arch } = process;
  if (versions.bun)
    refuse('Bun', 'its ArrayBuffers over foreign memory and its child processes differ; use Node.js >= 20.');
  if (versions.deno)
    refuse('Deno', 'its ArrayBuffers over foreign memory and its child processes differ; use Node.js >= 20.');
  if (versions.electron)
    refuse(
      'Electron',
      'V8 is built there with the memory cage, which forbids ArrayBuffers over foreign memory; use a Node.js child process.',
    );
  if (platform !== 'linux')
    refuse(platform, 'it needs memfd, userfaultfd and futex of Linux; use Linux, a container or WSL 2.');
  if (arch !== 'x64' && arch !== 'arm64') refuse(`Linux on ${arch}`, 'it knows x86-64 and arm64.');
}
