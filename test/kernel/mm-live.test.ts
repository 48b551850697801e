/**
 * The address-space model against the running kernel: the same random operations on both, in a child process with a
 * window reserved for them. Answers and VMAs are compared after every operation, the VMAs' flags after every few.
 * A failure prints seed and operations; `MIRRORSPACE_SEED=...` repeats it.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { release } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { bundle, canHave, type Personality, runBundle } from '../fixtures/mm-live/run.ts';

const seed = Number(process.env.MIRRORSPACE_SEED ?? Date.now() % 2 ** 31);
/** The model is of one kernel: x86-64, with what mremap can do since 6.17. Elsewhere there is nothing to compare. */
const [major, minor] = release().split('.').map(Number) as [number, number];
const foreign =
  process.arch !== 'x64' || major < 6 || (major === 6 && minor < 17)
    ? `the model is of Linux 6.17 and newer on x86-64, this is ${release()} on ${process.arch}`
    : false;
const paths: string[] = [];
let compare = '';
let predict = '';
let scripted = '';
let heap = '';

before(async () => {
  compare = await bundle('child');
  predict = await bundle('predict');
  scripted = await bundle('scripted');
  heap = await bundle('heap');
  paths.push(compare, predict, scripted, heap);
});

after(() => {
  for (const path of paths) rmSync(path, { force: true });
});

interface Profile {
  readonly name: string;
  readonly operations: number;
  readonly windowPages: number;
  readonly large: boolean;
  readonly layout: 'topdown' | 'legacy';
  readonly personality: Personality;
}

const profiles: Profile[] = [
  {
    name: 'in a small window of a process as it is',
    operations: 90_000,
    windowPages: 48,
    large: false,
    layout: 'topdown',
    personality: [],
  },
  {
    name: 'with MAP_32BIT, where addresses are not randomised',
    operations: 50_000,
    windowPages: 48,
    large: false,
    layout: 'topdown',
    personality: ['-R'],
  },
  {
    name: 'of 2 MiB and more, where huge pages want alignment',
    operations: 30_000,
    windowPages: 4096,
    large: true,
    layout: 'topdown',
    personality: [],
  },
  {
    name: 'in the legacy layout, which is searched from the bottom up',
    operations: 30_000,
    windowPages: 48,
    large: false,
    layout: 'legacy',
    personality: ['-R', '-L'],
  },
];

interface Outcome {
  readonly failed: boolean;
  readonly operations: number;
  readonly comparisons: number;
  readonly texts: number;
  readonly changes: number;
  readonly errors: number;
  readonly disturbed: number;
}

describe('random operations, on the model and on this kernel', () => {
  for (const { name, operations, personality, ...options } of profiles)
    test(`${name}: ${operations} agree in every answer and in every VMA`, { skip: foreign }, (t) => {
      if (!canHave(personality)) return t.skip(`setarch ${personality.join(' ')} is not possible here`);
      t.diagnostic(`seed ${seed}`);
      const fixedLow32 = personality.includes('-R');
      const arguments_ = { ...options, operations, seed, fixedLow32, every: 16 };
      const outcome = runBundle<Outcome>(compare, arguments_, personality);
      t.diagnostic(JSON.stringify(outcome));
      assert.equal(outcome.failed, false);
      assert.ok(outcome.operations >= operations);
      // Operations that do nothing would agree as well.
      assert.ok(outcome.changes > operations / 5);
      assert.ok(outcome.operations - outcome.errors > operations / 3);
      // After each, but where the answer differed for once.
      assert.ok(outcome.comparisons >= outcome.operations - outcome.disturbed);
      assert.ok(outcome.texts > operations / 40);
      // Differences that did not come again: something else in the child mapped memory.
      assert.ok(outcome.disturbed <= 20, `${outcome.disturbed} disturbances`);
    });
});

test('10,000 calls of mmap(NULL, n) in a quiet process are foretold; no miss is the model’s', {
  skip: foreign,
}, (t) => {
  t.diagnostic(`seed ${seed}`);
  const outcome = runBundle<{
    calls: number;
    right: number;
    changed: number;
    wrong: number;
    aligned: number;
    wrongOnes: string[];
  }>(predict, { calls: 10_000, seed });
  t.diagnostic(JSON.stringify(outcome));
  assert.equal(outcome.wrong, 0, outcome.wrongOnes.join('\n'));
  assert.equal(outcome.calls, 10_000);
  assert.equal(outcome.right + outcome.changed, 10_000);
  assert.ok(outcome.right > 9_500, `${outcome.changed} changes`);
});

test('the scenarios of test/conformance come out on this kernel as they are told', { skip: foreign }, () => {
  const { scenarios, wrong } = runBundle<{ scenarios: number; wrong: string[] }>(scripted, {
    windowPages: 256,
    limit: false,
  });
  assert.deepEqual(wrong, []);
  assert.ok(scenarios > 20);
});

test('at vm.max_map_count the model refuses what this kernel refuses, and leaves what it leaves', {
  skip: foreign,
}, (t) => {
  const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'));
  if (limit > 200_000) return t.skip(`vm.max_map_count is ${limit}: too many to fill`);
  const { refusals, wrong } = runBundle<{ refusals: number; wrong: string[] }>(scripted, {
    windowPages: limit + 4096,
    limit: true,
  });
  assert.deepEqual(wrong, []);
  assert.ok(refusals >= 7, `${refusals} refusals`);
});

test('brk, on the heap of a process, with mappings in its way', { skip: foreign }, (t) => {
  t.diagnostic(`seed ${seed}`);
  const outcome = runBundle<{ operations: number; moved: number; refused: number; wrong: string[] }>(heap, {
    rounds: 500,
    seed,
  });
  t.diagnostic(JSON.stringify(outcome));
  assert.deepEqual(outcome.wrong, []);
  assert.ok(outcome.moved > 1000 && outcome.refused > 100);
});
