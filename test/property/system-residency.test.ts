/** Bitmaps of resident pages, and what to fetch for a missing one, against sets of page numbers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chooseChunk } from '../../src/device/process/system/chunks.ts';
import { BLOCK_PAGES, Residency } from '../../src/device/process/system/residency.ts';

const PAGE = 4096;
/** Around the edges of blocks, and far up. */
const BASES = [0, BLOCK_PAGES - 5, 3 * BLOCK_PAGES - 40, 2 ** 35 - 2 * BLOCK_PAGES];

const range = fc
  .record({
    base: fc.constantFrom(...BASES),
    at: fc.nat(2 * BLOCK_PAGES),
    pages: fc.integer({ min: 1, max: 700 }),
  })
  .map(({ base, at, pages }) => ({ start: (base + at) * PAGE, end: (base + at + pages) * PAGE }));
const step = fc.record({ verb: fc.constantFrom('add', 'remove'), range });

function pagesOf({ start, end }: { start: number; end: number }): number[] {
  return Array.from({ length: (end - start) / PAGE }, (_, i) => start / PAGE + i);
}

describe('residency', () => {
  it('is a set of pages', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), range, (steps, asked) => {
        const residency = new Residency(PAGE);
        const model = new Set<number>();
        for (const { verb, range } of steps) {
          if (verb === 'add') residency.add(range);
          else residency.remove(range);
          for (const page of pagesOf(range)) {
            if (verb === 'add') model.add(page);
            else model.delete(page);
          }
        }
        assert.equal(residency.pages, model.size);
        const listed = residency.ranges();
        assert.deepEqual(
          listed.flatMap(pagesOf),
          [...model].sort((a, b) => a - b),
        );
        for (let i = 1; i < listed.length; i++) assert.ok(listed[i - 1]!.end < listed[i]!.start);
        const there = pagesOf(asked).filter((page) => model.has(page));
        assert.equal(residency.count(asked), there.length);
        assert.deepEqual(residency.within(asked).flatMap(pagesOf), there);
        assert.deepEqual(
          residency.gaps(asked).flatMap(pagesOf),
          pagesOf(asked).filter((page) => !model.has(page)),
        );
        for (const page of pagesOf(asked).slice(0, 3))
          assert.equal(residency.has(page * PAGE), model.has(page));
      }),
    );
  });
});

describe('what to fetch for a missing page', () => {
  const situation = fc.record({
    resident: fc.array(range, { maxLength: 8 }),
    bounds: range,
    pick: fc.nat(),
    sequential: fc.boolean(),
    size: fc.constantFrom(0, 1, 2, 64, 512).map((pages) => pages * PAGE),
  });

  it('holds the page, stays within the mapping and its block, and is no more than the rule allows', () => {
    fc.assert(
      fc.property(situation, ({ resident, bounds, pick, sequential, size }) => {
        const residency = new Residency(PAGE);
        for (const each of resident) residency.add(each);
        const missing = residency.gaps(bounds).flatMap(pagesOf);
        fc.pre(missing.length > 0);
        const page = missing[pick % missing.length]! * PAGE;
        const next = sequential ? page : page + PAGE;
        const chunk = chooseChunk(page, bounds, residency, { next, size });
        assert.ok(chunk.start <= page && page + PAGE <= chunk.end);
        assert.ok(chunk.start >= bounds.start && chunk.end <= bounds.end);
        assert.ok(chunk.start % PAGE === 0 && chunk.end % PAGE === 0);
        const block = Math.floor(page / residency.blockSize) * residency.blockSize;
        assert.ok(chunk.start >= block && chunk.end <= block + residency.blockSize);
        if (!sequential)
          assert.deepEqual({ start: chunk.start, end: chunk.end }, largestMajority(page, bounds, residency));
        else assert.ok(chunk.end - page >= Math.min(2 * size, PAGE, bounds.end - page));
      }),
    );
  });

  /** By the words of the rule: node by node, each with what would be there after the fetch below it. */
  function largestMajority(page: number, bounds: { start: number; end: number }, residency: Residency) {
    let fetched = new Set([page / PAGE]);
    let chosen = { start: page, end: page + PAGE };
    for (let pages = 2; pages <= BLOCK_PAGES; pages *= 2) {
      const from = Math.floor(page / (pages * PAGE)) * pages * PAGE;
      const node = { start: Math.max(bounds.start, from), end: Math.min(bounds.end, from + pages * PAGE) };
      const all = pagesOf(node);
      const there = all.filter((each) => fetched.has(each) || residency.has(each * PAGE));
      if (there.length > all.length / 2) {
        chosen = node;
        fetched = new Set(all);
      }
    }
    return chosen;
  }

  it('takes few fetches for a sequence, and one page each where pages lie far apart', () => {
    const bounds = { start: 0, end: 64 * BLOCK_PAGES * PAGE };
    for (const [stride, most] of [
      [1, 80],
      [100, 64 * BLOCK_PAGES],
    ] as const) {
      const residency = new Residency(PAGE);
      let sequence = { next: -1, size: 0 };
      let fetches = 0;
      for (let page = 0; page < bounds.end; page += stride * PAGE) {
        if (residency.has(page)) continue;
        const chunk = chooseChunk(page, bounds, residency, sequence);
        residency.add(chunk);
        sequence = chunk.sequence;
        fetches++;
        if (stride > 1) assert.equal(chunk.end - chunk.start, PAGE);
      }
      assert.ok(fetches <= most, `${fetches} fetches`);
    }
  });
});
