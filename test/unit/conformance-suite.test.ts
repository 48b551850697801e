/**
 * The conformance suite itself: it has all of OpenCL's cases of shared virtual memory, and counts what was run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTRACT_CASES, SVM_CASES } from '../../src/device/conformance/cases.ts';
import { Tally } from '../../src/device/conformance/tally.ts';

/** The tests of OpenCL-CTS, test_conformance/SVM. */
const ORIGINALS = [
  'svm_byte_granularity',
  'svm_set_kernel_exec_info_svm_ptrs',
  'svm_fine_grain_memory_consistency',
  'svm_fine_grain_sync_buffers',
  'svm_shared_address_space_fine_grain',
  'svm_shared_sub_buffers',
  'svm_shared_address_space_fine_grain_buffers',
  'svm_allocate_shared_buffer',
  'svm_shared_address_space_coarse_grain_old_api',
  'svm_shared_address_space_coarse_grain_new_api',
  'svm_cross_buffer_pointers_coarse_grain',
  'svm_pointer_passing',
  'svm_enqueue_api',
  'svm_migrate',
  'svm_allocate_shared_buffer_negative',
  'svm_negative_memcpy_overlap',
];

test('all 16 cases of the OpenCL conformance tests are there, and every case has a name of its own', () => {
  const names = [...SVM_CASES, ...CONTRACT_CASES].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const original of ORIGINALS)
    assert.ok(
      SVM_CASES.some(({ name }) => new RegExp(`^${original}[:,]`).test(name)),
      original,
    );
});

test('the tally misses a case that was not run, and one that was skipped and may not be', () => {
  const tally = new Tally(['one: a', 'two: b', 'three: c']);
  tally.ran('one: a');
  tally.skipped('two: b', 'no memory');
  assert.throws(() => tally.check(undefined), /not run to their end/);
  tally.skipped('three: c', 'no isolation', true);
  tally.check(undefined);
  tally.check(['two:']);
  assert.throws(() => tally.check(['tw:', 'one']), /may not be/);
  assert.throws(() => tally.check([]), { actual: ['two: b'] });
  assert.deepEqual(tally.lines(), [
    '1 of 3 cases ran',
    'skipped: two: b: no memory',
    'skipped: three: c: no isolation',
  ]);
});
