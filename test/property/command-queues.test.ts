/**
 * What commands wait in, against an array: the set with an order, and the heap of deadlines.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Deadline, Deadlines } from '../../src/engine/deadlines.ts';
import { LinkedSet } from '../../src/engine/linked-set.ts';

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), value: fc.nat(40) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), value: fc.nat(40) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('shift' as const), value: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('takeAll' as const), value: fc.constant(0) }) },
);

test('a linked set is an array without duplicates, whatever is put in and taken out', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const set = new LinkedSet<number>();
      let model: number[] = [];
      for (const { do: what, value } of steps) {
        if (what === 'add') {
          set.add(value);
          if (!model.includes(value)) model.push(value);
        } else if (what === 'delete') {
          assert.equal(set.delete(value), model.includes(value));
          model = model.filter((each) => each !== value);
        } else if (what === 'shift') {
          assert.equal(set.shift(), model.shift());
        } else {
          assert.deepEqual(set.takeAll(), model);
          model = [];
        }
        assert.equal(set.size, model.length);
        assert.equal(set.first, model[0]);
      }
      assert.deepEqual(set.takeAll(), model);
    }),
  );
});

test('deadlines come due in order of time, those that were taken out never', () => {
  const add = fc.record({ do: fc.constant('add' as const), value: fc.nat(50) });
  const remove = fc.record({ do: fc.constant('remove' as const), value: fc.nat(300) });
  const due = fc.record({ do: fc.constant('due' as const), value: fc.nat(50) });
  const steps = fc.array(
    fc.oneof({ weight: 4, arbitrary: add }, { weight: 3, arbitrary: remove }, { weight: 1, arbitrary: due }),
    { maxLength: 400, size: 'max' },
  );
  fc.assert(
    fc.property(steps, (sequence) => {
      const deadlines = new Deadlines<number>();
      const given: Deadline<number>[] = [];
      const live = new Set<number>();
      const at = (item: number) => given[item]!.at;
      for (const { do: what, value } of sequence) {
        if (what === 'add') {
          live.add(given.length);
          given.push(deadlines.add(value, given.length));
        } else if (what === 'remove') {
          if (given.length === 0) continue;
          deadlines.remove(given[value % given.length]!);
          live.delete(value % given.length);
        } else {
          const taken: number[] = [];
          for (let item = deadlines.takeDue(value); item !== undefined; item = deadlines.takeDue(value))
            taken.push(item);
          const expected = [...live].filter((item) => at(item) <= value);
          assert.deepEqual([...taken].sort(), expected.sort());
          assert.deepEqual(
            taken.map(at),
            taken.map(at).sort((a, b) => a - b),
          );
          for (const item of taken) live.delete(item);
        }
        assert.equal(deadlines.size, live.size);
        const first = live.size === 0 ? undefined : Math.min(...[...live].map(at));
        assert.equal(deadlines.first()?.at, first);
      }
    }),
  );
});
