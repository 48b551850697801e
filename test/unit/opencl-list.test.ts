/**
 * The list of OpenCL devices, from the drivers that are installed, and what is said where there is none.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import * as CL from '../../src/device/opencl/icd/constants.ts';
import { infoNumber, infoText, type Query } from '../../src/device/opencl/icd/info.ts';
import { checkStatus, statusName } from '../../src/device/opencl/icd/status.ts';
import { checkChoice } from '../../src/device/opencl/list-devices.ts';
import { OpenClError } from '../../src/errors.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

const missing = poclMissing();
const program = fileURLToPath(new URL('../fixtures/programs/opencl-list.mjs', import.meta.url));

function list(vendors: string) {
  const env = { ...process.env, OCL_ICD_VENDORS: vendors };
  const { stdout, status } = spawnSync(process.execPath, [program], { encoding: 'utf8', env });
  assert.equal(status, 0);
  return JSON.parse(stdout);
}

test('PoCL is listed as its driver describes it', { skip: missing ?? false }, () => {
  const { devices } = list(POCL);
  assert.equal(devices.length, 1);
  const [{ platform, type, major, addressBits, svm, computeUnits, maxWorkItemSizes, hasCompiler }] = devices;
  assert.equal(platform.name, 'Portable Computing Language');
  assert.equal(type, 'cpu');
  assert.ok(major >= 2);
  assert.equal(addressBits, 64);
  assert.ok(computeUnits >= 1);
  assert.equal(maxWorkItemSizes.length, 3);
  assert.equal(hasCompiler, true);
  assert.equal(svm.coarseGrainBuffer, true);
  assert.equal(svm.fineGrainBuffer, true);
});

test('where the loader finds no driver, the refusal names the package to install', {
  skip: missing ?? false,
}, () => {
  const { error } = list('/nowhere');
  assert.equal(error.name, 'UnsupportedError');
  assert.equal(error.missing, 'OpenCL driver');
  assert.match(error.message, /CL_PLATFORM_NOT_FOUND_KHR.*apt-get install .*pocl-opencl-icd/);
});

test('an error of OpenCL carries the name of its constant; a driver that has its own gets its number', () => {
  assert.throws(
    () => checkStatus('clCreateContext', -33),
    (error: unknown) =>
      error instanceof OpenClError &&
      error.code === 'ERR_MIRROR_OPENCL' &&
      error.constant === 'CL_INVALID_DEVICE' &&
      error.status === -33 &&
      error.call === 'clCreateContext' &&
      error.message === 'clCreateContext failed: CL_INVALID_DEVICE (-33)',
  );
  checkStatus('clCreateContext', 0);
  assert.equal(statusName(-9999), 'CL_STATUS_-9999');
});

test('every error code of OpenCL 1.0 to 3.0 has its name, and no two have the same', () => {
  const range = (first: number, last: number) =>
    Array.from({ length: first - last + 1 }, (_, i) => first - i);
  // The two runs of codes in cl.h; what is in no run belongs to extensions.
  const codes = [...range(-1, -19), ...range(-30, -72), ...range(-1000, -1013), ...range(-1057, -1059)];
  for (const code of codes) assert.match(statusName(code), /^CL_(?!STATUS_)[A-Z][A-Z0-9_]+$/, String(code));
  for (const code of [...range(-20, -29), -73, -999]) assert.equal(statusName(code), `CL_STATUS_${code}`);
  assert.equal(new Set(codes.map(statusName)).size, codes.length);
});

test('no call of OpenCL loses its status, but of those that give back, and of the last at the end of a device', () => {
  const folder = fileURLToPath(new URL('../../src/device/opencl/', import.meta.url));
  const lost: string[] = [];
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) =>
    each.endsWith('.ts'),
  )) {
    const visit = (node: ts.Node): void => {
      if (ts.isExpressionStatement(node)) {
        const call = ts.isAwaitExpression(node.expression) ? node.expression.expression : node.expression;
        const called = ts.isCallExpression(call) && ts.isPropertyAccessExpression(call.expression);
        const method = called ? call.expression.name.text : '';
        if (/^cl[A-Z]/.test(method)) lost.push(method);
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(name, readFileSync(join(folder, name), 'utf8'), ts.ScriptTarget.Latest, true));
  }
  const expected = /^cl(Re(lease|tain)[A-Z]\w+|SVMFree|Finish(Async)?|Flush)$/;
  assert.deepEqual(
    lost.filter((method) => !expected.test(method)),
    [],
  );
  assert.ok(lost.length >= 5);
});

/** A driver that answers with those bytes. */
const answers =
  (bytes: Uint8Array): Query =>
  (size, value, needed) => {
    if (needed) new BigUint64Array(needed.buffer)[0] = BigInt(bytes.length);
    if (value) new Uint8Array(value.buffer).set(bytes.subarray(0, size));
    return 0;
  };

test('texts end at their null, numbers are of 4 or of 8 bytes, an error is thrown', () => {
  assert.equal(infoText('clGetX', answers(new TextEncoder().encode(' PoCL \0rest'))), 'PoCL');
  assert.equal(infoText('clGetX', answers(new Uint8Array())), '');
  assert.equal(infoNumber('clGetX', answers(new Uint8Array([1, 0, 0, 0x80]))), 0x80000001);
  assert.equal(infoNumber('clGetX', answers(new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0]))), 2 ** 32);
  assert.throws(() => infoText('clGetX', () => -30), { constant: 'CL_INVALID_VALUE' });
});

test('a choice of a device is a part of a name or a number', () => {
  assert.deepEqual(checkChoice({ platform: 'pocl', device: 0 }), { platform: 'pocl', device: 0 });
  assert.deepEqual(checkChoice({}), {});
  for (const bad of [{ platform: -1 }, { device: 0.5 }, { device: '' }])
    assert.throws(() => checkChoice(bad), { code: 'ERR_OUT_OF_RANGE' });
  assert.throws(() => checkChoice({ device: {} as never }), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('names in the registry stand for numbers of their own', () => {
  const info = Object.entries(CL).filter(
    ([name]) => /^CL_DEVICE_[A-Z_]+$/.test(name) && !/_SVM_.*(GRAIN|ATOMICS)|TYPE_/.test(name),
  );
  assert.equal(new Set(info.map(([, value]) => value)).size, info.length);
});
