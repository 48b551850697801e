/**
 * Accessors of bit-fields in AssemblyScript: loads and stores of just the bytes that hold a field's bits, as in
 * bits-codec.ts. WebAssembly takes unaligned addresses.
 *
 * @module
 */
import { type BitPlace, bitPlaces } from './declared.ts';
import type { Struct } from './types.ts';

/** A getter and a setter for each bit-field of a struct. */
export function bitAccessors(type: Struct): string[] {
  return bitPlaces(type).flatMap((place) => {
    const { name, base, shift, width } = place;
    const mask = `0x${((1n << BigInt(width)) - 1n).toString(16)}`;
    const bits = load(place);
    const read = base.startsWith('i')
      ? `<${base}>(<i64>(${bits} << ${64 - shift - width}) >> ${64 - width})`
      : `<${base}>(${bits} >> ${shift} & ${mask})`;
    return [
      `  @inline get ${name}(): ${base} { return ${base === 'bool' ? `(${bits} >> ${shift} & 1) != 0` : read}; }`,
      `  set ${name}(value: ${base}) {`,
      `    let bits = (${bits} & ~(<u64>${mask} << ${shift})) | ((<u64>value & ${mask}) << ${shift});`,
      ...pieces(place).map(
        ({ at, size, up }) =>
          `    store<u${8 * size}>(changetype<usize>(this) + ${at}, <u${8 * size}>(bits >> ${up}));`,
      ),
      '  }',
    ];
  });
}

function load(place: BitPlace): string {
  const loads = pieces(place).map(
    ({ at, size, up }) => `(<u64>load<u${8 * size}>(changetype<usize>(this) + ${at}) << ${up})`,
  );
  return loads.length === 1 ? loads[0]! : `(${loads.join(' | ')})`;
}

/** The bytes in powers of two: 7 are 4, 2 and 1. */
function pieces({ offset, bytes }: BitPlace): { at: number; size: number; up: number }[] {
  const found: { at: number; size: number; up: number }[] = [];
  for (let done = 0; done < bytes; ) {
    const size = [8, 4, 2, 1].find((each) => done + each <= bytes)!;
    found.push({ at: offset + done, size, up: 8 * done });
    done += size;
  }
  return found;
}
