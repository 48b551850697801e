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
import { sizeFrom, sizesSource } from '../../src/device/opencl/struct-sizes.ts';
import { array, f64, pointer, struct, union } from '../../src/layout/index.ts';

const parameter = (
  type: string,
  space: ParameterInfo['space'] = 'private',
  { accessed = false, sizes = {} }: { accessed?: boolean; sizes?: Record<string, number> } = {},
) => parameterOf('k', { name: 'x', type, space, accessed }, new Map(Object.entries(sizes)));

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

  test('a size is read from the work-groups that kernels of the measured program require', () => {
    assert.match(sizesSource('typedef int x;', ['x', 'struct y']), /^typedef int x;\n__kernel .*sizeof\(x\)/);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65535 }), fc.nat(9), (size, structure) => {
        const source = sizesSource('', Array(structure + 1).fill('T'));
        const groups = (kernel: string) => {
          const line = source.split('\n').find((each) => each.includes(`void ${kernel}(`))!;
          const [, text] = /reqd_work_group_size\((.*)\)\)\) void/.exec(line)!;
          // C's integer division, by a reader of its own.
          return text!.split(', ').map((sum) => {
            const digit = /^1 \+ sizeof\(T\) \/ (\d+) % (\d+)$/.exec(sum);
            return digit ? 1 + (Math.floor(size / Number(digit[1])) % Number(digit[2])) : Number(sum);
          });
        };
        assert.equal(sizeFrom(structure, groups), size);
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
