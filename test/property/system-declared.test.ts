/**
 * Which pages a device without faults is to have: judged page by page by a naive reckoning.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type DeclaredRun, planDeclared } from '../../src/device/process/system/declared-runs.ts';

const PAGE = 16;
const PAGES = 24;
const END = PAGE * PAGES;

const byteRange = fc
  .tuple(fc.nat(END - 1), fc.integer({ min: 1, max: 4 * PAGE }))
  .map(([start, length]) => ({ start, end: Math.min(END, start + length) }));
const pins = fc.array(
  fc.tuple(byteRange, fc.boolean()).map(([range, write]) => ({ ...range, write })),
  {
    maxLength: 8,
  },
);
/** Disjoint runs of pages, by start, from a picture of which pages are in. */
const pageRuns = fc.array(fc.boolean(), { minLength: PAGES, maxLength: PAGES }).map((inside) => {
  const runs: { start: number; end: number }[] = [];
  inside.forEach((is, page) => {
    const last = runs.at(-1);
    if (is && last?.end === page * PAGE) last.end += PAGE;
    else if (is) runs.push({ start: page * PAGE, end: (page + 1) * PAGE });
  });
  return runs;
});

/** The access to each page; undefined for none. Throws where two runs hold the same page. */
function pictureOf(runs: readonly DeclaredRun[]): (string | undefined)[] {
  const picture = new Array<string | undefined>(PAGES).fill(undefined);
  for (const { start, end, access } of runs)
    for (let page = start / PAGE; page < end / PAGE; page++) {
      assert.equal(picture[page], undefined, `page ${page} twice`);
      picture[page] = access;
    }
  return picture;
}

it('whatever is pinned, and whatever was there before, each page is what its pins say, and what need not change stays', () => {
  fc.assert(
    fc.property(fc.array(pins, { minLength: 1, maxLength: 5 }), pageRuns, pageRuns, (steps, live, claims) => {
      let had: readonly DeclaredRun[] = [];
      for (const step of steps) {
        const { added, gone } = planDeclared({ pins: step, live, claims, had, pageSize: PAGE });
        assert.ok(gone.every((run) => had.includes(run)));
        const expected = Array.from({ length: PAGES }, (_, page) => {
          const at = page * PAGE;
          const holds = (ranges: readonly { start: number; end: number }[]) =>
            ranges.some(({ start, end }) => start < at + PAGE && at < end);
          if (!holds(claims) || holds(live)) return undefined;
          if (holds(step.filter(({ write }) => write))) return 'write';
          return holds(step) ? 'read' : undefined;
        });
        for (const run of gone)
          assert.ok(
            expected.slice(run.start / PAGE, run.end / PAGE).some((access) => access !== run.access),
            'a run went that is as it should be',
          );
        had = [...had.filter((run) => !gone.includes(run)), ...added];
        assert.deepEqual(pictureOf(had), expected);
      }
    }),
    { numRuns: 500 },
  );
});
