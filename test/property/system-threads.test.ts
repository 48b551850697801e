/**
 * Threads of the host and cores of the device load and store system memory (private pages, a shared file) and a fine-grained
 * buffer, all at once, synchronised by launches and by nothing else, against a model of plain arrays. Each thread has bytes of
 * its own, in turns through every page, which it alone stores to; it loads anybody's.
 *
 * - A thread that loads a byte of its own finds what it stored last.
 * - One that loads another's finds what was there before the launch, or something that its owner stores meanwhile.
 * - When the launch has ended, and the threads of the host, every byte is what its owner has stored last.
 *
 * `MIRRORSPACE_SEED=...` repeats a run's choices (not how threads meet), `MIRRORSPACE_STRESS=full` makes it a minute for each
 * way of paging, and `MIRRORSPACE_MINUTES=120` as long as one likes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Command } from 'mirrorspace';
import { viewMemory } from '../../src/ffi/library.ts';
import { ftruncate, memfdCreate } from '../../src/linux/memfd.ts';
import {
  MADV_DONTNEED,
  MAP_SHARED,
  madvise,
  mapZeroPages,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/linux/mmap.ts';
import { full, generator, SEED } from '../fixtures/many-mirrors.ts';
import { hostPages, PAGE, type SystemMirror, withSystem } from '../fixtures/system.ts';

const PAGES = 8;
const SIZE = PAGES * PAGE;
const STEPS = 200;
/** This thread and two more, and two items of a launch. */
const HOST_THREADS = 3;
const ITEMS = 2;
const ACTORS = HOST_THREADS + ITEMS;
const MINUTES = Number(process.env.MIRRORSPACE_MINUTES ?? (full ? 1 : 0));
const LEAST_ROUNDS = 40;
const program = fileURLToPath(new URL('../fixtures/programs/system-actor.mjs', import.meta.url));

type Below = (below: number) => number;
/** What the owner of each byte stores to it in a round, by region and offset. */
type Stores = readonly Map<number, number[]>[];

/** Fills in a thread's steps: few pages at a time, so that they meet. */
function writeScript(steps: Uint32Array, actor: number, focus: number, below: Below): void {
  for (let i = 0; i < STEPS; i++) {
    const anywhere = ((focus + below(3)) % PAGES) * PAGE + below(below(2) ? PAGE : 64);
    const own = anywhere - (anywhere % ACTORS) + actor;
    const store = below(2);
    const offset = store || below(4) === 0 ? (own < SIZE ? own : own - ACTORS) : anywhere;
    steps.set([2 * below(3) + store, offset, store ? below(256) : 0xffff], 3 * i);
  }
}

function storesOf(scripts: readonly Uint32Array[]): Stores {
  const stores = [new Map<number, number[]>(), new Map<number, number[]>(), new Map<number, number[]>()];
  for (const steps of scripts)
    for (let i = 0; i < 3 * STEPS; i += 3) {
      if ((steps[i]! & 1) === 0) continue;
      const of = stores[steps[i]! >>> 1]!;
      of.set(steps[i + 1]!, [...(of.get(steps[i + 1]!) ?? []), steps[i + 2]!]);
    }
  return stores;
}

/** What the steps of a thread have loaded, against what was there before and what everybody has stored. */
function checkLoads(steps: Uint32Array, actor: number, before: readonly Uint8Array[], stores: Stores): void {
  const own = new Map<string, number>();
  for (let i = 0; i < 3 * STEPS; i += 3) {
    const [region, offset, value] = [steps[i]! >>> 1, steps[i + 1]!, steps[i + 2]!];
    const place = `${region}:${offset}`;
    if ((steps[i]! & 1) === 1) {
      own.set(place, value);
      continue;
    }
    const old = before[region]![offset]!;
    const mine = offset % ACTORS === actor;
    const allowed = mine ? [own.get(place) ?? old] : [old, ...(stores[region]!.get(offset) ?? [])];
    if (!allowed.includes(value))
      assert.fail(
        `thread ${actor}, step ${i / 3}: ${value} at ${offset} of region ${region}, not one of ${allowed.join()}`,
      );
  }
}

async function check({ mirror, proc, program: kernels }: SystemMirror, paging: string): Promise<string> {
  assert.equal(proc.systemPaging, paging);
  const below = generator(SEED);
  const pages = hostPages(PAGES);
  const file = memfdCreate('system-threads');
  ftruncate(file, SIZE);
  const shared = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const buffer = mirror.alloc(SIZE);
  const sync = mirror.alloc(PAGE);
  const table = mirror.alloc(PAGE);
  const deviceScripts = mirror.alloc(ITEMS * STEPS * 12);
  const hostScripts = new SharedArrayBuffer(HOST_THREADS * STEPS * 12);

  const addresses = [pages.address, shared, buffer.address];
  const regions = [pages.bytes, new Uint8Array(viewMemory(shared, SIZE)), buffer.bytes];
  const pins = [mirror.pin(regions[0]!), mirror.pin(regions[1]!)];
  table.view(Float64Array).set(addresses);
  const words = sync.view(Int32Array);
  const model = regions.map(() => new Uint8Array(SIZE));
  const scripts = Array.from({ length: ACTORS }, (_, actor) =>
    actor < HOST_THREADS
      ? new Uint32Array(hostScripts, actor * STEPS * 12, 3 * STEPS)
      : deviceScripts
          .view(Uint32Array)
          .subarray((actor - HOST_THREADS) * 3 * STEPS, (actor - HOST_THREADS + 1) * 3 * STEPS),
  );
  const workers = Array.from({ length: HOST_THREADS - 1 }, (_, i) => {
    const workerData = {
      scripts: hostScripts,
      script: i + 1,
      count: STEPS,
      addresses,
      size: SIZE,
      sync: sync.address,
    };
    return new Worker(program, { workerData, execArgv: [] });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));

  const act = kernels.kernel('act', ['pointer', 'u32', 'u32', 'pointer', 'u32', 'u32', 'pointer']);
  const nothing = kernels.kernel('pid', ['pointer']);
  const [second, third] = [proc.createQueue(), proc.createQueue()];
  const launch = (queue: typeof second, first: number, items: number): Command =>
    queue.launch(act, {
      items,
      chunk: 1,
      args: [deviceScripts, first, STEPS, table, 3, SIZE, sync],
      timeout: 120_000,
    });
  /** Between two launches: pages given back, mapped anew, written to by write(2), and advice. */
  const change = (): void => {
    const page = below(PAGES) * PAGE;
    const range = { address: addresses[below(2)]! + page, size: PAGE };
    const what = below(8);
    if (what === 0) mapZeroPages(pages.address + page, PAGE);
    else if (what === 1) madvise(pages.address + page, PAGE, MADV_DONTNEED);
    if (what < 2) model[0]!.fill(0, page, page + PAGE);
    if (what === 2) {
      const value = below(256);
      writeSync(file, new Uint8Array(100).fill(value), 0, 100, page);
      model[1]!.fill(value, page, page + 100);
    } else if (what === 3) proc.advise(range, 'prefetch');
    else if (what === 4) proc.advise(range, 'drop');
    else if (what === 5) proc.queue.invalidate(range);
    else if (what === 6) proc.advise(range, { readMostly: below(2) === 1 });
    else if (what === 7) proc.advise(range, { fetchSize: below(2) * 8192 });
  };

  let [rounds, met] = [0, 0];
  const until = performance.now() + MINUTES * 60_000;
  try {
    for (; rounds < LEAST_ROUNDS || performance.now() < until; rounds++) {
      const focus = below(PAGES);
      for (let i = below(4); i > 0; i--) change();
      for (const [actor, steps] of scripts.entries()) writeScript(steps, actor, focus, below);
      const stores = storesOf(scripts);
      words.set([0, ACTORS - 1, 0]);
      const commands = below(2)
        ? [launch(proc.queue, 0, ITEMS)]
        : [launch(proc.queue, 0, 1), launch(second, 1, ITEMS - 1)];
      const ended = workers.map((worker) => {
        const said = once(worker, 'message');
        worker.postMessage('go');
        return said;
      });
      const mine = scripts[0]!;
      for (let i = 0; i < 3 * STEPS; i += 3) {
        const bytes = regions[mine[i]! >>> 1]!;
        if ((mine[i]! & 1) === 1) bytes[mine[i + 1]!] = mine[i + 2]!;
        else mine[i + 2] = bytes[mine[i + 1]!]!;
        if (i % 120 !== 0) continue;
        // Before it begins, copies are dropped that kernels are at work on.
        if (below(2)) commands.push(third.launch(nothing, { items: 1, args: [sync.address + 64] }));
        await new Promise(setImmediate);
      }
      for (const { done } of commands) await done;
      for (const [count] of await Promise.all(ended)) met += count as number;

      for (const [actor, steps] of scripts.entries()) checkLoads(steps, actor, model, stores);
      for (const [region, bytes] of model.entries()) {
        for (const [offset, values] of stores[region]!) bytes[offset] = values.at(-1)!;
        const at = regions[region]!.findIndex((byte, i) => byte !== bytes[i]);
        if (at !== -1)
          assert.fail(
            `round ${rounds}: ${regions[region]![at]} at ${at} of region ${region}, not ${bytes[at]}`,
          );
      }
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
    for (const pin of pins) pin.dispose();
    closeSync(file);
  }
  munmap(shared, SIZE);
  const { acquires, writtenBackBytes, unwrittenBytes } = proc.systemCounters();
  assert.ok(acquires >= rounds && writtenBackBytes > rounds);
  assert.equal(unwrittenBytes, 0);
  // All this is worth nothing where the ones were done before the others began.
  assert.ok(met > 0, `in ${rounds} rounds host threads met kernels at ${met} steps`);
  return `${rounds} rounds, in which threads of the host met kernels at ${met} steps`;
}

for (const [paging, faults] of [
  ['demand', 'auto'],
  ['declared', 'trap'],
] as const)
  test(
    `${paging}: threads of the host and of the device at once find what they may, and lose nothing (seed ${SEED})`,
    { skip: paging === 'demand' && process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd' },
    (t) =>
      withSystem(async (on) => t.diagnostic(await check(on, paging)), {
        system: 'all',
        cores: ITEMS + 1,
        faults,
      }),
  );
