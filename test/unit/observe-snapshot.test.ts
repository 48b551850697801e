/** A picture of a mirror is what the mirror, its devices and the kernel say of the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { MiB, openMirror } from 'mirrorspace';
import { parseMaps } from 'mirrorspace/mm';
import { Activity, type LaunchEvent, takeSnapshot } from 'mirrorspace/observe';
import { holesIn, intersect } from '../../src/observe/snapshot.ts';
import { withBoth } from '../fixtures/with-both.ts';

const PAGE = 4096;

describe('a snapshot', () => {
  it('has what the mirror has, as plain JSON', () =>
    withBoth(async ({ mirror, wasm, proc, onWasm }) => {
      const tree = mirror.alloc(4 * MiB, { name: 'tree' });
      tree.bytes.fill(1, MiB, 2 * MiB);
      const flags = mirror.alloc(10, { name: 'flags', type: 'coarse' });
      const room = mirror.reserve(8 * PAGE, { name: 'room' });
      const part = room.commit(2 * PAGE, PAGE, { name: 'part' });
      await wasm.queue.launch(onWasm.storeAt, { items: 1, args: [part, 1] }).done;
      // Its pager may still be counting what the launch did: a picture between two equal looks.
      let counters = wasm.counters();
      let seen = takeSnapshot(mirror, { stretches: 4 });
      for (let i = 0; i < 1000 && !isDeepStrictEqual(counters, wasm.counters()); i++) {
        counters = wasm.counters();
        seen = takeSnapshot(mirror, { stretches: 4 });
      }
      assert.deepEqual(JSON.parse(JSON.stringify(seen)), seen);
      assert.deepEqual(
        [seen.name, seen.id, seen.pid, seen.pageSize],
        [mirror.name, mirror.id, process.pid, PAGE],
      );
      assert.deepEqual(
        seen.buffers.map(({ name, start, end, type, residentBytes }) => [
          name,
          start,
          end,
          type,
          residentBytes,
        ]),
        mirror
          .buffers()
          .map((buffer) => [buffer.name, buffer.address, buffer.end, buffer.type, buffer.residentBytes()]),
      );
      const pictured = seen.buffers.find(({ name }) => name === 'tree')!;
      assert.deepEqual(pictured.residence, [0, 1, 0, 0]);
      assert.equal(pictured.residentBytes, MiB);
      assert.deepEqual(seen.buffers.find(({ name }) => name === 'flags')!.residence.length, 1);

      assert.deepEqual(
        seen.held
          .filter(({ kind }) => kind === 'reservation')
          .map(({ start, end }) => [start, end])
          .slice(0, 2),
        [
          [room.address, part.address],
          [part.placement.address + PAGE, room.address + 8 * PAGE],
        ],
      );
      for (const [device, pictured] of [
        [wasm, seen.devices[0]!],
        [proc, seen.devices[1]!],
      ] as const) {
        const { name, kind, window, reserved } = device;
        assert.deepEqual(
          [pictured.name, pictured.kind, pictured.window, pictured.reserved],
          [name, kind, window, reserved],
        );
      }
      assert.deepEqual(seen.devices[1]!.unmirrorable, proc.unmirrorable());
      assert.deepEqual(seen.devices[0]!.counters, counters);
      const sizes = [tree, flags, part].map(({ placement }) => placement.size);
      assert.equal(
        seen.totals.liveBytes,
        sizes.reduce((a, b) => a + b),
      );
      assert.equal(
        seen.totals.residentBytes,
        seen.buffers.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
      );

      // Every hole is one for an allocation of just its size, and what is found lies in one.
      assert.deepEqual(seen.common, {
        start: Math.max(wasm.window.start, proc.window.start),
        end: wasm.window.end,
      });
      const largest = seen.holes.find(({ start, end }) => end - start === seen.totals.largestHole)!;
      const fits = mirror.plan(seen.totals.largestHole, { guard: 0, place: { at: largest.start } });
      assert.ok(fits.ok, JSON.stringify(largest));
      const { totalFree } = (() => {
        const plan = mirror.plan(2 ** 40);
        assert.ok(!plan.ok);
        return plan.refusal;
      })();
      assert.ok(
        Math.abs(totalFree - seen.totals.freeBytes) < 64 * MiB,
        `${totalFree} ${seen.totals.freeBytes}`,
      );
    }));

  it('has the mappings of the process by kind, its own marked', async () => {
    const mirror = await openMirror({ name: 'pictured', devices: {} });
    const buffer = mirror.alloc(PAGE);
    const { vmas, held, common } = takeSnapshot(mirror);
    const now = parseMaps(readFileSync('/proc/self/maps', 'utf8')).vmas;
    const own = vmas.find(({ start, end }) => start <= buffer.address && buffer.address < end);
    assert.equal(own?.kind, 'mirror');
    const stack = now.find(({ kind, name }) => kind === 'stack' && name === '[stack]')!;
    assert.ok(vmas.some(({ kind, end }) => kind === 'stack' && end === stack.end));
    assert.ok(vmas.some(({ kind, protection }) => kind === 'file' && protection === 'r-xp'));
    for (const [i, { start }] of vmas.entries()) if (i > 0) assert.ok(vmas[i - 1]!.end <= start);
    assert.deepEqual([held, common!.end], [[], 2 ** 47]);
    buffer.bytes[0] = 1;
    buffer.free();
    assert.deepEqual(
      takeSnapshot(mirror).held.map(({ kind, start }) => [kind, start]),
      [['quarantined', buffer.address]],
    );
    assert.throws(() => takeSnapshot(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => takeSnapshot(mirror, { stretches: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => takeSnapshot(mirror, { stretches: 'many' as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    await mirror.close();
    assert.throws(() => takeSnapshot(mirror), { code: 'ERR_MIRROR_STATE' });
  });
});

describe('holes', () => {
  const range = fc
    .tuple(fc.nat(200), fc.integer({ min: 1, max: 40 }))
    .map(([start, size]) => ({ start, end: start + size }));
  it('are what no occupant covers, byte by byte', () => {
    fc.assert(
      fc.property(range, fc.array(range, { maxLength: 20 }), (whole, occupants) => {
        const free = (at: number): boolean =>
          at >= whole.start && at < whole.end && !occupants.some(({ start, end }) => start <= at && at < end);
        const holes = holesIn(whole, occupants);
        for (let at = 0; at < 250; at++)
          assert.equal(
            holes.filter(({ start, end }) => start <= at && at < end).length,
            free(at) ? 1 : 0,
            `${at}`,
          );
        for (const [i, { start, end }] of holes.entries())
          assert.ok(start < end && (i === 0 || holes[i - 1]!.end < start));
      }),
    );
  });

  it('lie in what all windows have in common', () => {
    assert.deepEqual(
      intersect([
        { start: 0, end: 10 },
        { start: 5, end: 20 },
      ]),
      { start: 5, end: 10 },
    );
    assert.equal(
      intersect([
        { start: 0, end: 5 },
        { start: 5, end: 20 },
      ]),
      undefined,
    );
  });
});

describe('the activity of mirrors', () => {
  const launch = (command: number, id: number): LaunchEvent => ({
    ...{ mirror: { id, name: 'm' }, time: command, device: 'd', command, queue: 'q' },
    ...{ type: 'launch', kernel: 'k', after: [] },
  });
  it('keeps the last commands that have ended, and all that have not', () => {
    const activity = new Activity(10);
    for (let i = 1; i <= 100; i++) {
      activity.launched(launch(i, 1 + (i % 2)));
      const { mirror, device, command, queue, type, kernel } = launch(i, 1 + (i % 2));
      if (i > 5)
        activity.ended({
          mirror,
          device,
          command,
          queue,
          type,
          kernel,
          time: i,
          status: 'complete',
          times: { queued: i },
        });
    }
    const kept = [...activity.commands(1), ...activity.commands(2)];
    assert.ok(kept.length <= 20 && kept.length >= 15, `${kept.length}`);
    const numbers = kept.map(({ launch: { command } }) => command).sort((a, b) => a - b);
    assert.deepEqual(numbers.slice(0, 5), [1, 2, 3, 4, 5]);
    assert.equal(numbers.at(-1), 100);
    assert.ok(kept.every(({ launch: { command }, end }) => (end === undefined) === command <= 5));
    activity.forget(1);
    assert.deepEqual(activity.commands(1), []);
    assert.notDeepEqual(activity.commands(2), []);
  });
});
