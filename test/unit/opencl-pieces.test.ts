/**
 * The pure pieces of the OpenCL device: signatures of kernels, build logs, which devices may be tried.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildFailure, firstBuildError } from '../../src/device/opencl/build-log.ts';
import { unfit } from '../../src/device/opencl/fitness.ts';
import type { OpenClDeviceInfo } from '../../src/device/opencl/icd/devices.ts';
import { matchKinds, type ParameterInfo, parameterOf } from '../../src/device/opencl/kernel-signature.ts';

const parameter = (type: string, space: ParameterInfo['space'] = 'private') =>
  parameterOf('k', { name: 'x', type, space });

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
      const { kinds, pointer } = parameter('float4*', space);
      assert.deepEqual([kinds, pointer], [['pointer'], true]);
    }
  });

  test('what can not be given is refused with what can: structures, vectors, small numbers, local memory', () => {
    for (const [type, space] of [
      ['struct node', 'private'],
      ['float4', 'private'],
      ['uchar', 'private'],
      ['int*', 'local'],
      // A property that every object has is no type.
      ['constructor', 'private'],
    ] as const)
      assert.throws(() => parameter(type, space), {
        code: 'ERR_MIRROR_UNSUPPORTED',
        missing: 'such a kernel argument',
      });
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
    const expected = { line: 2, column: 10, text: "use of undeclared identifier 'nonsense'" };
    const clang = `warning: a\n<kernel>:2:10: error: ${expected.text}\n<kernel>:9:1: error: b\n`;
    const pocl = `error: /root/.cache/pocl/kcache/tempfile_1.cl:2:10: ${expected.text}\nDevice x failed`;
    assert.deepEqual(firstBuildError(clang), expected);
    assert.deepEqual(firstBuildError(pocl), expected);
    assert.equal(firstBuildError('out of registers'), undefined);
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
