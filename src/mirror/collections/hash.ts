/**
 * The hashes of a {@link SharedHashMap}'s keys, which kernels compute as well: 32 bits, never 0, which marks an empty
 * place. Numbers go through the finalizer of MurmurHash3 (Appleby, public domain), text through FNV-1a (Fowler, Noll,
 * Vo; RFC 9923) and then the same. Pure.
 *
 * @module
 */

/** The finalizer: every bit of the input changes about half of the output's. */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Of a key of 4 bytes. */
export function hashWord(word: number): number {
  return mix(word) || 1;
}

/** Of a key of 8 bytes, by its halves. */
export function hashWords(low: number, high: number): number {
  return mix(low ^ Math.imul(mix(high), 0x9e3779b1)) || 1;
}

/** Text: begin with this, add byte after byte, finish. */
export const FIRST_HASH = 0x811c9dc5;

export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

export function finishHash(hash: number): number {
  return mix(hash) || 1;
}

/** The same functions in AssemblyScript, with `prefix` before their names. */
export function hashAssemblyScript(prefix: string, kind: 'word' | 'words'): string {
  const body =
    kind === 'word'
      ? `  const h = ${prefix}mix(word);`
      : `  const h = ${prefix}mix(<u32>words ^ (${prefix}mix(<u32>(words >> 32)) * 0x9e3779b1));`;
  return `function ${prefix}mix(word: u32): u32 {
  let h = word;
  h = (h ^ (h >> 16)) * 0x85ebca6b;
  h = (h ^ (h >> 13)) * 0xc2b2ae35;
  return h ^ (h >> 16);
}
function ${prefix}hash(${kind}: ${kind === 'word' ? 'u32' : 'u64'}): u32 {
${body}
  return h == 0 ? 1 : h;
}
`;
}

const FIRST_PLACES = 8;

/** The smallest table that holds so many entries without growing. */
export function placesFor(entries: number): number {
  let places = FIRST_PLACES;
  while (entries * 4 > places * 3) places *= 2;
  return places;
}
