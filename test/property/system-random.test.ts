/**
 * Host and device load and store system memory and a buffer at once, at random, synchronised by launches, against a
 * model of plain arrays. `MIRRORSPACE_SEED=...` repeats a run, `MIRRORSPACE_STRESS=full` makes it long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MADV_DONTNEED, madvise, mapZeroPages } from '../../src/linux/mmap.ts';
import { full, generator, SEED } from '../fixtures/many-mirrors.ts';
import { hostPages, PAGE, withSystem } from '../fixtures/system.ts';

const PAGES = 12;
const SIZE = PAGES * PAGE;
const STEPS = 300;
const ROUNDS = full ? 20_000 : 120;

for (const [paging, faults] of [
  ['demand', 'auto'],
  ['declared', 'trap'],
] as const)
  test(
    `${paging}: system memory and a buffer hold what a model holds, whoever stores there (seed ${SEED})`,
    {
      skip: paging === 'demand' && process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd',
    },
    () =>
      withSystem(
        async ({ mirror, proc, program }) => {
          assert.equal(proc.systemPaging, paging);
          const below = generator(SEED);
          const pages = hostPages(PAGES);
          const parts = [
            mirror.pin(pages.bytes.subarray(0, SIZE / 2)),
            mirror.pin(pages.bytes.subarray(SIZE / 2)),
          ];
          const buffer = mirror.alloc(SIZE);
          const script = mirror.alloc(12 * STEPS);
          const steps = script.view(Uint32Array);
          const run = program.kernel('run', ['pointer', 'f64', 'pointer', 'pointer', 'f64']);
          const regions = [pages.bytes, buffer.bytes];
          const models = [new Uint8Array(SIZE), new Uint8Array(SIZE)];
          /** Few pages at a time, so that they meet. */
          let focus = 0;
          const offset = (): number => ((focus + below(3)) % PAGES) * PAGE + below(below(2) ? PAGE : 64);
          const hostStores = (region: number, at: number): void => {
            regions[region]![at] = models[region]![at] = below(256);
          };
          const remap = (): void => {
            const page = below(PAGES);
            const what = below(8);
            const range = { address: pages.address + page * PAGE, size: PAGE };
            if (what === 0) mapZeroPages(range.address, PAGE);
            else if (what === 1) madvise(range.address, PAGE, MADV_DONTNEED);
            else if (what === 2) proc.advise(range, 'prefetch');
            else if (what === 3) proc.advise(range, 'drop');
            else if (what === 4) proc.queue.invalidate(range);
            else if (what === 5) proc.advise(range, { readMostly: below(2) === 1 });
            else if (what === 6) {
              const part = below(2);
              parts[part]!.dispose();
              parts[part] = mirror.pin(pages.bytes.subarray((part * SIZE) / 2, ((part + 1) * SIZE) / 2));
            }
            if (what < 2) models[0]!.fill(0, page * PAGE, (page + 1) * PAGE);
          };

          for (let round = 0; round < ROUNDS; round++) {
            focus = below(PAGES);
            for (let i = below(40); i > 0; i--) hostStores(below(2), offset());
            for (let i = below(3); i > 0; i--) remap();
            // Even bytes are the kernel's while it runs, odd ones the host's.
            const expected: (number | undefined)[] = [];
            for (let i = 0; i < STEPS; i++) {
              const region = below(2);
              const store = below(2);
              const at = store ? offset() & ~1 : offset();
              const value = below(256);
              steps.set([2 * region + store, at, value], 3 * i);
              expected.push(store || at % 2 ? undefined : models[region]![at]);
              if (store) models[region]![at] = value;
            }
            const args = [script, STEPS, pages.address, buffer, SIZE] as const;
            const command = proc.queue.launch(run, { items: 1, args: [...args] });
            for (let i = below(60); i > 0; i--) {
              hostStores(below(2), offset() | 1);
              if (below(8) === 0) await new Promise(setImmediate);
            }
            await command.done;
            for (const [i, value] of expected.entries())
              if (value !== undefined) assert.equal(steps[3 * i + 2], value, `step ${i} of round ${round}`);
            for (const [region, model] of models.entries())
              assert.equal(
                Buffer.compare(regions[region]!, model),
                0,
                `region ${region} after round ${round}`,
              );
          }
          const { acquires, declaredBytes, fetches, writtenBackBytes, writtenBytes, unwrittenBytes } =
            proc.systemCounters();
          assert.ok(acquires >= ROUNDS && writtenBackBytes > ROUNDS);
          if (paging === 'demand') assert.ok(fetches > ROUNDS / 2 && writtenBytes > ROUNDS);
          else assert.ok(fetches === 0 && declaredBytes > ROUNDS);
          assert.equal(unwrittenBytes, 0);
        },
        { system: 'all', faults },
      ),
  );
