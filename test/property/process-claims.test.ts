/**
 * What a device process claims, against a model page by page: everything in the window that is free and not kept, and
 * nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { claimable, covers, joined, notClaimed, type OwnMapping } from '../../src/device/process/claims.ts';
import { GiB, MiB, TiB } from '../../src/mm/address.ts';

const PAGE = 4096;
const page = (number: number): number => number * PAGE;

/** Mappings within 400 pages of a base, and windows there; the room for the process's own is far away, or on top. */
const world = fc
  .record({
    base: fc.constantFrom(page(16), 2 ** 33, 2 ** 45),
    edges: fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { maxLength: 40 }),
    names: fc.array(fc.constantFrom('', '/usr/bin/node', '[anon: x]'), { minLength: 20, maxLength: 20 }),
    window: fc.tuple(
      fc.integer({ min: 0, max: 200 * PAGE }),
      fc.integer({ min: 201 * PAGE, max: 400 * PAGE }),
    ),
  })
  .map(({ base, edges, names, window: [low, high] }) => {
    const sorted = edges.sort((a, b) => a - b);
    const own: OwnMapping[] = [];
    for (let i = 0; i + 1 < sorted.length; i += 2)
      own.push({ start: base + page(sorted[i]!), end: base + page(sorted[i + 1]!), name: names[i / 2]! });
    return { own, window: { start: base + low, end: base + high } };
  });

const FAR = 2 ** 47 - TiB;

test('a process claims every free page of its window, and no page that it has', () => {
  fc.assert(
    fc.property(world, ({ own, window }) => {
      const claims = claimable(own, FAR, window, PAGE);
      for (let at = Math.floor(window.start / PAGE) * PAGE; at < window.end; at += PAGE) {
        const whole = at >= window.start && at + PAGE <= window.end;
        const taken = own.some(({ start, end }) => at >= start && at < end);
        const claimed = claims.filter(({ start, end }) => at >= start && at < end).length;
        assert.equal(claimed, whole && !taken ? 1 : 0, `page 0x${at.toString(16)}`);
      }
      for (const { start, end } of claims) assert.ok(start < end && start % PAGE === 0 && end % PAGE === 0);
    }),
  );
});

test('what is not claimed is reserved, by the names of what lies there', () => {
  fc.assert(
    fc.property(world, ({ own, window }) => {
      const claims = joined(claimable(own, FAR, window, PAGE));
      const reserved = notClaimed(claims, own, FAR, window);
      const all = [...claims, ...reserved].sort((a, b) => a.start - b.start);
      let at: number = window.start;
      for (const { start, end } of all) {
        assert.equal(start, at);
        assert.ok(end > start);
        at = end;
      }
      assert.equal(at, window.end);
      for (const { start, end, name } of reserved) {
        assert.notEqual(name, '');
        const within = own.filter((mapping) => mapping.start < end && start < mapping.end);
        if (within.some((mapping) => mapping.name.endsWith('node'))) assert.match(name, /node/);
      }
      for (const claim of claims) {
        assert.ok(covers(claims, claim));
        assert.ok(!covers(claims, { start: claim.start, end: claim.end + PAGE }));
      }
    }),
  );
});

test('neighbours are joined, whatever their order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 60 }), (pages) => {
      const ranges = joined(pages.map((at) => ({ start: page(at), end: page(at + 1) })));
      const covered = new Set(pages);
      for (let at = 0; at <= 61; at++)
        assert.equal(covers(ranges, { start: page(at), end: page(at + 1) }), covered.has(at));
      for (const [i, range] of ranges.entries()) if (i > 0) assert.ok(ranges[i - 1]!.end < range.start);
    }),
  );
});

test('room is kept where the kernel puts mappings, the same for neighbouring places, and by heap and stack', () => {
  const window = { start: 65536, end: 2 ** 47 - PAGE };
  const stack = { start: 2 ** 47 - GiB, end: 2 ** 47 - GiB + 132 * 1024, name: '[stack]' };
  const heap = { start: 0x2c0f4000, end: 0x2c3bf000, name: '[heap]' };
  const claims = (next: number) => claimable([heap, stack], next, window, PAGE);
  const here = claims(2 ** 47 - 20 * GiB);
  assert.deepEqual(claims(2 ** 47 - TiB), here);
  assert.deepEqual(here, [
    { start: 65536, end: heap.start },
    { start: heap.end + 64 * MiB, end: 2 ** 47 - 4 * TiB },
  ]);
  // A process whose mappings go upwards from a third of the address space.
  const upwards = claims(0x2aaaaaaab000);
  assert.ok(!covers(upwards, { start: 0x2aaaaaaab000, end: 0x2aaaaaaab000 + TiB }));
  assert.ok(covers(upwards, { start: 2 ** 40, end: 2 ** 41 }));
  // Its stack grows down.
  assert.ok(!covers(upwards, { start: stack.start - GiB, end: stack.start - GiB + PAGE }));
  assert.ok(covers(upwards, { start: stack.start - GiB - PAGE, end: stack.start - GiB }));
});
