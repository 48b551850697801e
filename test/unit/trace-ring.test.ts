/** The rings in which a device's process tells its host what happens: on memory of their own, without a device. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { tracedEvent } from '../../src/engine/command-events.ts';
import {
  CONTROL_BYTES,
  TRACE,
  TRACE_RECORDS,
  TRACE_RING,
  traceWord,
} from '../../src/engine/control-layout.ts';
import { SharedMemory } from '../../src/engine/shared-memory.ts';
import { drainTrace, setTracing, TRACED, TraceWriter } from '../../src/engine/trace-ring.ts';
import { close } from '../../src/linux/memfd.ts';
import { siteOf } from '../../src/observe/stack.ts';

const range = { start: 0x1000, end: 0x2000 };

describe('trace rings', () => {
  const control = SharedMemory.create('test-control', CONTROL_BYTES);
  const device = new TraceWriter(control, TRACE_RING.DEVICE);
  const host = new TraceWriter(control, TRACE_RING.HOST);
  after(() => {
    control.unmap();
    close(control.fd);
  });
  const write = (writer: TraceWriter, address: number): void =>
    writer.end(writer.begin(), TRACED.FAULT_MAPPED, address, range, 4096, 5);

  it('stay empty while nobody listens', () => {
    write(device, 1);
    assert.deepEqual(drainTrace(control), { records: [], dropped: 0 });
    assert.equal(control.i32[traceWord(TRACE_RING.DEVICE) + TRACE.WRITTEN], 0);
  });

  it('give what both have written, in the order of time, once', () => {
    setTracing(control, true);
    for (let i = 0; i < 10; i++) write(i % 2 ? host : device, i);
    const { records, dropped } = drainTrace(control);
    assert.deepEqual(
      records.map(({ address }) => address),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    assert.ok(
      records.every(
        ({ kind, bytes, detail, start, end }) =>
          kind === TRACED.FAULT_MAPPED &&
          bytes === 4096 &&
          detail === 5 &&
          start === range.start &&
          end === range.end,
      ),
    );
    assert.equal(dropped, 0);
    assert.deepEqual(drainTrace(control).records, []);
  });

  it('drop and count what finds no room, and go on past the end of their memory', () => {
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < TRACE_RECORDS + 7; i++) write(device, i);
      const { records, dropped } = drainTrace(control);
      assert.deepEqual([records.length, dropped], [TRACE_RECORDS, 7]);
      assert.deepEqual(
        records.map(({ address }) => address),
        Array.from({ length: TRACE_RECORDS }, (_, i) => i),
      );
    }
  });

  it('whose words were overwritten are taken for empty', () => {
    Atomics.store(control.i32, traceWord(TRACE_RING.DEVICE) + TRACE.WRITTEN, -5);
    assert.deepEqual(drainTrace(control).records, []);
    write(device, 42);
    assert.deepEqual(
      drainTrace(control).records.map(({ address }) => address),
      [42],
    );
  });

  it('whose records are of no known kind become no event', () => {
    const source = { mirror: { id: 1, name: 'm' }, device: 'd' };
    const record = { kind: 0, time: 0, duration: 0, address: 0, bytes: 0, detail: 0, ...range };
    for (const kind of [0, 6, 15, 18, 35, 52, -1, 1.5, Number.NaN])
      assert.equal(tracedEvent(source, { ...record, kind }), undefined, String(kind));
    const event = tracedEvent(source, { ...record, kind: TRACED.FAULT_OWN, detail: 2 * (3 + 1) + 1 })?.event;
    assert.deepEqual(event, {
      ...source,
      time: 0,
      address: 0,
      access: 'write',
      core: 3,
      outcome: 'own',
      range,
      bytes: 0,
      duration: 0,
    });
  });
});

describe('the site of a call', () => {
  const stack = `Error
    at site (file:///app/node_modules/mirrorspace/dist/chunks/x.js:1:2)
    at new Promise (<anonymous>)
    at node:internal/main:5:6
    at async main (file:///app/src/main (1).ts:12:30)
    at /other.js:1:1`;
  it('is the first frame that is neither the package nor Node', () => {
    const own = ['/app/node_modules/mirrorspace/dist/'];
    assert.equal(siteOf(stack, own), '/other.js:1:1');
    assert.equal(siteOf(stack.replace(' (1)', ''), own), '/app/src/main.ts:12:30');
    assert.equal(siteOf('Error\n    at async file:///a/b.ts:3:4', own), '/a/b.ts:3:4');
    assert.equal(siteOf('Error', own), undefined);
    assert.equal(siteOf('', own), undefined);
  });
});
