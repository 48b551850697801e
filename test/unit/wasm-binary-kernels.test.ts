/**
 * Which exports are kernels, and how declarations are checked against them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  inspectModule,
  kernelsOf,
  kindsFor,
  matchSignature,
  type ParameterKind,
  parameterKinds,
  type ValueType,
  valueTypeOf,
} from '../../src/device/wasm/binary/index.ts';
import { buildModule } from '../fixtures/wasm-builder.ts';
import { compileAssemblyScript, deviceFlags } from '../fixtures/wasm-compile.ts';

test('kernels are the exported functions that begin with two i32', () => {
  const params: ValueType[][] = [
    ['i32', 'i32'],
    ['i32', 'i32', 'i64', 'f32'],
    ['i32'],
    ['i32', 'i64'],
    ['f64', 'i32', 'i32'],
    [],
  ];
  const info = inspectModule(
    buildModule({
      functions: params.map((list) => ({ signature: { params: list, results: [] } })),
      globals: [{ type: 'i32', mutable: false, init: [0x41, 0] }],
      exports: [
        ...params.map((_, index) => ({ name: `f${index}`, kind: 'function' as const, index })),
        { name: 'global', kind: 'global', index: 0 },
      ],
    }),
  );
  assert.deepEqual(kernelsOf(info), [
    { name: 'f0', params: [] },
    { name: 'f1', params: ['i64', 'f32'] },
  ]);
});

test('the run-time functions that AssemblyScript exports are no kernels', async () => {
  const binary = await compileAssemblyScript('export function k(begin: i32, end: i32): void {}', [
    ...deviceFlags,
    '--exportRuntime',
  ]);
  const info = inspectModule(binary);
  assert.ok(info.exports.some(({ name }) => name === '__new'));
  assert.deepEqual(kernelsOf(info), [{ name: 'k', params: [] }]);
});

test('every kind fits the type it travels as, and no other', () => {
  const types: ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128', 'funcref', 'externref'];
  for (const kind of parameterKinds) {
    for (const type of types) {
      const match = () => matchSignature('k', [kind], [type]);
      if (valueTypeOf(kind) === type) match();
      else assert.throws(match, { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
      assert.equal(kindsFor(type).includes(kind), valueTypeOf(kind) === type);
    }
  }
});

test('a declaration that fits passes', () => {
  matchSignature('k', [], []);
  matchSignature(
    'k',
    ['pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64'],
    [...(['i32', 'i32', 'i32'] as const), ...(['i64', 'i64', 'f32', 'f64'] as const)],
  );
});

test('a wrong kind is a TypeError that names the position, the module and the declaration', () => {
  assert.throws(() => matchSignature('sum', ['pointer', 'u32'], ['i32', 'f64']), {
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message:
      `The "parameter 1 of kernel 'sum'" argument must be declared as 'f64': the module has f64 there ` +
      `(sum(i32, i32, i32, f64) -> nothing), and 'u32' is i32. Received string "u32"`,
  });
  assert.throws(() => matchSignature('sum', ['f32'], ['i32']), /declared as 'pointer', 'u32' or 'i32'/);
  assert.throws(() => matchSignature('sum', ['u64'], ['externref']), /is externref, which cannot be passed/);
});

test('a wrong number of parameters is a RangeError that shows both lists', () => {
  assert.throws(() => matchSignature('sum', ['pointer'], ['i32', 'f64']), {
    name: 'RangeError',
    code: 'ERR_OUT_OF_RANGE',
    message:
      `The value of "number of parameters of kernel 'sum'" is out of range. It must be 2: after begin and end ` +
      'the module has (i32, f64) and the program declares (pointer). Received 1',
  });
});

test('a kind that does not exist is refused, whatever it is', () => {
  const declare = (kind: unknown) => () => matchSignature('k', [kind as ParameterKind], ['i32']);
  assert.throws(declare('int'), {
    name: 'RangeError',
    message: /'pointer', 'u32'.* or 'f64'. Received "int"/,
  });
  assert.throws(declare('toString'), { name: 'RangeError' });
  assert.throws(declare(32), { name: 'TypeError' });
  assert.throws(declare(undefined), { name: 'TypeError' });
  assert.throws(() => matchSignature('k', 'u32' as unknown as ParameterKind[], ['i32']), {
    name: 'TypeError',
  });
});
