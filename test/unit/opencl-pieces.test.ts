/**
 * The pure pieces of the OpenCL device: signatures of kernels, build logs, which devices may be tried.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { buildFailure, firstBuildError } from '../../src/device/opencl/build-log.ts';
import { unfit } from '../../src/device/opencl/fitness.ts';
import type { OpenClDeviceInfo } from '../../src/device/opencl/icd/devices.ts';
import { matchKinds, type ParameterInfo, parameterOf } from '../../src/device/opencl/kernel-signature.ts';
import { fieldNames } from '../../src/device/opencl/struct-fields.ts';
import { placesFrom, placesSource, type StructPlaces } from '../../src/device/opencl/struct-places.ts';
import { array, f32, f64, pointer, struct, toOpenCL, u8, u16, u32, union } from '../../src/layout/index.ts';

const Big = struct('Big', { a: f64, b: array(f32, 3), c: u8 });

const parameter = (
  type: string,
  space: ParameterInfo['space'] = 'private',
  { accessed = false, sizes = {} }: { accessed?: boolean; sizes?: Record<string, number> } = {},
  fields: StructPlaces['fields'] = {},
) =>
  parameterOf(
    'k',
    { name: 'x', type, space, accessed },
    new Map(Object.entries(sizes).map(([name, size]) => [name, { size, fields }])),
  );

describe('arguments of kernels', () => {
  test('numbers take kinds of their width, whatever the sign; an address fits into 64 bits', () => {
    const kinds = (type: string) => parameter(type).kinds.join(' ');
    assert.equal(kinds('int'), 'i32 u32');
    assert.equal(kinds('uint'), 'u32 i32');
    assert.equal(kinds('long'), 'i64 u64 pointer');
    assert.equal(kinds('ulong'), 'u64 i64 pointer');
    assert.equal(kinds('float'), 'f32');
    assert.equal(kinds('double'), 'f64');
    const sizes = ['int', 'uint', 'float', 'long', 'ulong', 'double'].map((type) => parameter(type).size);
    assert.deepEqual(sizes, [4, 4, 4, 8, 8, 8]);
  });

  test('pointers are to global or constant memory', () => {
    for (const space of ['global', 'constant'] as const) {
      const { kinds, form } = parameter('float4*', space);
      assert.deepEqual([kinds, form], [['pointer'], 'pointer']);
    }
  });

  test('what can not be given is refused with what can: vectors, small numbers, images, samplers, unmeasured structures', () => {
    const sizes = { float4: 16, uchar: 1, image2d_t: 8, sampler_t: 8 };
    for (const [type, space, accessed] of [
      ['struct node', 'private', false],
      ['float4', 'private', false],
      ['uchar', 'private', false],
      ['unsigned char', 'private', false],
      // Drivers say that images lie in global memory.
      ['image2d_t', 'global', true],
      ['image2d_array_depth_t', 'private', false],
      ['int', 'global', true],
      ['sampler_t', 'private', false],
      ['queue_t', 'private', false],
      // A property that every object has is no type.
      ['constructor', 'private', false],
    ] as const)
      assert.throws(() => parameter(type, space, { accessed, sizes }), {
        code: 'ERR_MIRROR_UNSUPPORTED',
        missing: 'such a kernel argument',
      });
  });

  test('a pointer to local memory takes a number of bytes, a structure its name and size', () => {
    assert.deepEqual(
      [parameter('int*', 'local').kinds, parameter('int*', 'local').form],
      [['local'], 'local'],
    );
    const Node = struct('Node', { value: f64, next: pointer() });
    const Other = struct('Other', { value: f64, next: pointer() });
    const AsUnion = union('Node', { a: f64, b: array(f64, 2) });
    const Short = struct('Node', { value: f64 });
    const match = (type: string, kind: unknown) =>
      matchKinds('k', [kind], [parameter(type, 'private', { sizes: { [type]: 16 } })]);
    match('struct Node', Node);
    match('Node', Node);
    match('Node', AsUnion);
    const wrong = { code: 'ERR_OUT_OF_RANGE' };
    assert.throws(() => match('struct Node', AsUnion), wrong);
    assert.throws(() => match('struct Node', Other), { ...wrong, message: /struct 'Node'.*struct Node x/ });
    assert.throws(() => match('Node', Short), { ...wrong, message: /of 16 bytes.*Received 8/ });
    for (const kind of ['pointer', 'local', 'u64', {}, f64, null])
      assert.throws(() => match('Node', kind), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => matchKinds('k', [Node], [parameter('int*', 'global')]), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    assert.throws(() => matchKinds('k', ['pointer'], [parameter('int*', 'local')]), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });

  test('a structure has its fields where the program has them', () => {
    const type = 'struct Mix';
    const fields = { a: { offset: 0, size: 4 }, at: { offset: 4, size: 4 }, v: { offset: 8, size: 16 } };
    const taken = parameter(type, 'private', { sizes: { [type]: 24 } }, fields);
    const match = (kind: unknown) => matchKinds('k', [kind], [taken]);
    const rest = { v: array(f32, 4) };
    match(struct('Mix', { a: u32, at: f32, ...rest }));
    // The program has a float3 there, and nothing by the other name.
    assert.throws(() => match(struct('Mix', { a: u32, at: f32, v: array(f32, 3), w: f32 })), /'w'/);
    for (const [own, says] of [
      [
        { at: f32, a: u32, ...rest },
        /'at' where the program has it.*struct Mix x, which has it at byte 4, of 4 bytes/,
      ],
      [
        { a: u32, b: f32, ...rest },
        /'b' where the program has it.*which has a, at, v: declare it as toOpenCL/,
      ],
      [
        { a: u16, b: u16, at: f32, ...rest },
        /'a' where.*which has it at byte 0, of 4 bytes.*Received .*a at byte 0, of 2 bytes/,
      ],
    ] as const)
      assert.throws(() => match(struct('Mix', own)), { code: 'ERR_OUT_OF_RANGE', message: says });
  });

  test('sizes and places are read from the work-groups that kernels of the measured program require', () => {
    const asked = [{ type: 'x', fields: [] }];
    assert.match(placesSource('typedef int x;', asked), /^typedef int x;\n__kernel .*sizeof\(x\)/);
    const number = fc.integer({ min: 0, max: 65535 });
    fc.assert(
      fc.property(fc.array(fc.array(number, { minLength: 1, maxLength: 5 }), { maxLength: 4 }), (numbers) => {
        // The size, then for each field what is made of one number: its offset, and its size.
        const structs = numbers.map(([, ...fields], i) => ({
          type: `struct S${i}`,
          fields: fields.map((_, j) => `f${j}`),
        }));
        const answerTo = (what: string): number => {
          const [, size] = /^sizeof\(struct S(\d+)\)$/.exec(what) ?? [];
          if (size) return numbers[Number(size)]![0]!;
          const [, kind, type, field] =
            /^(__builtin_offsetof|sizeof)\(.*struct S(\d+)[ *)0]*(?:, |->)f(\d+)\)$/.exec(what)!;
          const value = numbers[Number(type)]![1 + Number(field)]!;
          return kind === 'sizeof' ? 65535 - value : value;
        };
        const source = placesSource('', structs);
        const groups = (kernel: string) => {
          const line = source.split('\n').find((each) => each.includes(`void ${kernel}(`))!;
          const [, text] = /reqd_work_group_size\((.*), 1\)\)\) void/.exec(line)!;
          // C's integer division, by a reader of its own.
          return text!.split(/, (?=1 \+ )/).map((sum) => {
            const [, what, place, digit] = /^1 \+ (.*) \/ (\d+) % (\d+)$/.exec(sum)!;
            return 1 + (Math.floor(answerTo(what!) / Number(place)) % Number(digit));
          });
        };
        const expected = numbers.map(([size, ...fields], i) => [
          `struct S${i}`,
          {
            size,
            fields: Object.fromEntries(fields.map((n, j) => [`f${j}`, { offset: n, size: 65535 - n }])),
          },
        ]);
        assert.deepEqual(placesFrom(structs, groups), Object.fromEntries(expected));
      }),
    );
  });

  test('names of fields are read from plain declarations, and from nothing else', () => {
    const named = (source: string, type: string) => fieldNames(source, type)?.join(' ');
    const source = `
      // struct Node { int comment; };
      typedef struct Node Node;
      struct Node { int a, b[2]; /* int c; */ __global float4 *d; struct Inner { int e; } f; union { int g; }; ulong h; };
      typedef struct __attribute__((packed, aligned(4))) { uchar x; } __attribute__((aligned(8))) Pair, Other;`;
    assert.equal(named(source, 'struct Node'), 'a b d f h');
    assert.equal(named(source, 'Node'), 'a b d f h');
    assert.equal(named(source, 'struct Inner'), 'e');
    for (const type of ['Pair', 'Other']) assert.equal(named(source, type), 'x');
    assert.equal(named(source, 'Nobody'), undefined);
    assert.equal(named('struct A { int a; }; struct A { int b; };', 'struct A'), undefined);
    assert.equal(named('struct A {\n#ifdef X\nint a;\n#endif\n};', 'struct A'), undefined);
    assert.equal(named('struct A { int a;', 'struct A'), undefined);
    for (const type of [Big, union('Either', { one: f64, other: array(u8, 8) })])
      assert.equal(named(toOpenCL(type), type.name), Object.keys(type.fields).join(' '));
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'struct A{};[],#/*(x) \n') }), (text) => {
        const names = fieldNames(text, 'A');
        assert.ok(names === undefined || names.every((name) => /^[A-Za-z_]\w*$/.test(name)));
      }),
    );
  });

  test('kinds are matched one by one, and the refusal names the parameter', () => {
    const taken = [parameter('int*', 'global'), parameter('uint')];
    matchKinds('k', ['pointer', 'u32'], taken);
    matchKinds('k', ['pointer', 'i32'], taken);
    assert.throws(() => matchKinds('k', ['pointer'], taken), {
      code: 'ERR_OUT_OF_RANGE',
      message: /int\* x, uint x/,
    });
    assert.throws(() => matchKinds('k', ['pointer', 'f32'], taken), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /uint x/,
    });
    assert.throws(() => matchKinds('k', ['u32', 'u32'], taken), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => matchKinds('k', ['pointer', 'int'], taken), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => matchKinds('k', ['pointer', 7], taken), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => matchKinds('k', 'pointer', taken), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('build logs', () => {
  const source = 'kernel void a(global int *p) {\n  p[0] = nonsense;\n}';

  test('the first error has a line and a column, in the form of clang and in that of PoCL', () => {
    const expected = {
      file: '<kernel>',
      line: 2,
      column: 10,
      text: "use of undeclared identifier 'nonsense'",
    };
    const clang = `warning: a\n<kernel>:2:10: error: ${expected.text}\n<kernel>:9:1: error: b\n`;
    const pocl = `error: /root/.cache/pocl/kcache/tempfile_1.cl:2:10: ${expected.text}\nDevice x failed`;
    assert.deepEqual(firstBuildError(clang), expected);
    assert.deepEqual(firstBuildError(pocl), { ...expected, file: '/root/.cache/pocl/kcache/tempfile_1.cl' });
    assert.equal(firstBuildError('out of registers'), undefined);
  });

  test('an error in a file that is included is said to be there, and no line of the source is quoted', () => {
    const including = `#include "values.h"\n${source}`;
    for (const name of ['/tmp/a/values.h', '/usr/include/inner.h']) {
      const message = buildFailure(`error: ${name}:2:1: what`, including);
      assert.equal(message, `${name}, line 2: what\nbuild log:\nerror: ${name}:2:1: what`);
    }
    assert.match(buildFailure('error: /tmp/tempfile.cl:3:1: what', including), /^line 3: what\n {2}p\[0\]/);
  });

  test('the message quotes the line of the source, and not all of a long log', () => {
    const message = buildFailure(`x:2:10: error: what\n${'note\n'.repeat(100)}`, source);
    assert.match(message, /^line 2: what\n {2}p\[0\] = nonsense;\nbuild log:\n/);
    assert.match(message, /\(61 more lines\)$/);
    assert.equal(buildFailure('', source), 'the driver gives no build log');
    assert.equal(buildFailure('x:99:1: error: beyond', source), 'build log:\nx:99:1: error: beyond');
  });
});

describe('devices', () => {
  const pocl = {
    major: 3,
    version: 'OpenCL 3.0 PoCL',
    available: true,
    hasCompiler: true,
    littleEndian: true,
    addressBits: 64,
    svm: { coarseGrainBuffer: true, fineGrainBuffer: true, fineGrainSystem: false, atomics: true },
  } as OpenClDeviceInfo;
  const none = { coarseGrainBuffer: false, fineGrainBuffer: false, fineGrainSystem: false, atomics: false };

  test('a device with some shared virtual memory may be tried, others not, with the reason', () => {
    assert.equal(unfit(pocl), undefined);
    assert.equal(unfit({ ...pocl, svm: { ...none, coarseGrainBuffer: true } }), undefined);
    assert.match(unfit({ ...pocl, svm: none })!, /no shared virtual memory.*CL_DEVICE_SVM_CAPABILITIES/);
    assert.match(unfit({ ...pocl, major: 1, version: 'OpenCL 1.2 x' })!, /OpenCL 1\.2/);
    assert.match(unfit({ ...pocl, available: false })!, /CL_DEVICE_AVAILABLE/);
    assert.match(unfit({ ...pocl, hasCompiler: false })!, /compiler/);
    assert.match(unfit({ ...pocl, littleEndian: false })!, /big-endian/);
    assert.match(unfit({ ...pocl, addressBits: 32 })!, /32 bits/);
  });
});
