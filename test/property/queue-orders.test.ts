/**
 * Random commands over queues of both orders on two devices, with `after`, barriers, markers, user events and failures,
 * against the plain rules: what must have ended before what begins, and what must fail. Each command takes a ticket from
 * one clock in mirrored memory when it begins, and another when it ends.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Command, DependencyError, type Queue, type SvmBuffer, type UserEvent } from 'mirrorspace';
import { type BothMirror, type Kernels, withBoth } from '../fixtures/with-both.ts';

const MOST = 60;
const RUNS = process.env.MIRRORSPACE_STRESS === 'full' ? 500 : 60;

type Step =
  | {
      readonly kind: 'ticket' | 'host' | 'trap' | 'barrier' | 'marker' | 'copy' | 'migrate';
      readonly queue: number;
      readonly after: readonly number[];
      readonly list: boolean;
    }
  | { readonly kind: 'event' }
  | { readonly kind: 'end event'; readonly which: number; readonly fails: boolean }
  | { readonly kind: 'look'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'ticket',
        'ticket',
        'ticket',
        'ticket',
        'host',
        'trap',
        'barrier',
        'marker',
        'copy',
        'migrate',
      ),
      queue: fc.nat(99),
      after: fc.array(fc.nat(9999), { maxLength: 3 }),
      list: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'event' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('end event' as const),
      which: fc.nat(99),
      fails: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('look' as const), which: fc.nat(9999) }) },
);

interface Entry {
  readonly command: Command;
  readonly kind: string;
  readonly queue: number;
  readonly after: readonly (Entry | EventEntry)[];
  /** What must have ended before it begins, where that runs at all. */
  readonly before: ReadonlySet<Entry>;
  readonly slot: number;
}

interface EventEntry {
  readonly event: UserEvent;
  outcome: 'pending' | 'complete' | 'failed';
}

/** What becomes of it in the end; undefined while that hangs on an event. */
function outcome(entry: Entry | EventEntry): 'complete' | 'failed' | 'dependency' | undefined {
  if ('event' in entry) return entry.outcome === 'pending' ? undefined : entry.outcome;
  const all = entry.after.map(outcome);
  if (all.some((each) => each === 'failed' || each === 'dependency')) return 'dependency';
  if (all.includes(undefined)) return undefined;
  return entry.kind === 'trap' ? 'failed' : 'complete';
}

class Program {
  readonly #on: BothMirror;
  readonly #queues: readonly (readonly [Queue, Kernels])[];
  readonly #memory: SvmBuffer;
  readonly #entries: Entry[] = [];
  readonly #events: EventEntry[] = [];
  /** By queue out of order: what its last barrier lets nobody overtake. */
  readonly #gates = new Map<number, ReadonlySet<Entry>>();

  constructor(on: BothMirror, queues: readonly (readonly [Queue, Kernels])[]) {
    this.#on = on;
    this.#queues = queues;
    this.#memory = on.mirror.alloc(64 + MOST * 16);
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'event':
        this.#events.push({ event: this.#on.mirror.createEvent(), outcome: 'pending' });
        return;
      case 'end event': {
        const entry = this.#events[step.which % Math.max(1, this.#events.length)];
        if (entry) this.#end(entry, step.fails);
        return;
      }
      case 'look': {
        const entry = this.#entries[step.which % Math.max(1, this.#entries.length)];
        if (entry && outcome(entry) === undefined) assert.equal(entry.command.status, 'queued');
        return;
      }
      default:
        if (this.#entries.length < MOST) this.#put(step);
    }
  }

  #end(entry: EventEntry, fails: boolean): void {
    if (entry.outcome !== 'pending') return;
    entry.outcome = fails ? 'failed' : 'complete';
    if (fails) entry.event.fail(new Error('as drawn'));
    else entry.event.complete();
  }

  #put({ kind, queue: q, after: drawn, list }: Extract<Step, { queue: number }>): void {
    const number = q % this.#queues.length;
    const [queue, kernels] = this.#queues[number]!;
    const there = [...this.#entries, ...this.#events];
    const after = there.length === 0 ? [] : drawn.map((n) => there[n % there.length]!);
    const named = after.map((each) => ('event' in each ? each.event : each.command));
    const options = after.length === 0 ? {} : { after: named.length === 1 && !list ? named[0]! : named };
    const slot = this.#entries.length;
    const at = this.#memory.address + 64 + slot * 16;
    const before = this.#before(number, kind, after);
    this.#entries.push({
      command: this.#command(kind, queue, kernels, at, options),
      kind,
      queue: number,
      after,
      before,
      slot,
    });
    if (kind === 'barrier' && queue.order === 'out')
      this.#gates.set(number, new Set([...before, this.#entries.at(-1)!]));
  }

  #command(kind: string, queue: Queue, kernels: Kernels, at: number, options: object): Command {
    const clock = this.#memory.address;
    switch (kind) {
      case 'ticket':
        return queue.launch(kernels.ticket, { items: 1, args: [clock, at] as never, ...options });
      case 'trap':
        return queue.launch(kernels.trap, { items: 1, args: [], ...options });
      case 'host':
        return queue.free(at as never, {
          ...options,
          callback: () => {
            const words = this.#memory.view(Int32Array);
            const slot = (at - clock) / 4;
            words[slot] = Atomics.add(words, 0, 1) + 1;
            words[slot + 1] = Atomics.add(words, 0, 1) + 1;
          },
        });
      case 'copy':
        return queue.copy(new Uint8Array(4), at + 8, { size: 4, ...options });
      case 'migrate':
        return queue.migrate(this.#memory, options);
      case 'barrier':
        return queue.barrier(options);
      default:
        return queue.marker(options);
    }
  }

  /** The rules: what is before a command of its queue, by order, barriers and `after`. */
  #before(queue: number, kind: string, after: readonly (Entry | EventEntry)[]): Set<Entry> {
    const named = after.filter((each): each is Entry => !('event' in each));
    const earlier = this.#entries.filter((entry) => entry.queue === queue);
    const all = new Set<Entry>(named);
    if (this.#queues[queue]![0].order === 'in') for (const each of earlier) all.add(each);
    else {
      for (const each of this.#gates.get(queue) ?? []) all.add(each);
      if ((kind === 'barrier' || kind === 'marker') && after.length === 0)
        for (const each of earlier) all.add(each);
    }
    return all;
  }

  /** Everything ends, and as the rules say. */
  async settle(how: 'done' | 'wait' | 'finish', resolve: readonly boolean[]): Promise<void> {
    for (const [i, entry] of this.#events.entries()) this.#end(entry, resolve[i % resolve.length]!);
    if (how === 'finish') await Promise.all(this.#queues.map(([queue]) => queue.finish().catch(() => {})));
    for (const { command } of this.#entries) {
      if (how === 'finish') assert.ok(['complete', 'failed'].includes(command.status));
      await ending(command, how);
    }
    const words = this.#memory.view(Int32Array);
    const tickets = ({ slot }: Entry): readonly [number, number] => [
      words[16 + slot * 4]!,
      words[17 + slot * 4]!,
    ];
    for (const entry of this.#entries) {
      const expected = outcome(entry);
      const error = await ending(entry.command, 'done');
      assert.equal(entry.command.status, expected === 'complete' ? 'complete' : 'failed');
      assert.equal(error instanceof DependencyError, expected === 'dependency', String(error));
      const [began, ended] = tickets(entry);
      const runs = expected === 'complete' && (entry.kind === 'ticket' || entry.kind === 'host');
      assert.equal(began > 0 && ended > began, runs);
      if (!runs) continue;
      for (const former of allBefore(entry)) {
        const [, end] = tickets(former);
        assert.ok(end < began, `${former.slot} ended at ${end}, ${entry.slot} began at ${began}`);
      }
    }
    this.#memory.free();
  }
}

/** Before it, and before what has run before it. */
function allBefore(entry: Entry): Set<Entry> {
  const found = new Set<Entry>();
  const left = [...entry.before];
  for (let next = left.pop(); next; next = left.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    // What failed for another's sake has waited for nothing.
    if (outcome(next) === 'complete') left.push(...next.before);
  }
  return found;
}

async function ending(command: Command, how: string): Promise<unknown> {
  try {
    if (how === 'wait') command.wait();
    else await command.done;
  } catch (error) {
    return error;
  }
  return undefined;
}

test('commands end and begin in the order that the rules allow, and fail as they say', () =>
  withBoth(async (on) => {
    const queues = ([on.wasm, on.proc] as const).flatMap((device, i) => {
      const kernels = i === 0 ? on.onWasm : on.onProc;
      return [
        [device.queue, kernels],
        [device.createQueue({ order: 'out' }), kernels],
        [device.createQueue({ order: 'out' }), kernels],
      ] as const;
    });
    const programs = fc.record({
      steps: fc.array(step, { minLength: 10, maxLength: 90, size: 'max' }),
      how: fc.constantFrom('done', 'wait', 'finish'),
      fails: fc.array(
        fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
        { minLength: 8, maxLength: 8 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(programs, async ({ steps, how, fails }) => {
        const program = new Program(on, queues);
        for (const each of steps) program.run(each);
        await program.settle(how as 'done', fails);
      }),
      { numRuns: RUNS },
    );
  }));
