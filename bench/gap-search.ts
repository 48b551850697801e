/**
 * The gap tree at 1e3, 1e5 and 1e6 ranges: searches of all kinds, ranges taken out and put back, building, draining and
 * memory, beside the npm interval trees, a sorted B+tree, a linear scan, and the running kernel's own mmap and munmap. And
 * how its costs grow from 1e2 to 1e7 ranges.
 *
 * The kernel has no more than vm.max_map_count mappings in a process (65,530), so it is beside at 1e3 only; what it takes
 * includes the system call through the foreign function interface. Its tree alone, in C, took 84, 230 and 470 to 600 ns
 * for such a search at the three sizes, 650, 1,175 and 1,375 ns for an erase and a store, and 40 to 44 bytes a range.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { argv, execPath } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { contenders, OURS } from './gap-contenders.ts';
import type { Job, KernelReport, Operation, Report } from './gap-run.ts';
import { beside, printRows, type Row, rounded } from './rows.ts';

const targets: Partial<Record<Operation, Record<number, string>>> = {
  find: { 1e3: 'under 100 ns', 1e5: 'under 250 ns', 1e6: 'under 500 ns' },
  'insert + remove': { 1e5: 'under 1000 ns' },
};
const MEMORY_TARGET = 'under 44 bytes';

/** Runs it in a process of its own. */
function run<Line = Report>(job: Job): Line[] {
  const program = fileURLToPath(new URL('gap-run.ts', import.meta.url));
  const node = ['--single-threaded', '--expose-gc', '--max-old-space-size=8192', '--import', 'tsx'];
  const args = [...node, program, JSON.stringify(job)];
  const { status, signal, stdout, stderr } = spawnSync(execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${job.name} ended with ${status ?? signal}: ${stderr}`);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** Everyone must give our answer, or their time means nothing. */
function checkAnswers(ours: Report, theirs: Report, name: string): void {
  for (const [operation, answers] of Object.entries(theirs.answers) as [Operation, number[]][])
    answers.forEach((answer, i) => {
      const own = ours.answers[operation]![i];
      if (answer !== own) throw new Error(`${operation}: ${name} finds ${answer} where we find ${own}`);
    });
}

const label = (size: number) => `1e${Math.round(Math.log10(size))} ranges`;

function rowOf(operation: Operation, report: Report): Row {
  const target = targets[operation]?.[report.size];
  return {
    group: 'gap search',
    what: `${operation}${operation === 'build' || operation === 'drain' ? ', a range' : ''}, ${label(report.size)}`,
    unit: 'ns',
    ours: rounded(report.times[operation]!),
    ...(target === undefined ? {} : { target }),
  };
}

/** The rows of this benchmark. Takes some minutes; `quick` leaves out the largest sizes. */
export async function gapSearch(quick = false): Promise<Row[]> {
  const sizes = quick ? [1e3, 1e4] : [1e3, 1e5, 1e6];
  const rounds = quick ? 9 : 61;
  const rows: Row[] = [];
  const ours = run({ name: OURS, sizes, full: true, rounds });
  const others = Object.keys(contenders).filter((name) => name !== OURS);
  const theirs = others.map((name) => ({ name, reports: run({ name, sizes, full: true, rounds }) }));
  for (const [i, own] of ours.entries()) {
    for (const { name, reports } of theirs) checkAnswers(own, reports[i]!, name);
    for (const operation of Object.keys(own.times) as Operation[])
      for (const { name, reports } of theirs) {
        const time = reports[i]!.times[operation];
        if (time !== undefined) rows.push(beside(rowOf(operation, own), name, time));
      }
    const memory: Row = {
      group: 'gap search',
      what: `memory of a range, ${label(own.size)}`,
      unit: 'bytes',
      ours: rounded(own.bytes),
      target: MEMORY_TARGET,
    };
    const garbage = {
      group: 'gap search',
      what: `garbage of insert + remove, ${label(own.size)}`,
      unit: 'bytes',
      ours: rounded(own.garbage),
    };
    for (const { name, reports } of theirs) rows.push(beside(garbage, name, reports[i]!.garbage));
    for (const { name, reports } of theirs)
      rows.push(beside(memory, name, name === 'linear scan' ? 16 : reports[i]!.bytes));
  }
  const [kernel] = run<KernelReport>({ name: 'kernel', sizes: [], full: false, rounds });
  const row = {
    group: 'gap search',
    what: 'find top-down, insert, remove, 1e3 ranges',
    unit: 'ns',
    ours: rounded(kernel!.ours),
  };
  rows.push(beside(row, 'mmap + munmap of this kernel', kernel!.kernel));

  const growth = run({
    name: OURS,
    sizes: quick ? [1e2, 1e3, 1e4] : [1e2, 1e3, 1e4, 1e5, 1e6, 1e7],
    full: false,
    rounds,
  });
  for (const report of growth)
    for (const operation of ['find', 'insert + remove', 'build'] as const) {
      const row = rowOf(operation, report);
      rows.push({ group: 'gap search, growth', what: row.what, unit: row.unit, ours: row.ours });
    }

  return rows;
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href)
  printRows(await gapSearch(argv.includes('--quick')));
