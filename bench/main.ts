/**
 * `npm run bench`: every benchmark beside its peers in one run, as a table of ratios, and as JSON in
 * bench/results.json. Words choose groups (`npm run bench -- launch kernels`); `--quick` takes few rounds, to see
 * that everything runs.
 *
 * @module
 */
import { writeFileSync } from 'node:fs';
import { arch, cpus, release } from 'node:os';
import Table from 'cli-table3';
import { Argument, Command } from 'commander';
import pc from 'picocolors';
import { allocation } from './alloc.ts';
import { gapSearch } from './gap-search.ts';
import { handOver } from './hand-over.ts';
import { heapObjects } from './heap.ts';
import { idleLaunch } from './idle.ts';
import { launchLatency } from './launch.ts';
import { layoutAccess } from './layout.ts';
import { observing } from './observe.ts';
import { openclLaunches } from './opencl.ts';
import { packageCost } from './package.ts';
import { pageFrames } from './page.ts';
import { pointerFollowing } from './pointers.ts';
import type { Row } from './rows.ts';
import { sharing } from './sharing.ts';
import { startup } from './startup.ts';
import { streaming } from './streaming.ts';
import { systemMemory } from './system.ts';
import { systemKernel } from './system-kernel.ts';

const groups: Record<string, (quick: boolean) => Promise<Row[]>> = {
  gap: gapSearch,
  allocation,
  heap: heapObjects,
  launch: async (quick) => [...(await launchLatency(quick)), ...(await idleLaunch(quick))],
  kernels: async (quick) => [...(await pointerFollowing(quick)), ...(await streaming(quick))],
  'hand-over': handOver,
  layout: layoutAccess,
  observe: observing,
  sharing,
  system: async (quick) => [...(await systemMemory(quick)), ...(await systemKernel(quick))],
  opencl: openclLaunches,
  start: startup,
  package: packageCost,
  page: pageFrames,
};

const program = new Command('npm run bench --')
  .description(
    'Every benchmark beside its peers in one run: a table of ratios, and the same in bench/results.json.',
  )
  .addArgument(new Argument('[groups...]', 'only these').choices(Object.keys(groups)))
  .option('--quick', 'few rounds, to see that everything runs', false)
  .parse();
const chosen = program.args;
const { quick } = program.opts<{ quick: boolean }>();

const rows: Row[] = [];
for (const [name, run] of Object.entries(groups)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  process.stderr.write(pc.dim(`${name} …\n`));
  rows.push(...(await run(quick)));
}

const table = new Table({
  head: ['what', 'ours', 'peer', 'theirs', 'theirs / ours', 'target'],
  style: {
    head: pc.isColorSupported ? ['bold'] : [],
    border: pc.isColorSupported ? ['dim'] : [],
    compact: true,
  },
});
let group = '';
for (const row of rows) {
  if (row.group !== group) table.push([{ colSpan: 6, content: pc.bold(row.group) }]);
  group = row.group;
  table.push([
    row.what,
    `${row.ours} ${row.unit}`,
    row.peer ?? '',
    row.theirs === undefined ? '' : `${row.theirs} ${row.unit}`,
    row.ratio === undefined ? '' : `${row.ratio}x`,
    row.target ?? '',
  ]);
}
console.log(table.toString());
const machine = {
  node: process.version,
  arch: arch(),
  kernel: release(),
  cpus: cpus().length,
  model: cpus()[0]?.model,
};
const file = new URL('./results.json', import.meta.url);
writeFileSync(file, `${JSON.stringify({ machine, quick, rows }, null, 2)}\n`);
