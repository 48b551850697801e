/**
 * Neighbours: other threads map and unmap where the mirror looks for places, others use up mappings, addresses,
 * descriptors and memory, and start processes. Nobody's mapping is ever replaced, every shortage is a typed error after
 * which all goes on, and nothing leaks. /proc/self/maps is the judge. MIRRORSPACE_STRESS=full takes longer.
 */
import assert from 'node:assert/strict';
import { rmdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { runProgram } from '../fixtures/run-child.ts';

const OPERATIONS = process.env.MIRRORSPACE_STRESS === 'full' ? 1_000_000 : 100_000;

interface Failure {
  readonly name: string;
  readonly code: string;
  readonly errno?: string;
  readonly syscall?: string;
  readonly message: string;
}

/** The allocator takes its memory beforehand: where the process can map no more, V8 would end it for a few bytes. */
const PROVISIONED = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TOP_PAD_: String(2 ** 26),
  MALLOC_MMAP_THRESHOLD_: String(2 ** 25),
};

/** Runs the scenario; it must have come to its end. */
async function run(scenario: string, ...args: string[]): Promise<unknown[]> {
  const { end, said, stderr } = await runProgram('neighbours.mjs', [scenario, ...args], { env: PROVISIONED });
  assert.equal(end, 0, `${scenario}: ${JSON.stringify(said)} ${stderr}`);
  return said;
}

function assertNoMemory(failure: unknown, syscall: string, words: RegExp): void {
  const { message, ...rest } = failure as Failure;
  assert.deepEqual(rest, { name: 'SystemError', code: 'ERR_MIRROR_SYSTEM', errno: 'ENOMEM', syscall });
  assert.match(message, words);
}

describe('neighbours:', () => {
  test(`${OPERATIONS} times alloc or free among threads that map in the same place replace no foreign mapping and leave none`, async () => {
    const [found, end] = (await run('crowd', String(OPERATIONS))) as [Record<string, unknown>, unknown];
    const { allocated, freed, viewed, native, ...rest } = found as Record<string, number>;
    for (const count of [allocated!, freed!]) assert.ok(count > OPERATIONS / 3, String(count));
    assert.ok(viewed! > OPERATIONS / 100 && native! > OPERATIONS / 100, `${viewed}, ${native}`);
    assert.deepEqual(rest, {
      judged: OPERATIONS / 1000,
      wrong: 0,
      spoiled: 0,
      refused: 0,
      byDevice: OPERATIONS / 100,
      left: [],
      foreign: [true, true],
      lost: 0,
      clean: true,
    });
    assert.deepEqual(end, { mappings: 0, descriptors: 0 });
  });

  test('near vm.max_map_count alloc is refused with that reason, before the process dies of it, and works after frees', async () => {
    const [{ refused, ...rest }, end] = (await run('mapLimit')) as [Record<string, unknown>, unknown];
    assertNoMemory(refused, 'mmap', /vm\.max_map_count allows it \d+/);
    const { before, ...after } = rest as { before: { made: number } };
    assert.ok(before.made > 300, String(before.made));
    assert.deepEqual(before, { made: before.made, counted: true, intact: true });
    assert.deepEqual(after, { again: 'ENOMEM', collected: true, intact: true });
    assert.deepEqual(end, { left: 0 });
  });

  test('a device that protects its window has half as many, is refused more with that reason, and works on', async () => {
    assert.deepEqual(await run('protected'), [
      { errno: 'ENOMEM', syscall: 'mprotect', named: true, stored: 42, again: true },
    ]);
  });

  test('at vm.max_map_count, where no mapping can be split, free still frees, and its addresses come back later', async () => {
    const [{ split, ...rest }] = (await run('freeAtLimit')) as [Record<string, unknown>];
    assert.deepEqual(rest, {
      whole: 1,
      failures: [],
      live: 20,
      intact: true,
      collected: true,
      closed: true,
      empty: true,
    });
    // With room there would be forty. Another thread may have left some.
    assert.ok(Number(split) < 20, String(split));
  });

  test('under RLIMIT_AS alloc and openMirror are refused, nothing is lost, and a smaller buffer fits', async () => {
    const [found] = (await run('addressSpace')) as [Record<string, unknown>];
    const { refused, device, ...rest } = found;
    assertNoMemory(refused, 'mmap', /RLIMIT_AS/);
    // Node itself may end before the device can say that its memory does not fit.
    assert.ok(['UnsupportedError', 'DeviceLost'].includes(String(device)), String(device));
    assert.deepEqual(rest, { leaks: false, buffers: 1, kept: 7 });
  });

  test('under RLIMIT_FSIZE the arena is shorter or refused, SIGXFSZ kills nobody, and wild accesses beyond it are faults', async () => {
    const [found] = (await run('fileSize')) as [Record<string, unknown>];
    const { refused, ...rest } = found;
    const { message, ...plain } = refused as Failure;
    assert.deepEqual(plain, {
      name: 'SystemError',
      code: 'ERR_MIRROR_SYSTEM',
      errno: 'EFBIG',
      syscall: 'ftruncate',
    });
    assert.match(message, /RLIMIT_FSIZE/);
    assert.deepEqual(rest, {
      leaks: false,
      warnings: ['MirrorspaceWarning'],
      above: 'PlacementError',
      top: true,
      filled: true,
      wild: 'DeviceFault',
      stored: 42,
    });
  });

  test('without enough descriptors openMirror is refused and leaves nothing; an open mirror needs none', async () => {
    const [few, open] = (await run('descriptors')) as [Record<string, unknown>, unknown];
    const { refused, opened, ...wrong } = few;
    assert.deepEqual(wrong, { strange: [], leaks: [] });
    // Memory files, eventfds, pipes and what tells of the process: with ten it can't have been opened.
    assert.ok(Number(opened) > 10 && refused === opened, `opened with ${opened}, refused ${refused} times`);
    assert.deepEqual(open, { none: 'EMFILE', moved: true, size: 4096, stored: 42 });
  });

  test('where a control group has no memory left, commit is ENOMEM and nobody is killed', async (t) => {
    const [found] = (await run('commit')) as [Record<string, unknown> | string];
    if (typeof found === 'string') return t.skip(found);
    const { large, small, ...rest } = found;
    for (const failure of [large, small])
      assertNoMemory(failure, 'fallocate', /control group \/.+ of memory left/);
    assert.deepEqual(rest, { some: true, intact: true, counted: true });
  });

  test('without commit the kernel kills the process that touches memory which is not there', async (t) => {
    const { end, said } = await runProgram('neighbours.mjs', ['uncommitted']);
    if (said[0] === 'no control group') return t.skip(said[0]);
    rmdirSync(String(said[0]));
    assert.equal(said[1], 'allocated');
    assert.equal(said.length, 2);
    assert.equal(end, 'SIGKILL');
  });

  test('programs that start while a kernel runs inherit nothing of the mirror, and disturb neither', async () => {
    assert.deepEqual(await run('fork'), [
      { told: 40, seen: 0, status: 'submitted', counted: 1020, intact: true },
      '',
    ]);
  });
});
