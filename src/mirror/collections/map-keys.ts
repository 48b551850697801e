/**
 * The keys of a {@link SharedHashMap}: numbers by their bits, text by its bytes. What each kind checks, hashes, stores
 * and compares, here and in AssemblyScript. Pure but for the memory that it is given.
 *
 * @module
 */
import { invalidType } from '../../errors.ts';
import { f64, i32, i64, pointer, u32, u64 } from '../../layout/fields.ts';
import type { FreeingMemory, Pieces } from '../../layout/memory.ts';
import { struct } from '../../layout/struct.ts';
import { describeType, type Pointer, type Scalar, type Type, type ValueOf } from '../../layout/types.ts';
import { hashAssemblyScript, hashWord, hashWords } from './hash.ts';
import { decodeText, type EncodedText, encoded, isText, storeText, textAt, Utf8 } from './shared-string.ts';

/** `u32`, `i32`, `u64`, `i64`, `f64`, or text. */
export type KeyType = Scalar<'u32' | 'i32' | 'f64', number> | Scalar<'u64' | 'i64', bigint> | 'string';

/** The JavaScript value of a key. */
export type KeyOf<K> = K extends 'string' ? string : ValueOf<K>;

/** A key that is about to be looked up: checked, and as memory holds it. */
export interface Prepared {
  readonly hash: number;
  /** A number, with one zero and one NaN; or text, valid until the next key is prepared. */
  readonly value: number | bigint | EncodedText;
}

export interface KeyKind {
  /** As a field of an entry. */
  readonly type: Scalar | Pointer<typeof Utf8>;
  readonly name: string;
  /** Checks the key and hashes it. */
  prepare(key: unknown): Prepared;
  /** Whether an entry of the same hash has this key, given what its field reads as. */
  matches(pieces: Pieces, field: unknown, key: Prepared): boolean;
  /** What to store in the field; text is copied into memory. */
  store(memory: FreeingMemory, key: Prepared): unknown;
  /** The key that a field holds. */
  read(pieces: Pieces, field: unknown): unknown;
  /** Gives back what `store` took. */
  release(memory: FreeingMemory, field: unknown): void;
  /** In AssemblyScript: a parameter, its hash, and what an entry of that hash must satisfy besides. */
  readonly script: {
    readonly parameter: string;
    readonly hash: (prefix: string) => string;
    readonly same: (prefix: string) => string;
    readonly functions: (prefix: string) => string;
  };
}

const numbers = new Map<Type, KeyKind>([u32, i32, u64, i64, f64].map((type) => [type, numberKeys(type)]));

export function keyKind(key: unknown): KeyKind {
  if (key === 'string') return textKeys;
  const kind = numbers.get(key as Type);
  if (!kind) throw invalidType('key', "u32, i32, u64, i64, f64 or 'string'", describeType(key));
  return kind;
}

function numberKeys(type: Scalar): KeyKind {
  const bytes = new Uint8Array(8);
  const words = new DataView(bytes.buffer);
  const scratch = struct('Key', { key: type }).in({ address: 0, size: 8, bytes }).at(0) as { key: unknown };
  const wide = type.size === 8;
  return {
    type,
    name: type.name,
    prepare(key) {
      scratch.key = key;
      // Of the numbers, -0 is 0 and every NaN is one, as in a Map.
      if (key === 0 || Number.isNaN(key)) scratch.key = key === 0 ? 0 : Number.NaN;
      const low = words.getUint32(0, true);
      const hash = wide ? hashWords(low, words.getUint32(4, true)) : hashWord(low);
      return { hash, value: scratch.key as number | bigint };
    },
    matches: (_pieces, field, key) => Object.is(field, key.value),
    store: (_memory, key) => key.value,
    read: (_pieces, field) => field,
    release() {},
    script: {
      parameter: `key: ${type.name}`,
      hash: (prefix) => `${prefix}hash(${scriptBits(type)})`,
      same: () =>
        type === f64 ? '(entry.key == key || (isNaN(key) && isNaN(entry.key)))' : 'entry.key == key',
      functions: (prefix) => hashAssemblyScript(prefix, wide ? 'words' : 'word'),
    },
  };
}

/** The bits of a key in AssemblyScript, with one zero and one NaN. */
function scriptBits(type: Scalar): string {
  if (type.size !== 8) return '<u32>key';
  if (type !== f64) return '<u64>key';
  return '(isNaN(key) ? 0x7ff8000000000000 : key == 0 ? 0 : reinterpret<u64>(key))';
}

const textKeys: KeyKind = {
  type: pointer(Utf8),
  name: 'string',
  prepare(key) {
    const value = encoded.encode('key', key);
    return { hash: value.hash, value };
  },
  matches: (pieces, field, { value }) => isText(pieces, field as number, value as EncodedText),
  store: (memory, { value }) => storeText(memory, value as EncodedText),
  read: (pieces, field) => decodeText(textAt(pieces, field as number)),
  release: (memory, field) => memory.free(field as number),
  script: {
    parameter: 'key: Utf8',
    hash: () => 'key.hash',
    same: (prefix) => `${prefix}same(changetype<Utf8>(entry.key), key)`,
    functions: (prefix) => `function ${prefix}same(a: Utf8, b: Utf8): bool {
  if (a.length != b.length) return false;
  for (let i: u32 = 0; i < a.length; i++) if (a.bytes[i] != b.bytes[i]) return false;
  return true;
}
`,
  },
};
