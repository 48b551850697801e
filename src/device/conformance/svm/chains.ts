/**
 * One structure that goes from side to side, each ordered pair of sides once and each side to itself: all of it is put in
 * before the first command begins, chained by `after`. The host takes its turns by user events, and blocks nobody.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { Command, Prerequisite, UserEvent } from '../../device.ts';
import type { SvmCase } from '../case.ts';
import { alive, DeviceSide, i32, type Side, type Sides, type Values } from '../sides.ts';
import type { ConformanceBuffer as Buffer } from '../target.ts';

const LISTS = 4;
/** Of the lists that the first side builds; those of each later step are longer by one. */
const SHORTEST = 5;

/** Numbers below `count` in a circle, in which each ordered pair follows once: a de Bruijn sequence of order 2. */
export function circleOfPairs(count: number): number[] {
  const circle: number[] = [];
  for (let i = 0; i < count; i++) {
    circle.push(i);
    for (let j = i + 1; j < count; j++) circle.push(i, j);
  }
  return circle;
}

interface Turn {
  readonly side: Side;
  /** How long the lists are that it finds, and that it builds. */
  readonly found: number;
  readonly built: number;
}

/** The calls of a turn: the lists are followed, once with a length that is wrong, and others are built in their place. */
function callsOf({ found, built }: Turn, memory: readonly Buffer[]) {
  const [heads, even, odd, allocated, errors, witness] = memory as readonly [Buffer, ...Buffer[]];
  return [
    ['verifyLinkedLists', LISTS, [heads, found, errors!]],
    ['verifyLinkedLists', LISTS, [heads, found + 1, witness!]],
    ['storeWord', 1, [allocated!, 0]],
    ['createLinkedLists', LISTS, [heads, even!, odd!, allocated!, built]],
  ] as const satisfies readonly (readonly [string, number, Values])[];
}

/** Puts a turn in, behind `previous`; gives what the next is to come after. */
function take(sides: Sides, turn: Turn, memory: readonly Buffer[], previous: Prerequisite): Prerequisite {
  const { side } = turn;
  const calls = callsOf(turn, memory);
  if (side instanceof DeviceSide)
    return calls.reduce<Prerequisite>(
      (after, [kernel, items, args]) => side.launch(kernel, items, args, { after }),
      previous,
    );
  const taken: UserEvent = sides.mirror.createEvent();
  const run = async (): Promise<void> => {
    for (const [kernel, items, args] of calls) await side.run(kernel, items, args);
    taken.complete();
  };
  previous.done.then(run).catch((error: unknown) => taken.fail(error));
  return taken;
}

export const chains: SvmCase = {
  name: 'chained by after: one structure goes from each side to each, and is followed and built anew by every one',
  async run(sides, report) {
    const circle = circleOfPairs(sides.all.length);
    const turns = [...circle.slice(1), circle[0]!].map((index, i) => ({
      side: sides.all[index]!,
      found: SHORTEST + i,
      built: SHORTEST + i + 1,
    }));
    const nodes = 16 * LISTS * (SHORTEST + turns.length);
    await sides.with([8 * LISTS, nodes, nodes, 64, 64, 64], async (...memory) => {
      const [heads, even, odd, allocated, errors, witness] = memory as [Buffer, ...Buffer[]];
      const first = sides.all[circle[0]!]!;
      await first.run('createLinkedLists', LISTS, [heads, even!, odd!, allocated!, SHORTEST]);
      const start = sides.mirror.createEvent();
      const ends: Prerequisite[] = [];
      for (const turn of turns) ends.push(take(sides, turn, memory, ends.at(-1) ?? start));
      for (const { status } of ends) assert.ok(status === 'queued' || status === 'pending', status);
      assert.equal(i32(witness!)[0], 0, 'nobody has begun');
      start.complete();
      await alive(ends.at(-1)!.done);
      const pairs = turns.map(({ side }, i) => `${(turns[i - 1]?.side ?? first).name} to ${side.name}`);
      assert.equal(new Set(pairs).size, sides.all.length ** 2);
      // Each turn has found one error per list where it was asked for a wrong length, and none else.
      assert.equal(i32(witness!)[0], LISTS * turns.length, pairs.join(', '));
      assert.equal(i32(errors!)[0], 0, pairs.join(', '));
      assert.equal(i32(allocated!)[0], LISTS * turns.at(-1)!.built);
      const commands = ends.filter((end): end is Command => 'times' in end);
      for (const [i, { times }] of commands.entries())
        assert.ok(i === 0 || commands[i - 1]!.times.finished! <= times.finished!, 'one after the other');
      report.diagnostic(`${pairs.length} pairs: ${pairs.join(', ')}`);
    });
  },
};
