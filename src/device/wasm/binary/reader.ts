/**
 * A cursor over the bytes of a WebAssembly module (core specification 3.0, sections 5.1 "Conventions" and 5.2
 * "Values"). A module comes from anywhere, so every read is checked against the bytes that are there, every
 * number against its width, and a count is believed only as far as the bytes that follow could hold that many
 * items. Nothing here loops without consuming input or allocates more than the input's own size. What is wrong
 * is a {@link ProgramError} that names the offset, counted from the start of the file as every
 * disassembler prints it.
 *
 * @module
 */

import { hex, ProgramError } from '../../../errors.ts';

// A byte order mark is part of a name, not of the encoding; the default would swallow it.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A copy of `[start, end)` with memory of its own: decoders refuse bytes that threads share, and `slice` of a
 * Node Buffer is not a copy.
 */
export function copyOf(bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.subarray(start, end));
}

/** A name out of a module, fit for a message whatever it contains. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

export class ByteReader {
  readonly bytes: Uint8Array;
  /** What is being read, for messages: "the import section". */
  readonly where: string;
  /** The first offset that may not be read. */
  readonly end: number;
  position: number;

  constructor(bytes: Uint8Array, where: string, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.where = where;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** The error to throw for something wrong at `offset`, by default where the cursor is. */
  malformed(what: string, offset = this.position): ProgramError {
    return new ProgramError(
      'malformed',
      `malformed WebAssembly module at offset ${hex(offset)}, in ${this.where}: ${what}`,
    );
  }

  /** As {@link malformed}, for what is well formed and beyond this reader. */
  unsupported(what: string, offset = this.position): ProgramError {
    return new ProgramError(
      'unsupported',
      `unsupported WebAssembly module, at offset ${hex(offset)} in ${this.where}: ${what}`,
    );
  }

  byte(): number {
    if (this.position >= this.end) throw this.malformed('the bytes end here, and more are needed');
    return this.bytes[this.position++]!;
  }

  /** An unsigned LEB128 number. Beyond 2^53 it is rounded, which no module that can be instantiated reaches. */
  unsigned(bits: 32 | 64 = 32): number {
    const start = this.position;
    const longest = Math.ceil(bits / 7);
    let value = 0;
    let scale = 1;
    for (let i = 0; i < longest; i++) {
      const byte = this.byte();
      const payload = byte & 0x7f;
      // The last byte a number of this width may take has fewer than seven bits to give.
      if (i === longest - 1 && payload >>> (bits - 7 * i) !== 0) break;
      value += payload * scale;
      scale *= 128;
      if (byte < 0x80) return value;
    }
    throw this.malformed(`not an unsigned ${bits}-bit number`, start);
  }

  /** A signed LEB128 number. Beyond 2^53 either way it is rounded. */
  signed(bits: 32 | 33 | 64): number {
    const start = this.position;
    const longest = Math.ceil(bits / 7);
    // Both readings are summed, since the sign comes last: the number, and its complement, which stays small
    // (and so exact) where a negative number is.
    let value = 0;
    let complement = 0;
    let scale = 1;
    for (let i = 0; i < longest; i++) {
      const byte = this.byte();
      const payload = byte & 0x7f;
      if (i === longest - 1) {
        // From the sign bit upwards all bits must agree, or the number would not fit its width.
        const upper = payload >>> (bits - 7 * i - 1);
        const ones = 0x7f >>> (bits - 7 * i - 1);
        if (upper !== 0 && upper !== ones) break;
      }
      value += payload * scale;
      complement += (0x7f - payload) * scale;
      scale *= 128;
      if (byte < 0x80) return payload & 0x40 ? -1 - complement : value;
    }
    throw this.malformed(`not a signed ${bits}-bit number`, start);
  }

  /** How many items follow. Each takes `smallest` bytes at least, so a larger count than fits is a lie. */
  count(what: string, smallest = 1): number {
    const start = this.position;
    const count = this.unsigned();
    if (count * smallest > this.remaining) {
      throw this.malformed(`${count} ${what} in the ${this.remaining} bytes that are left`, start);
    }
    return count;
  }

  /** Steps over `length` bytes, and says where they began. */
  skip(length: number): number {
    if (length > this.remaining) {
      throw this.malformed(`${length} bytes are announced and ${this.remaining} are left`);
    }
    const start = this.position;
    this.position += length;
    return start;
  }

  name(): string {
    const length = this.unsigned();
    const start = this.skip(length);
    try {
      return utf8.decode(copyOf(this.bytes, start, start + length));
    } catch {
      throw this.malformed('a name that is not UTF-8', start);
    }
  }

  /** The content of a section or entry must be used up exactly. */
  finish(): void {
    if (this.remaining !== 0) throw this.malformed(`${this.remaining} bytes too many`);
  }
}
