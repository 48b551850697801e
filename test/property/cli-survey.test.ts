/** The rows that `mirrorspace maps` draws, and Linux's search as `plan` asks it, against page-by-page oracles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMaps, type Vma } from 'mirrorspace/mm';
import { parseBytes } from '../../src/cli/arguments.ts';
import { linuxPlace } from '../../src/cli/plan-linux.ts';
import { freeIn, survey } from '../../src/cli/survey.ts';

const PAGE = 4096;
const PAGES = 64;

/** Mappings of a few pages each, as /proc lists them: ascending and disjoint, neighbours of one name among them. */
const maps = fc
  .array(
    fc.record({
      gap: fc.nat(4),
      length: fc.integer({ min: 1, max: 5 }),
      name: fc.constantFrom('/a', '/b', ''),
    }),
  )
  .map((parts): Vma[] => {
    let at = 0;
    const lines: string[] = [];
    for (const { gap, length, name } of parts) {
      const [start, end] = [at + gap, at + gap + length];
      if (end > PAGES) break;
      at = end;
      const hex = (page: number) => (page * PAGE).toString(16).padStart(8, '0');
      lines.push(`${hex(start)}-${hex(end)} r--p 00000000 08:01 ${name ? 7 : 0} ${name}`);
    }
    return parseMaps(lines.join('\n')).vmas;
  });

/** The name of what is at each page; undefined for nothing. */
function byPage(vmas: readonly Vma[]): (string | undefined)[] {
  return Array.from(
    { length: PAGES },
    (_, page) => vmas.find(({ start, end }) => start <= page * PAGE && page * PAGE < end)?.name,
  );
}

test('rows cover every page once, with what is there, and end where a window does', () => {
  fc.assert(
    fc.property(maps, fc.array(fc.nat(PAGES)), fc.boolean(), (vmas, cuts, every) => {
      const rows = survey(
        vmas,
        { start: 0, end: PAGES * PAGE },
        { every, cuts: cuts.map((cut) => cut * PAGE) },
      );
      const drawn = rows.flatMap(({ start, end, kind, name }) =>
        Array.from({ length: (end - start) / PAGE }, () => (kind === 'hole' ? undefined : name)),
      );
      assert.deepEqual(drawn, byPage(vmas));
      for (const [i, row] of rows.entries()) assert.equal(row.start, i === 0 ? 0 : rows[i - 1]!.end);
      for (const cut of cuts)
        assert.ok(!rows.some(({ start, end }) => start < cut * PAGE && cut * PAGE < end), `cut at ${cut}`);
      if (!every && cuts.length === 0)
        for (const [i, row] of rows.entries())
          assert.ok(
            i === 0 ||
              row.kind === 'hole' ||
              rows[i - 1]!.name !== row.name ||
              rows[i - 1]!.kind !== row.kind,
          );
    }),
  );
});

test('what is free in a window, and its largest hole, are those of a count of pages', () => {
  fc.assert(
    fc.property(maps, fc.nat(PAGES - 1), fc.integer({ min: 1, max: PAGES }), (vmas, low, length) => {
      const high = Math.min(PAGES, low + length);
      const pages = byPage(vmas).slice(low, high);
      const { total, largest } = freeIn(vmas, { start: low * PAGE, end: high * PAGE });
      assert.equal(total, pages.filter((name) => name === undefined).length * PAGE);
      const runs =
        pages
          .map((name) => (name === undefined ? '.' : '#'))
          .join('')
          .match(/\.+/g) ?? [];
      const longest = Math.max(0, ...runs.map((run) => run.length));
      assert.equal(largest === null ? 0 : largest.end - largest.start, longest * PAGE);
    }),
  );
});

test("Linux's search for plan takes the lowest or highest gap that holds size and alignment together", () => {
  fc.assert(
    fc.property(
      maps,
      fc.integer({ min: 1, max: 6 }),
      fc.nat(3),
      fc.boolean(),
      fc.option(fc.nat(PAGES - 4), { nil: undefined }),
      (vmas, pages, power, topdown, reservedPage) => {
        const align = PAGE * 2 ** power;
        const reserved =
          reservedPage === undefined ? [] : [{ start: reservedPage * PAGE, end: (reservedPage + 3) * PAGE }];
        const taken = byPage(vmas).map(
          (name, page) =>
            name !== undefined ||
            reserved.some(({ start, end }) => start <= page * PAGE && page * PAGE < end),
        );
        const size = pages * PAGE;
        const found = linuxPlace({
          ...{
            vmas,
            reserved,
            window: { start: 0, end: PAGES * PAGE },
            size,
            align,
            topdown,
            pageSize: PAGE,
          },
        });
        // Gaps, as the kernel takes them: the first that is long enough in the worst case.
        const gaps: { start: number; end: number }[] = [];
        for (const [page, is] of [...taken, true].entries()) {
          if (is) continue;
          const last = gaps.at(-1);
          if (last && last.end === page * PAGE) last.end += PAGE;
          else gaps.push({ start: page * PAGE, end: (page + 1) * PAGE });
        }
        const padded = size + (align > PAGE ? align - 1 : 0);
        const fitting = gaps.filter(({ start, end }) => end - start >= padded);
        const gap = topdown ? fitting.at(-1) : fitting[0];
        const expected =
          gap === undefined
            ? undefined
            : topdown
              ? Math.floor((gap.end - size) / align) * align
              : Math.ceil(gap.start / align) * align;
        assert.equal(found, expected);
      },
    ),
  );
});

test('sizes are read as they are written, in every unit', () => {
  const units = ['', 'K', 'M', 'G', 'T'];
  fc.assert(
    fc.property(fc.nat(1023), fc.nat(4), fc.constantFrom('', 'B', 'iB'), (count, power, tail) => {
      const unit = units[power]!;
      const suffix = unit === '' && tail === 'iB' ? 'B' : tail;
      assert.equal(parseBytes(`${count}${unit}${suffix}`), count * 1024 ** power);
      assert.equal(parseBytes(`${count}${unit.toLowerCase()}`), count * 1024 ** power);
      assert.equal(parseBytes(`0x${(count * 1024 ** power).toString(16)}`), count * 1024 ** power);
    }),
  );
});
