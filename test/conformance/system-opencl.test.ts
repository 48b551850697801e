/**
 * OpenCL's conformance case of fine-grained system SVM, for host, process (which copies by page faults) and OpenCL (PoCL),
 * all with system SVM: lists in plain memory, in all pairs of producer and consumer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openclDevice, processDevice } from 'mirrorspace';
import { Sides } from '../../src/device/conformance/sides.ts';
import { fineGrainSystem, plainLists } from '../../src/device/conformance/svm/system.ts';
import { targetOf } from '../fixtures/conformance-target.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

test(`${fineGrainSystem.name}, host, process and OpenCL`, { skip: poclMissing() ?? false }, async () => {
  process.env.OCL_ICD_VENDORS = POCL;
  const target = targetOf('host, process and OpenCL', () => ({
    proc: processDevice({ cores: 1, system: 'all' }),
    opencl: openclDevice(),
  }));
  const sides = await Sides.open(target);
  try {
    assert.equal(sides.pairs().length, 9);
    for (const { producer, consumer } of sides.pairs()) await plainLists(sides, producer, consumer);
  } finally {
    await sides.mirror.close();
  }
});
