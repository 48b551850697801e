/**
 * What the host sees of each page of a coarse buffer, against a page by page account; and maps and unmaps at random, whose
 * pages are those of the mappings that are left, also where the kernel refuses a call in the middle.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HostRange } from '../../src/device/device.ts';
import { SystemError } from '../../src/errors.ts';
import { changesOf, Ownership, type PageKind, pagesOf } from '../../src/mirror/ownership.ts';

const PAGE = 16;
const PAGES = 12;
const whole = { start: 160, end: 160 + PAGE * PAGES };

const mapping: fc.Arbitrary<HostRange> = fc
  .record({
    from: fc.nat(PAGE * PAGES - 1),
    length: fc.integer({ min: 1, max: PAGE * PAGES }),
    access: fc.constantFrom<HostRange['access']>('read', 'write', 'readwrite'),
  })
  .map(({ from, length, access }) => ({
    start: whole.start + from,
    end: Math.min(whole.end, whole.start + from + length),
    access,
  }));

/** Page by page. */
function naive(mappings: readonly HostRange[]): PageKind[] {
  return Array.from({ length: PAGES }, (_, i) => {
    const start = whole.start + i * PAGE;
    const over = mappings.filter((each) => each.start < start + PAGE && start < each.end);
    return over.length === 0 ? 'zero' : over.every(({ access }) => access === 'read') ? 'copy' : 'shared';
  });
}

function paged(
  ranges: readonly { start: number; end: number; kind: PageKind }[],
  on: PageKind[] = [],
): PageKind[] {
  for (const { start, end, kind } of ranges)
    for (let at = start; at < end; at += PAGE) on[(at - whole.start) / PAGE] = kind;
  return on;
}

test('the pages that the host sees are those of its mappings, and a change is of those that differ', () => {
  fc.assert(
    fc.property(fc.array(mapping, { maxLength: 4 }), fc.array(mapping, { maxLength: 4 }), (before, after) => {
      const [was, now] = [before, after].map((list) => pagesOf(list, whole, PAGE)) as [
        ReturnType<typeof pagesOf>,
        ReturnType<typeof pagesOf>,
      ];
      assert.deepEqual(paged(now), naive(after));
      for (let i = 1; i < now.length; i++) {
        assert.equal(now[i]!.start, now[i - 1]!.end);
        assert.notEqual(now[i]!.kind, now[i - 1]!.kind);
      }
      const changes = changesOf(was, now);
      assert.deepEqual(paged(changes, paged(was)), naive(after));
      for (const { start, kind } of changes)
        assert.notEqual(naive(before)[(start - whole.start) / PAGE], kind);
    }),
  );
});

test('maps and unmaps in any order leave the host with what it has mapped, and refuse what they must', () => {
  const step = fc.record({
    map: fc.boolean(),
    range: mapping,
    n: fc.nat(9),
    failAt: fc.option(fc.nat(3), { freq: 8 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pages: PageKind[] = new Array(PAGES).fill('shared');
      let mappings = 1;
      let failIn = -1;
      const owner = new Ownership('b', whole, {
        pageSize: PAGE,
        show(range) {
          if (failIn-- === 0) throw new SystemError('mmap', [range.start], 'ENOMEM');
          paged([range], pages);
        },
        room(change) {
          mappings += change;
        },
      });
      owner.view();
      let held: HostRange[] = [];
      for (const { map, range, n, failAt } of steps) {
        failIn = -1;
        if (map) {
          const clash = held.some(
            (each) =>
              each.start < range.end &&
              range.start < each.end &&
              (each.access !== 'read' || range.access !== 'read'),
          );
          if (clash) {
            assert.throws(() => owner.map(range), { state: 'mapped' });
            continue;
          }
          const change = owner.map(range);
          change.begin();
          assert.throws(() => owner.checkUnmapped('args[0]'), { state: 'mapped' });
          failIn = failAt ?? -1;
          try {
            change.complete();
            held.push(range);
          } catch (error) {
            assert.ok(error instanceof SystemError);
            failIn = -1;
            change.fail();
          }
        } else {
          const which = held[n % Math.max(1, held.length)];
          if (!which) {
            assert.throws(() => owner.unmap(undefined), { state: 'unmapped' });
            continue;
          }
          const same = held.findLast(({ start, end }) => start === which.start && end === which.end);
          const { begin: end, ranges } = owner.unmap(which);
          assert.deepEqual(
            ranges.map(({ start, end: last }) => [start, last]),
            [[which.start, which.end]],
          );
          failIn = failAt ?? -1;
          try {
            end();
            held = held.filter((each) => each !== same);
          } catch (error) {
            // It is mapped as before.
            assert.ok(error instanceof SystemError);
          }
        }
        failIn = -1;
        assert.deepEqual(pages, naive(held));
        assert.equal(mappings, pagesOf(held, whole, PAGE).length);
        assert.equal(owner.claimed, held.length > 0);
        for (const { start, end } of held) owner.checkTouch(start, end);
        if (held.length === 0)
          assert.throws(() => owner.checkTouch(whole.start, whole.end), { state: 'unmapped' });
      }
      owner.end();
      assert.equal(mappings, 1);
    }),
  );
});
