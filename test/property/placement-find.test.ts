/**
 * Finding a place, and keeping the picture, judged by an oracle that walks the pages.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  apply,
  arbHistory,
  arbRequest,
  build,
  candidatePages,
  freeMap,
  isFree,
  oracleFind,
  PAGE,
  PAGES,
  pagesOf,
  searchedPages,
  toRequest,
} from './placement-world.ts';

test('after any history the free pages of every set of devices are exactly those that nobody holds', () => {
  fc.assert(
    fc.property(arbHistory, ([spec, operations]) => {
      const { world, space } = build(spec);
      const names = world.devices.map((device) => device.name);
      const sets = [[], ...names.map((name) => [name]), names];
      const check = () => {
        for (const set of sets) {
          const reach = new Set(candidatePages(world, set));
          const expected = pagesOf(world).map((page) =>
            reach.has(page) && isFree(world, page, set) ? '.' : '#',
          );
          assert.equal(freeMap(world, space, set), expected.join(''));
        }
        const waiting = world.inserted.filter((each) => each.kind === 'quarantined');
        assert.equal(
          space.quarantinedBytes,
          waiting.reduce((sum, each) => sum + each.end - each.start, 0),
        );
      };
      check();
      for (const operation of operations) {
        apply(world, space, operation);
        check();
      }
    }),
    { numRuns: 300 },
  );
});

test('find gives the lowest place, or the highest with topdown, and misses none', () => {
  fc.assert(
    fc.property(
      arbHistory,
      fc.array(arbRequest, { minLength: 1, maxLength: 8 }),
      ([spec, operations], raws) => {
        const { world, space } = build(spec);
        for (const operation of operations) apply(world, space, operation);
        for (const raw of raws) {
          const request = toRequest(world, raw);
          const found = space.find(request);
          assert.equal(found?.address, oracleFind(world, request));
          if (found === undefined) continue;
          assert.equal(found.size, Math.ceil(request.size / PAGE) * PAGE);
          const pages = candidatePages(world, request.devices);
          const room = pages.at(-1)! + PAGE - (found.address + found.size);
          assert.equal(found.guard, Math.min(request.guard ?? 0, room));
          const searched = searchedPages(world, request);
          assert.deepEqual(found.window, { start: searched[0], end: searched.at(-1)! + PAGE });
          const missed = request.place && 'hint' in request.place && found.strategy !== 'hint';
          assert.equal(found.hintMissed !== undefined, missed ?? false);
          // The mirror inserts exactly this; it must never clash.
          const end = found.address + found.size + found.guard;
          space.insert({
            start: found.address,
            end,
            guard: found.guard,
            kind: 'buffer',
            name: 'new',
            owner: 'host',
          });
          space.remove(found.address);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('plan changes nothing: the same questions have the same answers afterwards', () => {
  fc.assert(
    fc.property(arbHistory, arbRequest, ([spec, operations], raw) => {
      const { world, space } = build(spec);
      for (const operation of operations) apply(world, space, operation);
      const everything = { start: world.base, end: world.base + PAGES * PAGE };
      const names = world.devices.map((device) => device.name);
      const look = () => [space.occupants(everything), space.quarantinedBytes, freeMap(world, space, names)];
      const before = look();
      const request = toRequest(world, raw);
      const first = space.plan(request);
      assert.deepEqual(look(), before);
      assert.deepEqual(space.plan(request), first);
    }),
    { numRuns: 300 },
  );
});
