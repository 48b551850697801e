/**
 * The gap tree against a linear scan: random trees, windows and sequences. Small key spaces make collisions
 * and clipped windows likely; large ones make numbers beyond 2^32 the rule.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GapTree } from '../../src/mm/gap-tree.ts';
import { LinearOracle, type OracleRequest } from './linear-oracle.ts';

const HUGE = Number.MAX_SAFE_INTEGER;

/** Bounds of a tree, and how large its ranges and gaps typically are. */
const space = fc.constantFrom(
  { low: 0, high: 64, step: 4 },
  { low: 7, high: 1200, step: 9 },
  { low: 0, high: 60_000, step: 200 },
  { low: 65536, high: 2 ** 32, step: 2 ** 24 },
  { low: 0, high: 2 ** 47, step: 2 ** 40 },
  { low: 1, high: HUGE, step: 2 ** 46 },
);
type Space = { low: number; high: number; step: number };

/** Ranges packed from the bottom, with gaps of which many are 0. */
function trees(s: Space, maxRanges: number): fc.Arbitrary<{ start: number; end: number }[]> {
  const gap = fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(s.step) });
  const length = fc.integer({ min: 1, max: s.step });
  return fc.array(fc.tuple(gap, length), { maxLength: maxRanges, size: 'max' }).map((pairs) => {
    const ranges: { start: number; end: number }[] = [];
    let end = s.low;
    for (const [before, long] of pairs) {
      const start = end + before;
      end = start + long;
      if (end > s.high) break;
      ranges.push({ start, end });
    }
    return ranges;
  });
}

function requests(s: Space): fc.Arbitrary<OracleRequest> {
  const key = fc.oneof(
    fc.integer({ min: s.low, max: s.high }),
    fc.constantFrom(0, s.low, s.high, s.low + 1, s.high - 1, HUGE),
  );
  return fc.record({
    length: fc.oneof(fc.integer({ min: 1, max: s.step * 2 }), fc.integer({ min: 1, max: s.high })),
    low: key,
    high: key,
    alignMask: fc
      .oneof(fc.constant(0), fc.integer({ min: 1, max: Math.ceil(Math.log2(s.step)) + 2 }), fc.nat(52))
      .map((k) => 2 ** k - 1),
    alignOffset: fc.oneof(fc.constant(0), fc.integer({ min: -s.high, max: s.high })),
    fit: fc.constantFrom('linux', 'exact'),
  });
}

function oracleOf(s: Space, ranges: { start: number; end: number }[]): LinearOracle {
  const oracle = new LinearOracle(s.low, s.high);
  oracle.ranges = ranges.map((r) => ({ ...r }));
  return oracle;
}

function checkSearches(tree: GapTree, oracle: LinearOracle, request: OracleRequest): void {
  assert.equal(tree.findGap(request), oracle.findGap(request), `lowest: ${JSON.stringify(request)}`);
  assert.equal(
    tree.findGapTopdown(request),
    oracle.findGapTopdown(request),
    `highest: ${JSON.stringify(request)}`,
  );
}

test('both searches agree with a linear scan over random trees and windows', () => {
  fc.assert(
    fc.property(
      space.chain((s) =>
        fc.tuple(
          fc.constant(s),
          trees(s, 400),
          fc.array(requests(s), { minLength: 20, maxLength: 20 }),
          fc.boolean(),
        ),
      ),
      ([s, ranges, windows, bulk]) => {
        const oracle = oracleOf(s, ranges);
        let tree: GapTree;
        if (bulk) tree = GapTree.from(ranges, s.low, s.high);
        else {
          tree = new GapTree(s.low, s.high);
          for (const r of ranges) tree.insert(r.start, r.end);
        }
        tree.validate();
        for (const window of windows) checkSearches(tree, oracle, window);
      },
    ),
    { numRuns: 3000 },
  );
});

test('an exact fit is aligned, free, in the window, and no aligned place beyond it is', () => {
  const s = { low: 0, high: 160, step: 6 };
  fc.assert(
    fc.property(trees(s, 60), requests(s), (ranges, window) => {
      const oracle = oracleOf(s, ranges);
      const tree = GapTree.from(ranges, s.low, s.high);
      const { length, low, high, alignMask = 0, alignOffset = 0 } = window;
      const modulus = alignMask + 1;
      const good: number[] = [];
      for (let x = Math.max(low, s.low); x + length <= Math.min(high, s.high); x++)
        if ((x - alignOffset) % modulus === 0 && oracle.isFree(x, x + length)) good.push(x);
      assert.equal(tree.findGap({ ...window, fit: 'exact' }), good.at(0));
      assert.equal(tree.findGapTopdown({ ...window, fit: 'exact' }), good.at(-1));
    }),
    { numRuns: 3000 },
  );
});

test('at, next and previous agree with a linear scan', () => {
  fc.assert(
    fc.property(
      space.chain((s) => fc.tuple(fc.constant(s), trees(s, 300))),
      ([s, ranges]) => {
        const oracle = oracleOf(s, ranges);
        const tree = GapTree.from(ranges, s.low, s.high);
        const keys = ranges.flatMap((r) => [r.start - 1, r.start, r.start + 1, r.end - 1, r.end, r.end + 1]);
        for (const key of [0, s.low, s.high, HUGE, ...keys.filter((k) => Number.isSafeInteger(k))]) {
          assert.deepEqual(tree.at(key), oracle.at(key));
          assert.deepEqual(tree.next(key), oracle.next(key));
          assert.deepEqual(tree.previous(key), oracle.previous(key));
        }
        assert.deepEqual([...tree], oracle.ranges);
      },
    ),
    { numRuns: 300 },
  );
});

/** One step of a sequence; positions are fractions so that shrinking keeps them in range. */
const step = fc.record({
  verb: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'remove', 'removeWhole', 'place'),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  size: fc.double({ min: 0, max: 1, noNaN: true }),
  topdown: fc.boolean(),
});

test('random sequences of insert and remove keep the structure valid and equal to a plain list', () => {
  fc.assert(
    fc.property(space, fc.array(step, { minLength: 50, maxLength: 400, size: 'max' }), (s, steps) => {
      const tree = new GapTree(s.low, s.high);
      const oracle = new LinearOracle(s.low, s.high);
      for (const { verb, at, size, topdown } of steps) {
        let start = Math.floor(s.low + at * (s.high - s.low));
        let end = Math.min(s.high, start + 1 + Math.floor(size * s.step));
        if (verb === 'removeWhole' && oracle.ranges.length > 0) {
          const range = oracle.ranges[Math.floor(at * oracle.ranges.length)]!;
          start = range.start;
          end = range.end;
        }
        if (verb === 'place') {
          const request = { length: end - start, low: s.low, high: s.high };
          const place = topdown ? tree.findGapTopdown(request) : tree.findGap(request);
          assert.equal(place, topdown ? oracle.findGapTopdown(request) : oracle.findGap(request));
          if (place === undefined) continue;
          tree.insert(place, place + request.length);
          oracle.insert(place, place + request.length);
        } else if (verb === 'insert') {
          if (oracle.isFree(start, end)) {
            tree.insert(start, end);
            oracle.insert(start, end);
          } else assert.throws(() => tree.insert(start, end), RangeError);
        } else if (oracle.isPresent(start, end)) {
          tree.remove(start, end);
          oracle.remove(start, end);
        } else assert.throws(() => tree.remove(start, end), RangeError);
        tree.validate();
        assert.equal(tree.size, oracle.ranges.length);
      }
      assert.deepEqual([...tree], oracle.ranges);
    }),
    { numRuns: 300 },
  );
});

test('a tree of several levels, filled and emptied in random order, stays valid and equal to a plain list', () => {
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.nat()),
      fc.constantFrom('ascending', 'descending', 'random'),
      fc.constantFrom('ascending', 'descending', 'random'),
      (stream, filling, emptying) => {
        const draw = () => stream.next().value as number;
        const count = 6000;
        const order = (how: string, list: number[]): number[] => {
          if (how === 'descending') return list.toReversed();
          if (how === 'random')
            for (let i = list.length - 1; i > 0; i--) {
              const j = draw() % (i + 1);
              [list[i], list[j]] = [list[j]!, list[i]!];
            }
          return list;
        };
        const tree = new GapTree(0, count * 100);
        const keys = order(
          filling,
          Array.from({ length: count }, (_, i) => i),
        );
        for (const [done, k] of keys.entries()) {
          tree.insert(k * 100 + 10, k * 100 + 20 + (k % 80));
          if (done % 499 === 0) tree.validate();
        }
        tree.validate();
        assert.deepEqual(
          [...tree],
          Array.from({ length: count }, (_, k) => ({ start: k * 100 + 10, end: k * 100 + 20 + (k % 80) })),
        );
        const present = new Set(keys);
        for (const [done, k] of order(
          emptying,
          [...keys].sort((a, b) => a - b),
        ).entries()) {
          tree.remove(k * 100 + 10, k * 100 + 20 + (k % 80));
          present.delete(k);
          if (done % 499 === 0) {
            tree.validate();
            const rest = [...present].sort((a, b) => a - b);
            assert.deepEqual(
              [...tree].map((r) => r.start),
              rest.map((r) => r * 100 + 10),
            );
          }
        }
        tree.validate();
        assert.equal(tree.size, 0);
        assert.equal(tree.findGapTopdown({ length: count * 100 }), 0);
      },
    ),
    { numRuns: 20 },
  );
});

test('searches agree with a linear scan while a large tree churns', () => {
  fc.assert(
    fc.property(
      fc.array(requests({ low: 0, high: 2 ** 47, step: 2 ** 37 }), { minLength: 60, maxLength: 60 }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
        minLength: 2000,
        maxLength: 2000,
      }),
      (windows, draws) => {
        const s = { low: 0, high: 2 ** 47 };
        const tree = new GapTree(s.low, s.high);
        const oracle = new LinearOracle(s.low, s.high);
        for (const [i, draw] of draws.entries()) {
          const start = Math.floor(draw * (s.high - 2 ** 35));
          const end = start + 1 + ((i * 2 ** 24) % 2 ** 34);
          if (oracle.isFree(start, end)) {
            tree.insert(start, end);
            oracle.insert(start, end);
          } else if (oracle.ranges.length > 500) {
            const range = oracle.ranges[Math.floor(draw * oracle.ranges.length)]!;
            tree.remove(range.start, range.end);
            oracle.remove(range.start, range.end);
          }
          if (i % 100 === 99) for (const window of windows.slice(0, 10)) checkSearches(tree, oracle, window);
        }
        tree.validate();
        for (const window of windows) checkSearches(tree, oracle, window);
      },
    ),
    { numRuns: 10 },
  );
});

test('removing a stretch over many ranges cuts the outer two and drops the rest', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.nat(2999),
      fc.integer({ min: 1, max: 3000 }),
      (size, start, length) => {
        const tree = new GapTree(0, 3000);
        const oracle = new LinearOracle(0, 3000);
        for (let at = 0; at < 3000; at += size) {
          tree.insert(at, Math.min(3000, at + size));
          oracle.ranges.push({ start: at, end: Math.min(3000, at + size) });
        }
        const end = Math.min(3000, start + length);
        tree.remove(start, end);
        oracle.remove(start, end);
        tree.validate();
        assert.deepEqual([...tree], oracle.ranges);
      },
    ),
    { numRuns: 500 },
  );
});
