/**
 * Linux's search with guard gaps and retries, against its rules written down naively: an array of VMAs, every
 * gap recomputed on every retry. The exact fit is judged by trying every address.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  GapTree,
  type UnmappedAreaInfo,
  unmappedArea,
  unmappedAreaTopdown,
  type VmaSource,
  vmUnmappedArea,
} from '../../src/mm/index.ts';

interface GuardedVma {
  start: number;
  end: number;
  before: number;
  after: number;
}

type Info = Required<UnmappedAreaInfo>;

const SPACE_END = 400;
const MAX = Number.MAX_SAFE_INTEGER;

const vmaList: fc.Arbitrary<GuardedVma[]> = fc
  .array(
    fc.record({
      gap: fc.nat(12),
      length: fc.integer({ min: 1, max: 9 }),
      before: fc.constantFrom(0, 0, 0, 1, 4, 9, 500),
      after: fc.constantFrom(0, 0, 0, 0, 3, 8, 500),
    }),
    { maxLength: 40, size: 'max' },
  )
  .map((items) => {
    const vmas: GuardedVma[] = [];
    let end = 0;
    for (const { gap, length, before, after } of items) {
      const start = end + gap;
      end = start + length;
      if (end > SPACE_END) break;
      vmas.push({ start, end, before, after });
    }
    return vmas;
  });

const infos: fc.Arbitrary<Info> = fc.record({
  length: fc.oneof(fc.nat(12), fc.nat(60)),
  lowLimit: fc.oneof(fc.constant(0), fc.nat(SPACE_END)),
  highLimit: fc.oneof(fc.constant(SPACE_END), fc.nat(SPACE_END + 50), fc.constant(MAX)),
  alignMask: fc.constantFrom(0, 0, 1, 3, 7, 31),
  alignOffset: fc.integer({ min: -40, max: 40 }),
  startGap: fc.constantFrom(0, 0, 1, 5),
  topdown: fc.boolean(),
  fit: fc.constant('linux'),
  semantics: fc.constant('v7.0'),
});

function sourceOf(vmas: GuardedVma[], mmapMinAddr: number, end = SPACE_END): VmaSource {
  const byStart = new Map(vmas.map((v) => [v.start, v]));
  return {
    ranges: GapTree.from(vmas, 0, end),
    guardBefore: (start) => byStart.get(start)!.before,
    guardAfter: (start) => byStart.get(start)!.after,
    mmapMinAddr,
  };
}

/** Gaps of the space, clipped to [low, high), that hold `size`; lowest first. */
function clippedGaps(vmas: GuardedVma[], low: number, high: number, size: number): [number, number][] {
  const found: [number, number][] = [];
  const edges = [0, ...vmas.flatMap((v) => [v.start, v.end]), SPACE_END];
  for (let i = 0; i < edges.length; i += 2) {
    const start = Math.max(edges[i]!, low);
    const end = Math.min(edges[i + 1]!, high);
    if (end - start >= size) found.push([start, end]);
  }
  return found;
}

const modulo = (a: number, m: number) => ((a % m) + m) % m;

function naiveLinux(vmas: GuardedVma[], mmapMinAddr: number, info: Info): number | undefined {
  const padded = info.length + info.alignMask + info.startGap;
  if (padded === 0) return undefined;
  let low = Math.max(info.lowLimit, mmapMinAddr);
  let high = info.highLimit;
  for (;;) {
    const gaps = clippedGaps(vmas, low, high, padded);
    const gap = info.topdown ? gaps.at(-1) : gaps.at(0);
    if (gap === undefined) return undefined;
    const [start, end] = gap;
    const next = vmas.find((v) => v.start >= end);
    const previous = vmas.findLast((v) => v.end <= start);
    let a: number;
    if (info.topdown) {
      a = end - info.length;
      a -= modulo(a - info.alignOffset, info.alignMask + 1);
      if (next && next.before > 0) {
        const guarded = Math.max(0, next.start - next.before);
        if (guarded < end) {
          high = guarded;
          continue;
        }
      } else if (previous && previous.end + previous.after > a) {
        high = previous.start;
        continue;
      }
    } else {
      a = start + info.startGap;
      a += modulo(info.alignOffset - a, info.alignMask + 1);
      if (next && next.before > 0) {
        if (Math.max(0, next.start - next.before) < a + padded - 1) {
          low = next.end;
          continue;
        }
      } else if (previous && previous.end + previous.after > a) {
        low = previous.end + previous.after;
        continue;
      }
    }
    return a;
  }
}

function naiveExact(vmas: GuardedVma[], mmapMinAddr: number, info: Info): number | undefined {
  const good: number[] = [];
  for (let a = 0; a + info.length <= SPACE_END && info.length > 0; a++) {
    const from = a - info.startGap;
    const to = a + info.length;
    if (from < Math.max(0, info.lowLimit, mmapMinAddr) || to > info.highLimit) continue;
    if (modulo(a - info.alignOffset, info.alignMask + 1) !== 0) continue;
    if (vmas.some((v) => v.start < to && v.end > from)) continue;
    const next = vmas.find((v) => v.start >= to);
    const previous = vmas.findLast((v) => v.end <= from);
    if (next && next.start - next.before < to) continue;
    if (previous && previous.end + previous.after > a) continue;
    good.push(a);
  }
  return info.topdown ? good.at(-1) : good.at(0);
}

test('the Linux fit retries after guard gaps exactly as the written rules say', () => {
  fc.assert(
    fc.property(
      vmaList,
      fc.constantFrom(0, 0, 16, 100),
      fc.array(infos, { minLength: 8, maxLength: 8 }),
      (vmas, min, list) => {
        const space = sourceOf(vmas, min);
        for (const info of list) {
          const expected = naiveLinux(vmas, min, info);
          assert.equal(vmUnmappedArea(space, info), expected, JSON.stringify({ vmas, min, info }));
          const direct = info.topdown ? unmappedAreaTopdown : unmappedArea;
          assert.equal(direct(space, { ...info, topdown: !info.topdown }), expected);
        }
      },
    ),
    { numRuns: 5000 },
  );
});

test('the exact fit finds the best place that keeps alignment, start gap and guard gaps', () => {
  fc.assert(
    fc.property(
      vmaList,
      fc.constantFrom(0, 0, 16, 100),
      fc.array(infos, { minLength: 4, maxLength: 4 }),
      (vmas, min, list) => {
        const space = sourceOf(vmas, min);
        for (const some of list) {
          const info: Info = { ...some, fit: 'exact', length: Math.max(1, some.length) };
          assert.equal(
            vmUnmappedArea(space, info),
            naiveExact(vmas, min, info),
            JSON.stringify({ vmas, min, info }),
          );
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test('what the Linux fit finds, the exact fit finds at least as far in the direction of the search', () => {
  fc.assert(
    fc.property(vmaList, infos, (list, some) => {
      // In units of 4 bytes: the kernel compares with the last byte, not the end, and a page hides that.
      const vmas = list.map((v) => ({ start: v.start * 4, end: v.end * 4, before: v.before * 4, after: 0 }));
      const space = sourceOf(vmas, 0, SPACE_END * 4);
      const info = {
        ...some,
        length: some.length * 4,
        lowLimit: some.lowLimit * 4,
        highLimit: Math.min(MAX, some.highLimit * 4),
        startGap: some.startGap * 4,
      };
      fc.pre(info.length > 0);
      const linux = vmUnmappedArea(space, info);
      if (linux === undefined) return;
      const exact = vmUnmappedArea(space, { ...info, fit: 'exact' });
      assert.ok(exact !== undefined && (info.topdown ? exact >= linux : exact <= linux));
    }),
    { numRuns: 3000 },
  );
});

test('without guard gaps the search is the first or last gap that holds the padded length, then aligned', () => {
  fc.assert(
    fc.property(vmaList, infos, (vmas, info) => {
      const padded = info.length + info.alignMask + info.startGap;
      const gaps = padded === 0 ? [] : clippedGaps(vmas, info.lowLimit, info.highLimit, padded);
      const modulus = info.alignMask + 1;
      let expected: number | undefined;
      if (info.topdown && gaps.length > 0) {
        const a = gaps.at(-1)![1] - info.length;
        expected = a - modulo(a - info.alignOffset, modulus);
      } else if (gaps.length > 0) {
        const a = gaps[0]![0] + info.startGap;
        expected = a + modulo(info.alignOffset - a, modulus);
      }
      assert.equal(vmUnmappedArea({ ranges: GapTree.from(vmas, 0, SPACE_END) }, info), expected);
    }),
    { numRuns: 3000 },
  );
});
