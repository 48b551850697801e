/**
 * Compiled programs in a folder, so that what was compiled once need not be again: a file for each program, by the hash of
 * all that decides on what a compiler makes of it. A file has a hash of itself as well, since drivers do not bear damaged
 * binaries (PoCL 3.1 ends the process): what is not whole is compiled anew.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalidType, outOfRange } from '../../errors.ts';
import type { OpenClDeviceInfo } from './icd/devices.ts';
import type { ProgramInfo } from './program-build.ts';

/** What a file holds. */
export interface CacheEntry {
  readonly info: ProgramInfo;
  readonly binary: Uint8Array;
}

/** Another one for another format of the files. */
const FORMAT = 'mirrorspace-opencl-2\n';
const HASH_BYTES = 32;

/** `#include` and its like, with what may stand between: what they bring in is not in the source. */
const INCLUDES = /(?:#|%:|\?\?=)(?:\s|\\|\/\*[\s\S]*?\*\/)*(?:include|import|embed)/;

/** The folder that the option `cache` means; undefined for none. Throws TypeError or RangeError. */
export function cacheFolder(cache: boolean | string | URL | undefined): string | undefined {
  if (cache === undefined || cache === false) return undefined;
  if (cache === true) {
    const { XDG_CACHE_HOME: xdg = '' } = process.env;
    // What is not absolute is to be ignored, says the XDG Base Directory Specification.
    return join(isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'mirrorspace', 'opencl');
  }
  if (cache instanceof URL) {
    if (cache.protocol !== 'file:') throw outOfRange('cache', 'a file: URL', cache.href);
    return fileURLToPath(cache);
  }
  if (typeof cache !== 'string') throw invalidType('cache', 'true, false, or a folder', cache);
  if (cache === '' || cache.includes('\0')) throw outOfRange('cache', 'the path of a folder', cache);
  return resolve(cache);
}

export class BinaryCache {
  readonly folder: string;
  #warned = false;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Undefined for a program that includes files, which may change without its source. */
  keyOf(info: OpenClDeviceInfo, source: string, options: string): string | undefined {
    if (INCLUDES.test(source) || /(^|\s)-include/.test(options)) return undefined;
    const { platform, name, vendor, version, driverVersion } = info;
    const all = [
      FORMAT,
      source,
      options,
      platform.name,
      platform.version,
      name,
      vendor,
      version,
      driverVersion,
    ];
    return createHash('sha256').update(JSON.stringify(all)).digest('hex');
  }

  /** Undefined where there is none, or none that is whole. */
  async read(key: string): Promise<CacheEntry | undefined> {
    try {
      const file = await readFile(this.#path(key));
      return (await this.#isPrivate()) ? decodeEntry(key, file) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Others see the file whole or not at all. That it can't be written is said once, as a warning. */
  async write(key: string, entry: CacheEntry): Promise<void> {
    const temporary = join(this.folder, `.${key}-${process.pid}-${randomBytes(6).toString('hex')}`);
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      if (!(await this.#isPrivate())) throw new Error("it is not this user's alone to write to");
      await writeFile(temporary, encodeEntry(key, entry), { flag: 'wx', mode: 0o600 });
      await rename(temporary, this.#path(key));
    } catch (error) {
      await unlink(temporary).catch(() => {});
      this.#warn(error);
    }
  }

  #path(key: string): string {
    return join(this.folder, key);
  }

  /** Who can write to the folder can have code run in this process. */
  async #isPrivate(): Promise<boolean> {
    const { uid, mode } = await stat(this.folder);
    return uid === process.getuid?.() && (mode & 0o022) === 0;
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(
      `The cache of OpenCL programs in ${this.folder} can't be used: ${String(error)}`,
      'MirrorspaceWarning',
    );
  }
}

/** Format, hash of the rest, length of the description, description, binary. */
export function encodeEntry(key: string, { info, binary }: CacheEntry): Buffer {
  const description = Buffer.from(JSON.stringify({ key, ...info }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(description.length);
  const rest = Buffer.concat([length, description, binary]);
  return Buffer.concat([Buffer.from(FORMAT), createHash('sha256').update(rest).digest(), rest]);
}

/** Undefined where the bytes are not just what {@link encodeEntry} gives for the key. */
export function decodeEntry(key: string, file: Buffer): CacheEntry | undefined {
  const start = FORMAT.length + HASH_BYTES;
  const rest = file.subarray(start);
  if (file.length < start + 4 || file.toString('latin1', 0, FORMAT.length) !== FORMAT) return undefined;
  if (!createHash('sha256').update(rest).digest().equals(file.subarray(FORMAT.length, start)))
    return undefined;
  const end = 4 + rest.readUInt32LE(0);
  const { key: own, kernels, structs } = JSON.parse(rest.toString('utf8', 4, end));
  return own === key ? { info: { kernels, structs }, binary: rest.subarray(end) } : undefined;
}
