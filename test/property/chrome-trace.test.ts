/**
 * Traces keep the rules of the trace event format whatever the events are: it is what viewers refuse or draw wrong that
 * is looked for. What a trace says is compared with the events by a plain count.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chromeTrace, type RecordedEvent, type TraceEvent } from 'mirrorspace/observe';

const mirrors = [
  { id: 1, name: 'one' },
  { id: 2, name: 'one' },
];
const mirror = fc.constantFrom(...mirrors);
const device = fc.constantFrom('wasm', 'proc');
/** Most in one second, so that they meet. */
const time = fc.double({ min: 37_000_000, max: 37_001_000, noNaN: true });
const duration = fc.double({ min: 0, max: 50, noNaN: true });
const range = fc.constant({ start: 4096, end: 8192 });

/** Commands as they come: put in, begun, ended, or never begun; each waits for some of those before. */
const command = fc.record({
  mirror,
  device,
  queue: fc.constantFrom('queue-0', 'queue-1'),
  queued: time,
  waited: fc.option(duration, { nil: undefined }),
  ran: duration,
  after: fc.array(fc.nat(20), { maxLength: 3 }),
  seen: fc.constantFrom('both', 'launch', 'complete'),
  failed: fc.boolean(),
});

const other: fc.Arbitrary<RecordedEvent> = fc.oneof(
  fc.record({
    name: fc.constant('fault' as const),
    event: fc.record({
      mirror,
      device,
      time,
      address: fc.nat(),
      access: fc.constantFrom('read' as const, 'write' as const),
      core: fc.integer({ min: -1, max: 3 }),
      outcome: fc.constantFrom('allocated' as const, 'unmapped' as const),
      range,
      bytes: fc.nat(),
      duration,
    }),
  }),
  fc.record({
    name: fc.constant('map' as const),
    event: fc.record({
      mirror,
      time,
      buffer: fc.string(),
      address: fc.nat(),
      size: fc.nat(),
      mapped: fc.nat(),
      type: fc.constant('fine' as const),
      access: fc.constant({}),
    }),
  }),
  fc.record({
    name: fc.constant('unmap' as const),
    event: fc.record({
      mirror,
      time,
      buffer: fc.string(),
      address: fc.nat(),
      size: fc.nat(),
      mapped: fc.nat(),
      duration,
    }),
  }),
  fc.record({
    name: fc.constant('fetch' as const),
    event: fc.record({
      mirror,
      device,
      time,
      address: fc.nat(),
      range,
      bytes: fc.nat(),
      cause: fc.constant('fault' as const),
      duration,
    }),
  }),
  fc.record({
    name: fc.constant('device-lost' as const),
    event: fc.record({ mirror, device, time, reason: fc.string(), runaway: fc.boolean() }),
  }),
);

function eventsOf(
  commands: readonly (typeof command extends fc.Arbitrary<infer T> ? T : never)[],
): RecordedEvent[] {
  return commands.flatMap((each, i): RecordedEvent[] => {
    const { mirror, device, queue, queued, waited, ran, after, seen, failed } = each;
    const common = { mirror, device, queue, command: i + 1, type: 'launch', kernel: `k${i}` };
    const started = waited === undefined ? undefined : queued + waited;
    const times = {
      queued,
      ...(started === undefined ? {} : { submitted: queued, started, finished: started + ran }),
    };
    const status = failed || started === undefined ? ('failed' as const) : ('complete' as const);
    return [
      ...(seen === 'complete'
        ? []
        : [
            {
              name: 'launch' as const,
              event: { ...common, time: queued, items: 1, after: after.map((n) => n + 1) },
            },
          ]),
      ...(seen === 'launch'
        ? []
        : [
            {
              name: 'complete' as const,
              event: { ...common, time: queued + (waited ?? 0) + ran, status, times },
            },
          ]),
    ];
  });
}

/** The rules; throws where one is broken. */
function checkTrace(events: readonly TraceEvent[]): void {
  const tracks = new Map<string, number>();
  const names = new Map<string, string>();
  const slices = new Map<string, { ts: number; end: number }[]>();
  const open = new Map<string, number>();
  const flows = new Map<string, TraceEvent[]>();
  for (const event of events) {
    assert.ok(Number.isSafeInteger(event.pid) && event.pid > 0 && event.pid < 2 ** 31, `pid ${event.pid}`);
    assert.ok(Number.isSafeInteger(event.tid) && event.tid >= 0);
    const track = `${event.pid}/${event.tid}`;
    if (event.ph === 'M') {
      if (!event.name.endsWith('_name')) continue;
      const key = `${event.name} ${event.name === 'process_name' ? event.pid : track}`;
      assert.ok(!names.has(key), `${key} is named twice`);
      names.set(key, String(event.args.name));
      continue;
    }
    assert.ok(Number.isFinite(event.ts) && event.ts >= 0);
    assert.ok(event.ts >= (tracks.get(track) ?? 0), `${track} goes back in time`);
    tracks.set(track, event.ts);
    if (event.ph === 'X') {
      assert.ok(Number.isFinite(event.dur) && event.dur >= 0);
      const list = slices.get(track) ?? [];
      slices.set(track, list);
      list.push({ ts: event.ts, end: event.ts + event.dur });
    } else if (event.ph === 'b' || event.ph === 'e') {
      const key = `${event.cat} ${event.id} ${event.pid}`;
      const depth = (open.get(key) ?? 0) + (event.ph === 'b' ? 1 : -1);
      assert.ok(depth === 0 || depth === 1, `${key}: ${depth}`);
      open.set(key, depth);
    } else if (event.ph === 's' || event.ph === 'f') {
      flows.set(event.id, [...(flows.get(event.id) ?? []), event]);
    } else if (event.ph === 'C') {
      for (const value of Object.values(event.args)) assert.ok(value >= 0 && Number.isFinite(value));
    }
  }
  for (const [key, depth] of open) assert.equal(depth, 0, `${key} does not end`);
  for (const track of tracks.keys()) {
    const [pid, tid] = track.split('/');
    assert.ok(names.has(`process_name ${pid}`), `process ${pid} has no name`);
    if (tid !== '0') assert.ok(names.has(`thread_name ${track}`), `thread ${track} has no name`);
  }
  for (const [track, list] of slices) {
    const stack: number[] = [];
    for (const { ts, end } of list) {
      while (stack.length > 0 && stack.at(-1)! <= ts + 1e-4) stack.pop();
      assert.ok(stack.length === 0 || end <= stack.at(-1)! + 1e-3, `slices of ${track} cross`);
      stack.push(end);
    }
  }
  for (const [id, [from, to, ...more]] of flows) {
    assert.ok(from?.ph === 's' && to?.ph === 'f' && more.length === 0, `arrow ${id}`);
    assert.ok(from.ts <= to.ts);
    const within = slices.get(`${to.pid}/${to.tid}`)!.some(({ ts, end }) => ts <= to.ts && to.ts <= end);
    assert.ok(within, `arrow ${id} ends in no slice`);
  }
}

describe('a trace', () => {
  it('keeps the rules of the format, and has every command and event once', () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 40 }),
        fc.array(other, { maxLength: 40 }),
        fc.integer({ min: 1, max: 2 ** 22 - 1 }),
        (commands, others, pid) => {
          // Host spans are one after the other, as they are published.
          const spans = others.filter(({ name }) => name === 'unmap');
          const rest = others.filter(({ name }) => name !== 'unmap');
          let end = 37_000_000;
          const inTurn = spans.map((each) => {
            const event = { ...(each.event as { time: number; duration: number }), time: end };
            end += event.duration + 1;
            return { ...each, event } as RecordedEvent;
          });
          const events = [...rest, ...inTurn, ...eventsOf(commands)];
          const { traceEvents } = chromeTrace(events, { pid });
          const text = JSON.stringify({ traceEvents });
          const read = (JSON.parse(text) as { traceEvents: TraceEvent[] }).traceEvents;
          checkTrace(read);
          const launched = read.filter((each) => each.ph === 'X' && each.cat === 'launch');
          const ran = commands.filter(({ waited, seen }) => waited !== undefined && seen !== 'launch');
          assert.equal(launched.length, ran.length);
          assert.equal(new Set(launched.map(({ name }) => name)).size, ran.length);
          const count = (cat: string): number =>
            read.filter((each) => each.ph === 'i' && each.cat === cat).length;
          for (const [name, cat] of [
            ['fault', 'fault'],
            ['fetch', 'system'],
            ['device-lost', 'device'],
          ] as const)
            assert.equal(count(cat), others.filter((each) => each.name === name).length);
        },
      ),
    );
  });

  it('puts commands of a queue that overlap side by side, and those that do not into one track', () => {
    const at = (number: number, started: number, finished: number): RecordedEvent => ({
      name: 'complete',
      event: {
        mirror: mirrors[0]!,
        device: 'd',
        queue: 'q',
        command: number,
        type: 'launch',
        kernel: 'k',
        status: 'complete',
        time: finished,
        duration: finished - started,
        times: { queued: started, started, finished },
      },
    });
    const tracks = (events: RecordedEvent[]): number =>
      new Set(
        chromeTrace(events, { pid: 1 })
          .traceEvents.filter(({ ph }) => ph === 'X')
          .map(({ tid }) => tid),
      ).size;
    assert.equal(tracks([at(1, 10, 20), at(2, 15, 25), at(3, 16, 17)]), 3);
    assert.equal(tracks([at(1, 10, 20), at(2, 20, 25), at(3, 25, 26)]), 1);
    // By less than what clocks are apart.
    assert.equal(tracks([at(1, 10, 20), at(2, 19.99, 25)]), 1);
    assert.equal(tracks([at(1, 10, 20), at(2, 15, 25), at(3, 21, 22)]), 2);
  });

  it('counts live bytes as buffers come, grow and go, and leaves out what has no time', () => {
    const [one] = mirrors;
    const map = (time: number, mapped: number, grownFrom?: number): RecordedEvent => ({
      name: 'map',
      event: {
        mirror: one!,
        time,
        buffer: 'b',
        address: 4096,
        size: mapped,
        mapped,
        type: 'fine',
        access: {},
        ...(grownFrom === undefined ? {} : { grownFrom }),
      },
    });
    const { traceEvents } = chromeTrace(
      [
        map(1, 4096),
        map(2, 12288, 4096),
        map(3, 8192),
        map(Number.NaN, 1 << 30),
        {
          name: 'unmap',
          event: { mirror: one!, time: 4, buffer: 'b', address: 4096, size: 1, mapped: 12288, duration: 0 },
        },
      ],
      { pid: 1 },
    );
    const values = traceEvents.flatMap((event) => (event.ph === 'C' ? [event.args.value] : []));
    assert.deepEqual(values, [4096, 12288, 20480, 8192]);
  });
});
