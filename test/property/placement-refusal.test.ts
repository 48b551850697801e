/**
 * Refusals, judged page by page: what they say must be exact, and what they advise must work.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  applyRemedy,
  describeRefusal,
  type Occupied,
  type PlacementRequest,
  type Refusal,
  refusalMessage,
} from '../../src/placement/index.ts';
import {
  apply,
  arbHistory,
  arbRequest,
  build,
  candidatePages,
  chosen,
  isFree,
  oracleFind,
  oracleLargest,
  PAGE,
  PAGES,
  pagesOf,
  type Range,
  searchedPages,
  toRequest,
  touches,
  type World,
} from './placement-world.ts';

function checkFigures(world: World, { request, ...refusal }: Refusal): void {
  const pages = searchedPages(world, request);
  const free = pages.filter((page) => isFree(world, page, request.devices));
  assert.equal(refusal.totalFree, free.length * PAGE);
  let run = 0;
  let longest = 0;
  for (const page of pages) {
    run = free.includes(page) ? run + PAGE : 0;
    longest = Math.max(longest, run);
  }
  assert.equal(refusal.largestHole?.size ?? 0, longest);
  const anywhere = {
    ...request,
    place: request.place && 'within' in request.place ? request.place : undefined,
  };
  const largest = oracleLargest(world, anywhere);
  assert.equal(refusal.largestAlignedHole?.size ?? 0, largest);
  if (refusal.largestAlignedHole !== null) {
    const { start, end, size } = refusal.largestAlignedHole;
    assert.equal(end - start, size);
    assert.equal(oracleFind(world, { ...request, size, place: { at: start } }), start);
  }
  const waiting = world.inserted.filter((each) => each.kind === 'quarantined');
  assert.equal(
    refusal.quarantinedBytes,
    pages.filter((page) => waiting.some((each) => touches(each, page))).length * PAGE,
  );
}

function reasonHolds(world: World, { reason, request }: Refusal): boolean {
  const candidate = candidatePages(world, request.devices);
  const searched = searchedPages(world, request);
  const free = searched.filter((page) => isFree(world, page, request.devices)).length * PAGE;
  const { size, place } = request;
  const at = place !== undefined && 'at' in place ? place.at : undefined;
  const reached = at !== undefined && candidate.includes(at) && candidate.includes(at + size - PAGE);
  const unaligned = at === undefined ? oracleLargest(world, { ...request, align: PAGE }) : 0;
  switch (reason) {
    case 'no-common-window':
      return candidate.length === 0;
    case 'outside-window':
      return at === undefined ? searched.length === 0 : !reached;
    case 'larger-than-window':
      return size > searched.length * PAGE;
    case 'occupied':
      return reached;
    case 'alignment':
      return unaligned >= size;
    case 'fragmented':
      return unaligned < size && free >= size;
    case 'exhausted':
      return free < size && searched.length * PAGE >= size;
  }
}

/** Every remedy works at its address, is the best of its kind, and none that would work is left out. */
function checkRemedies(world: World, { request, remedies }: Refusal): void {
  const of = (kind: string) => remedies.filter((remedy) => remedy.kind === kind);
  for (const remedy of remedies) {
    const changed = applyRemedy(request, remedy);
    const gone: Occupied[] = [];
    if (remedy.kind === 'wait') {
      const end = remedy.address + request.size + Math.min(request.guard, 2 * PAGES * PAGE);
      const reach = candidatePages(world, request.devices).at(-1)! + PAGE;
      const inThere = (each: Occupied) => each.start < Math.min(end, reach) && remedy.address < each.end;
      gone.push(...world.inserted.filter((each) => each.kind === 'quarantined' && inThere(each)));
      assert.equal(
        remedy.bytes,
        gone.reduce((sum, each) => sum + each.end - each.start, 0),
      );
    }
    assert.equal(oracleFind(world, changed, gone), remedy.address);
  }
  const { place } = request;
  const constrained = place !== undefined && !('hint' in place);
  const exactly = place !== undefined && 'at' in place;
  const works = (changed: PlacementRequest) => oracleFind(world, changed) !== undefined;

  assert.equal(of('no-guard').length, request.guard > 0 && works({ ...request, guard: 0 }) ? 1 : 0);
  assert.equal(of('anywhere').length, constrained && works({ ...request, place: undefined }) ? 1 : 0);
  let best = exactly ? 0 : request.align / 2;
  while (best >= PAGE && !works({ ...request, align: best })) best /= 2;
  assert.deepEqual(
    of('align').map((remedy) => remedy.kind === 'align' && remedy.align),
    best >= PAGE ? [best] : [],
  );
  const droppable = request.devices.filter(
    (name) =>
      request.devices.length > 1 && works({ ...request, devices: request.devices.filter((n) => n !== name) }),
  );
  assert.deepEqual(
    of('without-device').map((remedy) => remedy.kind === 'without-device' && remedy.device),
    droppable,
  );
  const largest = oracleLargest(world, request);
  assert.deepEqual(
    of('size').map((remedy) => remedy.kind === 'size' && remedy.size),
    largest > 0 ? [largest] : [],
  );
  const waiting = world.inserted.filter((each) => each.kind === 'quarantined');
  assert.equal(of('wait').length, oracleFind(world, request, waiting) !== undefined ? 1 : 0);
}

test('a refusal is exact: its figures, its reason, its blockers and its remedies agree with the pages', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      arbHistory,
      fc.array(arbRequest, { minLength: 1, maxLength: 8 }),
      ([spec, operations], raws) => {
        const { world, space } = build(spec);
        for (const operation of operations) apply(world, space, operation);
        for (const raw of raws) {
          const plan = space.plan(toRequest(world, raw));
          if (plan.ok) continue;
          const { refusal } = plan;
          seen.add(refusal.reason);
          assert.ok(reasonHolds(world, refusal), refusal.reason);
          checkFigures(world, refusal);
          checkRemedies(world, refusal);
          for (const { kind, owner, start, end, guard = 0, size } of refusal.blockers) {
            const mine: readonly Range[] =
              kind === 'vma'
                ? world.host
                : kind === 'reserved'
                  ? chosen(world, refusal.request.devices as string[]).find(
                      (device) => device.name === owner,
                    )!.reserved
                  : world.inserted.filter((each) => each.kind === kind);
            assert.ok(
              pagesOf(world).some(
                (page) => touches({ start, end }, page) && mine.some((each) => touches(each, page)),
              ),
            );
            assert.equal(size, end - start - guard);
          }
          assert.ok(refusal.blockers.length <= 16);
          if (refusal.reason === 'occupied') assert.ok(refusal.blockers.length > 0);
          assert.deepEqual(JSON.parse(JSON.stringify(refusal)), refusal);
          assert.doesNotMatch(
            describeRefusal(refusal) + refusalMessage(refusal),
            /undefined|NaN|null|\[object/,
          );
        }
      },
    ),
    { numRuns: 1000 },
  );
  assert.deepEqual([...seen].sort(), [
    'alignment',
    'exhausted',
    'fragmented',
    'larger-than-window',
    'no-common-window',
    'occupied',
    'outside-window',
  ]);
});
