/** The live page by keyboard, closely and after a gap: what can be reached, what is asked for, what is caught up with. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CompleteEvent, FaultEvent, LaunchEvent, MirrorSnapshot } from 'mirrorspace/observe';
import { LINEAR } from '../../src/page/axis.ts';
import { neededOf } from '../../src/page/close-ups.ts';
import { sentenceOf } from '../../src/page/details.ts';
import { Happenings } from '../../src/page/happenings.ts';
import { pictureOf } from '../../src/page/picture.ts';
import { nextItem, nextStop, type Stop, stopsOf } from '../../src/page/stops.ts';

const PAGE = 4096;
const placement = {} as MirrorSnapshot['buffers'][number]['placement'];

/** A mapping, a buffer of 16 pages in 4 stretches, a hole in the middle, and a device with a region. */
const snapshot = (): MirrorSnapshot => ({
  id: 1,
  name: 'm',
  pid: 7,
  pageSize: PAGE,
  vmas: [{ start: 10 * PAGE, end: 20 * PAGE, kind: 'file', name: '/usr/bin/node', protection: 'r-xp' }],
  buffers: [
    {
      name: 'table',
      start: 40 * PAGE,
      end: 56 * PAGE,
      size: 16 * PAGE,
      type: 'fine',
      placement: { ...placement, size: 16 * PAGE },
      residentBytes: 4 * PAGE,
      residence: [1, 0, 0, 0],
    },
  ],
  held: [],
  devices: [
    {
      name: 'wasm',
      kind: 'wasm',
      window: { start: PAGE, end: 90 * PAGE },
      reserved: [{ start: PAGE, end: 4 * PAGE, name: 'stacks' }],
      unmirrorable: [],
      counters: {},
    },
  ],
  common: { start: PAGE, end: 90 * PAGE },
  holes: [{ start: 20 * PAGE, end: 40 * PAGE }],
  totals: { liveBytes: 0, residentBytes: 0, quarantinedBytes: 0, freeBytes: 0, largestHole: 0 },
});
const picture = pictureOf(snapshot());
const screen = { axis: LINEAR, viewport: { start: 0, end: 100 * PAGE }, height: 500 };

describe('the keyboard', () => {
  it('goes over mappings, holes, buffers and device regions on the screen, and leaves behind the last', () => {
    const stops = stopsOf(picture, screen);
    const names: string[] = [];
    let at: Parameters<typeof nextStop>[1];
    for (let stop = nextStop(stops, at, 1); stop; stop = nextStop(stops, at, 1)) {
      names.push(`${stop.column.title} ${stop.item?.name ?? 'hole'}`);
      at = { column: stop.column.title, range: stop.range };
    }
    assert.deepEqual(names, ['host /usr/bin/node', 'host hole', 'host table', 'wasm stacks']);
    const back: string[] = [];
    for (let stop = nextStop(stops, at, -1); stop; stop = nextStop(stops, at, -1)) {
      back.unshift(`${stop.column.title} ${stop.item?.name ?? 'hole'}`);
      at = { column: stop.column.title, range: stop.range };
    }
    assert.deepEqual(back, names.slice(0, -1));
    assert.equal(nextStop(stops, undefined, -1), undefined);
    assert.match(
      sentenceOf(stops[2] as Stop, 3, 4),
      /^table, a buffer.*, 64 KiB at 0x28000-0x38000; host, 3 of 4$/,
    );
  });

  it('goes on from where it was when that has left the screen', () => {
    const below = { ...screen, viewport: { start: 30 * PAGE, end: 60 * PAGE } };
    const stops = stopsOf(picture, below);
    assert.deepEqual(
      stops.map(({ range }) => range.start / PAGE),
      [20, 40],
    );
    const from = { column: 'host', range: { start: 10 * PAGE, end: 20 * PAGE } };
    assert.equal(nextStop(stops, from, 1)?.range.start, 20 * PAGE);
    assert.equal(
      nextStop(stops, { column: 'host', range: { start: 80 * PAGE, end: 81 * PAGE } }, -1),
      stops[1],
    );
  });

  it('goes round the buffers', () => {
    const items = picture.columns[0]!.items;
    assert.equal(nextItem(items, undefined, 1), items[0]);
    assert.equal(nextItem(items, undefined, -1), items.at(-1));
    assert.equal(nextItem(items, items.at(-1), 1), items[0]);
    assert.equal(nextItem(items, items[0], -1), items.at(-1));
    assert.equal(nextItem([], undefined, 1), undefined);
  });
});

describe('pages of a buffer', () => {
  it('are asked for where a stretch of the picture is long on the screen, and no page already', () => {
    assert.deepEqual(neededOf(picture, screen), { start: 40 * PAGE, end: 56 * PAGE });
    const part = { ...screen, viewport: { start: 44 * PAGE, end: 48 * PAGE } };
    assert.deepEqual(neededOf(picture, part), { start: 44 * PAGE, end: 48 * PAGE });
    assert.equal(neededOf(picture, { ...screen, viewport: LINEAR.whole }), undefined);
    const [buffer] = snapshot().buffers;
    const known = { ...snapshot(), buffers: [{ ...buffer!, residence: new Array<number>(16).fill(0) }] };
    assert.equal(neededOf(pictureOf(known), screen), undefined);
  });
});

describe('commands', () => {
  const common = { mirror: { id: 1, name: 'm' }, device: 'wasm', queue: 'q', type: 'launch', kernel: 'k' };
  const launch = (command: number): LaunchEvent => ({ ...common, command, time: command, after: [] });
  const end = (command: number): CompleteEvent => ({
    ...common,
    command,
    time: command + 1,
    status: 'complete',
    times: { queued: command },
  });

  it('whose events came before the mirror was shown, or were lost, are caught up with', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 60 }));
    fc.assert(
      fc.property(numbers, numbers, numbers, (seen, ended, lost) => {
        const happenings = new Happenings();
        happenings.begin([], [], 0);
        for (const command of seen)
          if (!lost.includes(command)) happenings.take('launch', launch(command), 0);
        for (const command of ended)
          if (!lost.includes(command)) happenings.take('complete', end(command), 0);
        const all = [...seen].sort((a, b) => a - b);
        happenings.catchUp(
          all.map((command) => ({
            launch: launch(command),
            ...(ended.includes(command) ? { end: end(command) } : {}),
          })),
        );
        assert.deepEqual(
          happenings.commands.map((each) => [each.launch.command, each.end !== undefined]),
          all.map((command) => [command, ended.includes(command)]),
        );
      }),
    );
  });

  it('that faulted before are listed as over', () => {
    const happenings = new Happenings();
    const fault = { ...common, address: 5, access: 'read', outcome: 'unmapped' } as unknown as FaultEvent;
    happenings.begin([], [fault], -2500);
    assert.deepEqual(
      happenings.faults.map(({ address, bad, at }) => [address, bad, at]),
      [[5, true, -2500]],
    );
  });
});
