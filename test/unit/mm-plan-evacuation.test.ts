/** Which mappings a device does not reach, and where they would fit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as mm from '../../src/mm/index.ts';

const PAGE = 4096;
const { AddressSpace, GiB, MiB } = mm;
const anonymous = { prot: mm.PROT_READ, flags: mm.MAP_PRIVATE | mm.MAP_ANONYMOUS };
const WINDOW = { start: GiB, end: 4 * GiB };

function at(space: mm.AddressSpace, address: number, length: number, more: object = {}): number {
  return space.mmap({
    ...anonymous,
    flags: anonymous.flags | mm.MAP_FIXED_NOREPLACE,
    address,
    length,
    ...more,
  });
}

test('what lies in the window stays, what lies outside or across its edge is moved, the largest first', () => {
  const space = new AddressSpace();
  at(space, 2 * GiB, MiB);
  const above = at(space, 2 ** 40, MiB);
  const across = at(space, 4 * GiB - MiB, 2 * MiB);
  const below = at(space, 16 * MiB, PAGE);
  const { moves, stranded } = mm.planEvacuation(space, WINDOW);
  assert.deepEqual(
    moves.map(({ vma, to }) => [vma.start, to]),
    [
      [below, GiB + 3 * MiB],
      [across, GiB],
      [above, GiB + 2 * MiB],
    ],
  );
  assert.deepEqual(stranded, []);
  assert.equal(space.find(above)?.start, above);
});

test('reserved regions are kept clear, alignment is kept, and what has no room is named', () => {
  const space = new AddressSpace();
  const large = at(space, 2 ** 40, 3 * GiB);
  const small = at(space, 2 ** 41, MiB);
  const reserved = [{ start: GiB, end: GiB + PAGE }];
  const { moves, stranded } = mm.planEvacuation(space, WINDOW, { reserved, alignment: 2 * MiB });
  assert.deepEqual(
    moves.map(({ vma, to }) => [vma.start, to]),
    [[small, GiB + 2 * MiB]],
  );
  assert.deepEqual(
    stranded.map(({ vma, reason }) => [vma.start, reason]),
    [[large, 'no-room']],
  );
});

test('stacks, device memory and the kernel’s own pages are pinned, unless the caller knows better', () => {
  const stack = '7ff000000000-7ff000001000 rw-p 0 0:0 0 [stack]';
  const vdso = '7ff000002000-7ff000003000 r-xp 0 0:0 0 [vdso]';
  const named = '7ff000004000-7ff000005000 rw-p 0 0:0 0 [anon:pool]';
  const space = mm.addressSpaceOf(mm.parseMaps([stack, vdso, named].join('\n')).vmas);
  const file = { fileOperations: { mmap: () => mm.VM_PFNMAP } };
  at(space, 2 ** 41, PAGE, { flags: mm.MAP_SHARED | mm.MAP_FIXED_NOREPLACE, file });
  const plan = mm.planEvacuation(space, WINDOW);
  assert.deepEqual(
    plan.moves.map(({ vma }) => vma.name),
    ['[anon:pool]'],
  );
  assert.deepEqual(
    plan.stranded.map(({ reason }) => reason),
    ['pinned', 'pinned', 'pinned'],
  );
  assert.equal(mm.planEvacuation(space, WINDOW, { movable: () => true }).moves.length, 4);
  assert.equal(mm.planEvacuation(space, WINDOW, { movable: () => false }).stranded.length, 4);
});

test('a plan can be carried out as a whole: every mremap gives the planned place, and then all is reached', () => {
  const places = fc.array(
    fc.record({ gap: fc.nat(400), pages: fc.integer({ min: 1, max: 200 }), outside: fc.boolean() }),
    { minLength: 1, maxLength: 30 },
  );
  fc.assert(
    fc.property(places, (list) => {
      const space = new AddressSpace();
      const next = { inside: GiB, outside: 2 ** 40 };
      for (const { gap, pages, outside } of list) {
        const key = outside ? 'outside' : 'inside';
        const address = next[key] + gap * PAGE;
        next[key] = at(space, address, pages * PAGE, { prot: (gap + pages) % 8 }) + pages * PAGE;
      }
      const window = { start: GiB, end: GiB + 16 * MiB };
      const { moves, stranded } = mm.planEvacuation(space, window);
      for (const { vma, to } of moves) {
        const flags = mm.MREMAP_MAYMOVE | mm.MREMAP_FIXED;
        const above = space.areaAbove(to);
        assert.ok(!above || above.start >= to + vma.size, 'the place is free when its turn comes');
        space.mremap({ address: vma.start, oldLength: vma.size, newLength: vma.size, flags, newAddress: to });
      }
      const outside = space.vmas().filter(({ start, end }) => start < window.start || end > window.end);
      assert.deepEqual(
        outside.map(({ start }) => start),
        stranded.map(({ vma }) => vma.start),
      );
    }),
    { numRuns: 300 },
  );
});

test('bad windows and options are refused', () => {
  const space = new AddressSpace();
  const refused = { code: 'ERR_OUT_OF_RANGE' };
  for (const window of [
    { start: 1, end: 1 },
    { start: -1, end: 1 },
    { start: 0, end: 2 ** 53 },
  ])
    assert.throws(() => mm.planEvacuation(space, window), refused);
  assert.throws(() => mm.planEvacuation(space, WINDOW, { alignment: 3 }), refused);
  assert.throws(() => mm.planEvacuation(space, WINDOW, { alignment: 64 }), refused);
  assert.throws(() => mm.planEvacuation(space, WINDOW, { reserved: [{ start: 2, end: 1 }] }), refused);
  assert.throws(() => mm.planEvacuation(space, null as never), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => mm.planEvacuation(space, WINDOW, { movable: 1 as never }), {
    code: 'ERR_INVALID_ARG_TYPE',
  });
});
