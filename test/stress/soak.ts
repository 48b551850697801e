// `npm run soak -- --minutes 10 --seed 1`: the random commands of test/property/random-commands.test.ts for as long as
// one likes, with a line of progress. Now and then everything is freed and what the processes hold is compared with
// what they held before. Exits with 1, and the seed, at the first disagreement or leak.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { collect, filesOnDisk, type Holdings, holdings } from '../fixtures/leaks.ts';
import { Runs } from '../fixtures/model-runs.ts';
import { isRunning } from '../fixtures/proc.ts';

const MiB = 2 ** 20;
const CHECK_EVERY = 6;

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
const minutes = Number(values.minutes ?? 10);
const first = values.seed === undefined ? Math.floor(Math.random() * 2 ** 30) : Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(first)) {
  console.error('usage: npm run soak -- [--minutes NUMBER] [--seed NUMBER]');
  process.exit(2);
}

const lasting = new Runs(3, { shrink: false });
const trapping = new Runs(1, { faults: 'trap', shrink: false });
const all = [lasting, trapping];
const started = Date.now();
const disk = filesOnDisk();
const nothing = holdings();
let seed = first;

/** One run; which kind is the seed's business, so that the seed alone repeats it. */
function round(of: number): Promise<void> {
  const kind = of % 6;
  if (kind === 0) return lasting.closing({ seed: of }, 6, 60);
  if (kind === 1) return trapping.lasting({ seed: of }, 10, 150);
  return lasting.lasting({ seed: of }, 15, 250);
}

const total = (field: keyof Runs['tally']): number => all.reduce((sum, { tally }) => sum + tally[field], 0);

function line(): string {
  const now = holdings();
  const devices = all.flatMap((runs) => runs.devices).filter(isRunning);
  const deviceRss = devices.reduce((sum, pid) => sum + holdings(pid).rss, 0);
  const seconds = Math.round((Date.now() - started) / 1000);
  return [
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`,
    `${total('commands')} commands`,
    `${total('launches')} launches`,
    `${total('refusals')} refusals`,
    `${total('faults')} faults`,
    `${total('aborts')} aborts`,
    `${total('kills')} kills`,
    `${all.reduce((sum, runs) => sum + runs.liveBuffers, 0)} buffers`,
    `RSS ${Math.round(now.rss / MiB)} MiB (idle devices ${Math.round(deviceRss / MiB)})`,
    `${now.descriptors} descriptors`,
    `${now.vmas} VMAs`,
    `${now.children.length} children`,
    `seed ${seed}`,
  ].join(', ');
}

const terminal = process.stdout.isTTY;
const progress = setInterval(
  () => {
    try {
      process.stdout.write(terminal ? `\r\x1b[2K${line()}` : `${line()}\n`);
    } catch {
      // A device has ended between two looks at it.
    }
  },
  terminal ? 500 : 15_000,
);

/** What is held now that every buffer is freed, beside what was then. */
let before: Holdings | undefined;
const deviceThreads = new Map<number, number>();

async function check(): Promise<void> {
  await collect();
  const now = holdings();
  const devices = all.flatMap((runs) => runs.devices);
  assert.deepEqual(new Set(now.children), new Set(devices), 'the children are the devices');
  for (const pid of devices) {
    const { threads, descriptors } = holdings(pid);
    const known = deviceThreads.get(pid);
    if (known !== undefined)
      assert.ok(threads <= known + 4, `device ${pid} has ${threads} threads, had ${known}`);
    else deviceThreads.set(pid, threads);
    assert.ok(descriptors < 100, `device ${pid} has ${descriptors} descriptors`);
  }
  // The first time some code had not run yet.
  if (before) {
    assert.equal(now.ours, before.ours, 'descriptors of mirrors and devices');
    assert.ok(
      now.descriptors <= before.descriptors + 2,
      `${now.descriptors} descriptors, not ${before.descriptors}`,
    );
    assert.ok(now.ourVmas <= before.ourVmas, `${now.ourVmas} VMAs of mirrors, not ${before.ourVmas}`);
    assert.ok(now.vmas <= before.vmas + 500, `${now.vmas} VMAs, not ${before.vmas}`);
    assert.ok(now.rss <= before.rss * 1.5 + 128 * MiB, `RSS ${now.rss}, was ${before.rss}`);
  }
  if (all.every((runs) => runs.devices.length > 0)) before ??= now;
  assert.deepEqual(filesOnDisk(), disk, 'files on disk');
}

try {
  for (let done = 1; Date.now() - started < minutes * 60_000; done++, seed++) {
    await round(seed);
    if (done % CHECK_EVERY === 0) await check();
  }
  for (const runs of all) await runs.dispose();
  await collect();
  const { children, ours, ourVmas } = holdings();
  assert.deepEqual(
    { children, ours, ourVmas },
    { children: [], ours: nothing.ours, ourVmas: 0 },
    'what is left at the end',
  );
  clearInterval(progress);
  console.log(`${terminal ? '\n' : ''}${line()}\nno disagreement and no leak; the first seed was ${first}`);
} catch (error) {
  clearInterval(progress);
  console.error(terminal ? '\n' : '', error);
  console.error(`\nagain with: npm run soak -- --seed ${seed}`);
  process.exit(1);
}
