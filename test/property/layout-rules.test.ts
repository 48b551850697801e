/**
 * Layouts of random structs against C's rules as a naive oracle reads them, and against the compilers themselves.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  alignof,
  type LayoutMemory,
  offsetof,
  type Pointer,
  type Struct,
  sizeof,
  toAssemblyScript,
  toC,
  toOpenCL,
} from '../../src/layout/index.ts';
import {
  checkC,
  flagsFor32Bits,
  openCLPrelude,
  runAssemblyScript,
  runC,
  without32Bits,
  withoutC,
} from '../fixtures/layout-compilers.ts';
import { Builder, type Built, isValue, oracle, structs, valuesOf } from './layout-random.ts';

/** Structs with a value for each of their fields; many of them, since a compilation is slow. */
const batches = fc.array(structs, { minLength: 30, maxLength: 40 }).chain((descriptions) => {
  const builder = new Builder();
  for (const description of descriptions) builder.build(description);
  const values = builder.all.map(({ fields }) =>
    fc.tuple(
      ...fields.map(({ description }) => (isValue(description) ? valuesOf(description) : fc.constant(0))),
    ),
  );
  return fc.tuple(fc.constant(builder.all), fc.tuple(...values));
});

const slow = { numRuns: 2, endOnFailure: true };
const types = (built: readonly Built[]) => built.map(({ type }) => type);

test('sizes, alignments and offsets are those of an oracle that tries one bit after the other', () => {
  fc.assert(
    fc.property(structs, (description) => {
      const type = new Builder().build(description);
      const expected = oracle(description);
      assert.equal(sizeof(type), expected.size);
      assert.equal(alignof(type), expected.align);
      description.fields.forEach((field, i) => {
        if (field.kind !== 'bits')
          assert.equal(offsetof(type, `f${i}` as never), expected.fields[i]!.start / 8);
      });
    }),
    { numRuns: 500 },
  );
});

describe('declarations of random structs', () => {
  test('in C assert the same sizes and offsets to the compiler', { skip: withoutC }, () => {
    fc.assert(
      fc.property(batches, ([built]) => checkC(toC(...types(built)))),
      slow,
    );
  });

  test('in C hold where pointers have 4 bytes', { skip: without32Bits() }, () => {
    fc.assert(
      fc.property(batches, ([built]) => checkC(toC(...types(built)), flagsFor32Bits)),
      slow,
    );
  });

  test('in OpenCL C, compiled as C with its type names, have the same offsets', { skip: withoutC }, () => {
    fc.assert(
      fc.property(batches, ([built]) => {
        const asserts = built.flatMap(({ type, fields }) =>
          fields
            .filter(({ description }) => description.kind !== 'bits')
            .map(({ name }) => {
              const offset = offsetof(type, name as never);
              return `_Static_assert(offsetof(${type.kind} ${type.name}, ${name}) == ${offset}, "");\n`;
            }),
        );
        checkC(openCLPrelude + toOpenCL(...types(built)) + asserts.join(''), [
          '-Wno-unused-function',
          '-Wno-unknown-pragmas',
        ]);
      }),
      slow,
    );
  });

  for (const [fill, background] of [
    ['zeros', 0],
    ['ones', 255],
  ] as const) {
    test(`in C write bit-fields over ${fill} as accessors do`, { skip: withoutC }, () => {
      fc.assert(
        fc.property(batches, ([built, values]) => {
          const writes = eachBitField(built, values);
          if (writes.length === 0) return;
          const lines = runC(bitProgram(built, writes, background))
            .trim()
            .split('\n');
          assert.deepEqual(
            lines,
            writes.map((write) => bytesAfter(write, background)),
          );
        }),
        slow,
      );
    });

    test(`in OpenCL C write and read bit-fields over ${fill} as accessors do`, { skip: withoutC }, () => {
      fc.assert(
        fc.property(batches, ([built, values]) => {
          const writes = eachBitField(built, values);
          if (writes.length === 0) return;
          const flags = ['-Wno-unused-function', '-Wno-unknown-pragmas', '-Wno-sign-compare'];
          const lines = runC(openCLProgram(built, writes, background), flags)
            .trim()
            .split('\n');
          assert.deepEqual(
            lines,
            writes.map((write) => `${bytesAfter(write, background)} 1`),
          );
        }),
        slow,
      );
    });
  }

  test('in AssemblyScript read what accessors wrote, and write what they read', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async ([built, values]) => {
        const { memory, exports } = await runAssemblyScript(
          toAssemblyScript(...types(built)) + built.map(assemblyScriptExports).join(''),
        );
        const region: LayoutMemory = {
          address: 1024,
          size: 4096,
          bytes: new Uint8Array(memory.buffer, 1024),
        };
        for (const [i, { type, fields }] of built.entries()) {
          assert.equal(exports[`size_${type.name}`]!(), sizeof(type), `size of ${type.name}`);
          const node = type.in(region).at(1024) as unknown as Record<string, unknown>;
          const bytes = region.bytes.subarray(0, sizeof(type));
          for (const [j, { name, description }] of fields.entries()) {
            const label = `${type.name}.${name}`;
            if (!isValue(description)) {
              const offset = offsetof(type, name as never);
              assert.equal(exports[`at_${type.name}_${name}`]!(1024), 1024 + offset, label);
              continue;
            }
            const value = wasmValue(description, (values[i] as unknown[])[j]);
            bytes.fill(0);
            node[name] = value;
            const read = exports[`get_${type.name}_${name}`]!(1024);
            assert.deepEqual(unsigned(description, read), value, label);
            const written = bytes.slice();
            bytes.fill(0);
            exports[`set_${type.name}_${name}`]!(1024, value);
            assert.deepEqual(node[name], value, label);
            if (!Number.isNaN(value)) assert.deepEqual(bytes, written, label);
          }
        }
      }),
      slow,
    );
  });
});

interface BitWrite {
  readonly built: Built;
  readonly name: string;
  readonly base: string;
  readonly value: number | bigint | boolean;
}

function eachBitField(built: readonly Built[], values: readonly unknown[]): BitWrite[] {
  return built.flatMap((each, i) =>
    each.fields.flatMap(({ name, description }, j) => {
      if (description.kind !== 'bits') return [];
      const value = (values[i] as (number | bigint | boolean)[])[j]!;
      return [{ built: each, name, base: description.base, value }];
    }),
  );
}

/** The bytes of a struct filled with `background` once an accessor has written the field. */
function bytesAfter({ built: { type }, name, value }: BitWrite, background: number): string {
  const bytes = new Uint8Array(sizeof(type)).fill(background);
  const node = type.in({ address: 64, size: bytes.length, bytes }).at(64) as unknown as Record<
    string,
    unknown
  >;
  node[name] = value;
  assert.equal(node[name], value);
  return Buffer.from(bytes).toString('hex');
}

const printBytes = `
#include <stdio.h>
#include <string.h>
static void print(const void *p, size_t n) {
  for (size_t i = 0; i < n; i++) printf("%02x", ((const unsigned char *)p)[i]);
}
`;

function bitProgram(built: readonly Built[], writes: readonly BitWrite[], background: number): string {
  const body = writes.map(({ built: { type }, name, value }) => {
    const tag = `${type.kind} ${type.name}`;
    return `{ ${tag} s; memset(&s, ${background}, sizeof s); s.${name} = ${literal(value)}; print(&s, sizeof s); puts(""); }\n`;
  });
  return `${toC(...types(built))}${printBytes}int main(void) {\n${body.join('')}return 0;\n}\n`;
}

function openCLProgram(built: readonly Built[], writes: readonly BitWrite[], background: number): string {
  const body = writes.map(({ built: { type }, name, value }) => {
    const tag = `${type.kind} ${type.name}`;
    const set = `${type.name}_set_${name}(&s, ${literal(value)})`;
    const get = `${type.name}_get_${name}(&s) == ${literal(value)}`;
    return `{ ${tag} s; memset(&s, ${background}, sizeof s); ${set}; print(&s, sizeof s); printf(" %d\\n", ${get}); }\n`;
  });
  const head = `${openCLPrelude}${toOpenCL(...types(built))}${printBytes}`;
  return `${head}int main(void) {\n${body.join('')}return 0;\n}\n`;
}

function literal(value: number | bigint | boolean): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (BigInt(value) === -(2n ** 63n)) return '(-9223372036854775807L - 1)';
  if (BigInt(value) === -(2n ** 31n)) return '(-2147483647 - 1)';
  return typeof value === 'bigint' ? `${value}${value < 0 ? 'L' : 'UL'}` : `${value}${value < 0 ? '' : 'U'}`;
}

function assemblyScriptExports({ type, fields }: Built): string {
  const { name } = type;
  const accessors = fields.map((field) => {
    const { description } = field;
    if (!isValue(description)) {
      return `export function at_${name}_${field.name}(p: usize): usize { return changetype<usize>(changetype<${name}>(p).${field.name}); }\n`;
    }
    const self = `changetype<${name}>(p).${field.name}`;
    if (description.kind === 'pointer') {
      const { target } = (type.fields as Record<string, Pointer<Struct | undefined>>)[field.name]!;
      const given = target ? `changetype<${target.name} | null>(v)` : 'v';
      return [
        `export function get_${name}_${field.name}(p: usize): usize { return changetype<usize>(${self}); }\n`,
        `export function set_${name}_${field.name}(p: usize, v: usize): void { ${self} = ${given}; }\n`,
      ].join('');
    }
    const shown = description.kind === 'bits' ? description.base : (description as { name: string }).name;
    return [
      `export function get_${name}_${field.name}(p: usize): ${shown} { return ${self}; }\n`,
      `export function set_${name}_${field.name}(p: usize, v: ${shown}): void { ${self} = v; }\n`,
    ].join('');
  });
  return `export function size_${name}(): usize { return offsetof<${name}>(); }\n${accessors.join('')}`;
}

/** A pointer has 32 bits there. */
function wasmValue(description: Built['fields'][number]['description'], value: unknown): unknown {
  return description.kind === 'pointer' ? Number(value) % 2 ** 32 : value;
}

/** WebAssembly's integers are signed when JavaScript sees them. */
function unsigned(description: Built['fields'][number]['description'], value: unknown): unknown {
  const name =
    description.kind === 'bits' ? description.base : description.kind === 'scalar' ? description.name : 'u32';
  if (name === 'bool') return value !== 0;
  if (name === 'u64') return BigInt.asUintN(64, value as bigint);
  return name === 'u32' ? (value as number) >>> 0 : value;
}
