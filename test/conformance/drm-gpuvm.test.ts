/**
 * The fifteen overlaps of a new mapping with an old one that the documentation of Linux's DRM GPUVM draws, written
 * from those drawings. Units are theirs: 0 to 3; `a` and `b` are buffers, numbers after them offsets.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyPlan, type DeviceMapping, planMap, planUnmap } from '../../src/mm/index.ts';

type Mapping = DeviceMapping<string>;

/** `0 a 2 @5`: from 0 to 2, buffer a, offset 5. */
function mapping(text: string): Mapping {
  const [start, object, end, offset] = text.split(' ');
  return { start: Number(start), end: Number(end), object: object!, offset: Number(offset!.slice(1)) };
}

const drawn = ({ start, end, object, offset }: Mapping) => `${start} ${object} ${end} @${offset}`;

interface Case {
  readonly number: number;
  readonly what: string;
  readonly old: string;
  readonly request: string;
  readonly becomes: readonly string[];
  /** Whether page-table entries of the old mapping may stay. */
  readonly keep: boolean;
  readonly remaps: 0 | 1;
}

const cases: Case[] = [
  {
    number: 1,
    what: 'the same again',
    old: '0 a 1 @5',
    request: '0 a 1 @5',
    becomes: ['0 a 1 @5'],
    keep: true,
    remaps: 0,
  },
  {
    number: 2,
    what: 'another offset',
    old: '0 a 1 @5',
    request: '0 a 1 @9',
    becomes: ['0 a 1 @9'],
    keep: false,
    remaps: 0,
  },
  {
    number: 3,
    what: 'another buffer',
    old: '0 a 1 @5',
    request: '0 b 1 @5',
    becomes: ['0 b 1 @5'],
    keep: false,
    remaps: 0,
  },
  {
    number: 4,
    what: 'over a left part',
    old: '0 a 1 @5',
    request: '0 a 2 @5',
    becomes: ['0 a 2 @5'],
    keep: true,
    remaps: 0,
  },
  {
    number: 5,
    what: 'into the left part, another buffer',
    old: '0 a 2 @5',
    request: '0 b 1 @5',
    becomes: ['0 b 1 @5', '1 a 2 @6'],
    keep: false,
    remaps: 1,
  },
  {
    number: 6,
    what: 'into the left part, the same bytes',
    old: '0 a 2 @5',
    request: '0 a 1 @5',
    becomes: ['0 a 1 @5', '1 a 2 @6'],
    keep: true,
    remaps: 1,
  },
  {
    number: 7,
    what: 'into the right part, another buffer',
    old: '0 a 2 @5',
    request: '1 b 2 @9',
    becomes: ['0 a 1 @5', '1 b 2 @9'],
    keep: false,
    remaps: 1,
  },
  {
    number: 8,
    what: 'into the right part, the same bytes',
    old: '0 a 2 @5',
    request: '1 a 2 @6',
    becomes: ['0 a 1 @5', '1 a 2 @6'],
    keep: true,
    remaps: 1,
  },
  {
    number: 9,
    what: 'over the end, another buffer',
    old: '0 a 2 @5',
    request: '1 b 3 @9',
    becomes: ['0 a 1 @5', '1 b 3 @9'],
    keep: false,
    remaps: 1,
  },
  {
    number: 10,
    what: 'over the end, the same bytes',
    old: '0 a 2 @5',
    request: '1 a 3 @6',
    becomes: ['0 a 1 @5', '1 a 3 @6'],
    keep: true,
    remaps: 1,
  },
  {
    number: 11,
    what: 'into the middle, another buffer',
    old: '0 a 3 @5',
    request: '1 b 2 @9',
    becomes: ['0 a 1 @5', '1 b 2 @9', '2 a 3 @7'],
    keep: false,
    remaps: 1,
  },
  {
    number: 12,
    what: 'into the middle, the same bytes',
    old: '0 a 3 @5',
    request: '1 a 2 @6',
    becomes: ['0 a 1 @5', '1 a 2 @6', '2 a 3 @7'],
    keep: true,
    remaps: 1,
  },
  {
    number: 13,
    what: 'over a right part',
    old: '1 a 2 @6',
    request: '0 a 2 @5',
    becomes: ['0 a 2 @5'],
    keep: true,
    remaps: 0,
  },
  {
    number: 14,
    what: 'over a middle part',
    old: '1 a 2 @6',
    request: '0 a 3 @5',
    becomes: ['0 a 3 @5'],
    keep: true,
    remaps: 0,
  },
  {
    number: 15,
    what: 'over the start, another buffer',
    old: '1 a 3 @5',
    request: '0 b 2 @9',
    becomes: ['0 b 2 @9', '2 a 3 @6'],
    keep: false,
    remaps: 1,
  },
];

for (const { number, what, old, request, becomes, keep, remaps } of cases)
  test(`drm_gpuvm ${number}: ${what}`, () => {
    const mappings = [mapping(old)];
    const before = structuredClone(mappings);
    const plan = planMap(mappings, mapping(request));
    assert.equal(plan.remaps.length, remaps);
    assert.equal(plan.unmaps.length, 1 - remaps);
    assert.equal([...plan.remaps, ...plan.unmaps][0]!.keep, keep);
    assert.deepEqual(applyPlan(mappings, plan).map(drawn), becomes);
    assert.deepEqual(mappings, before);
  });

for (const number of [4, 13, 14])
  test(`drm_gpuvm ${number}: the same with another buffer or offset, but for what may be kept`, () => {
    const { old, request } = cases[number - 1]!;
    for (const change of [{ object: 'b' }, { offset: 9 }]) {
      const other = { ...mapping(request), ...change };
      const plan = planMap([mapping(old)], other);
      assert.equal(plan.unmaps[0]!.keep, false);
      assert.deepEqual(applyPlan([mapping(old)], plan).map(drawn), [drawn(other)]);
    }
  });

/** Disjoint mappings over [0, 40). */
const lists = fc
  .array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 6 }), fc.constantFrom('a', 'b'), fc.nat(20)), {
    maxLength: 12,
  })
  .map((items) => {
    const mappings: Mapping[] = [];
    let at = 0;
    for (const [gap, length, object, offset] of items) {
      mappings.push({ start: at + gap, end: at + gap + length, object, offset });
      at += gap + length;
    }
    return mappings;
  });

/** What each address shows. */
function shown(mappings: readonly Mapping[]): (string | undefined)[] {
  return Array.from({ length: 130 }, (_, address) => {
    const found = mappings.find(({ start, end }) => start <= address && address < end);
    return found && `${found.object}${found.offset + address - found.start}`;
  });
}

test('whatever was mapped, a plan has at most two remaps, and afterwards every address shows what it should', () => {
  const requests = fc.record({
    start: fc.nat(60),
    length: fc.integer({ min: 1, max: 40 }),
    object: fc.constantFrom('a', 'b'),
    offset: fc.nat(20),
  });
  fc.assert(
    fc.property(lists, requests, (mappings, { length, ...rest }) => {
      const request = { ...rest, end: rest.start + length };
      const expected = shown(mappings);
      const before = [...expected];
      const plans = [planUnmap(mappings, request), planMap(mappings, request)] as const;
      for (let i = request.start; i < request.end; i++) expected[i] = undefined;
      assert.deepEqual(shown(applyPlan(mappings, plans[0])), expected);
      for (let i = request.start; i < request.end; i++)
        expected[i] = `${request.object}${request.offset + i - request.start}`;
      assert.deepEqual(shown(applyPlan(mappings, plans[1])), expected);
      for (const { remaps, unmaps } of plans) {
        assert.ok(remaps.length <= 2);
        for (const { old, keep } of [...remaps, ...unmaps]) {
          const from = Math.max(old.start, request.start);
          const same = before[from] === `${request.object}${request.offset + from - request.start}`;
          if (remaps === plans[1].remaps) assert.equal(keep, same);
        }
      }
    }),
    { numRuns: 3000 },
  );
});

test('an empty range, an overflow, and mappings that overlap each other are refused', () => {
  const refused = { code: 'ERR_OUT_OF_RANGE' };
  const none: Mapping[] = [];
  assert.throws(() => planMap(none, mapping('2 a 2 @0')), refused);
  assert.throws(() => planMap(none, mapping('3 a 2 @0')), refused);
  assert.throws(() => planMap(none, { ...mapping('0 a 1 @0'), end: 2 ** 53 }), refused);
  assert.throws(() => planMap(none, mapping('0 a 1 @-1')), refused);
  assert.throws(() => planUnmap([mapping('0 a 3 @0'), mapping('2 a 4 @0')], { start: 0, end: 9 }), refused);
  assert.throws(() => planUnmap([], { start: '0', end: 1 } as never), { code: 'ERR_INVALID_ARG_TYPE' });
});
