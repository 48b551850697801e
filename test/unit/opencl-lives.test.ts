/**
 * The process that has an OpenCL device, which is never closed: whether it ends, when, and what opening leaves behind. Each
 * in a child, since a driver's threads are in it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POCL, poclMissing } from '../fixtures/opencl.ts';
import { runProgram } from '../fixtures/run-child.ts';

const skip = { skip: poclMissing() ?? false };
process.env.OCL_ICD_VENDORS = POCL;
const run = (how: string) => runProgram('opencl-lives.mjs', [how]);

test('an idle OpenCL device does not keep its process alive', skip, async () => {
  assert.deepEqual(await run('idle'), { end: 0, said: [], stderr: '' });
});

test('a pending command keeps the process alive until it has ended', skip, async () => {
  assert.deepEqual(await run('pending'), { end: 0, said: [{ counted: 20_000_001 }], stderr: '' });
});

test('process.exit while a kernel runs ends the process with its code', skip, async () => {
  assert.equal((await run('exit')).end, 3);
});

test('devices that were opened and closed leave no descriptors', skip, async () => {
  assert.deepEqual((await run('opens')).said, [{ more: 0 }]);
});
