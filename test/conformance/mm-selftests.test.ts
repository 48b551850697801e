/**
 * Linux's selftests of address spaces, written from their description, on the model: map_fixed_noreplace, mremap, and
 * layouts of its VMA tests. test/kernel runs the same on the running kernel.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressSpace } from '../../src/mm/index.ts';
import { callModel } from '../fixtures/mm-live/subjects.ts';
import { moved, PAGE, scenarios } from '../fixtures/mm-scenarios.ts';

const BASE = 0x10000000;

for (const { name, steps, layout } of scenarios)
  test(name, () => {
    const space = new AddressSpace();
    for (const [i, { call, gives }] of steps.entries()) {
      const answer = callModel(space, moved(call, BASE), []);
      const named = call.verb === 'mmap' || call.verb === 'mremap';
      const expected = named && typeof gives === 'number' ? BASE + gives * PAGE : gives;
      assert.equal(answer, expected, `step ${i + 1}: ${JSON.stringify(call)}`);
      space.ranges.validate();
    }
    assert.deepEqual(
      space.vmas().map(({ start, end, prot }) => [(start - BASE) / PAGE, (end - BASE) / PAGE, prot]),
      layout,
    );
  });
