/**
 * `mirrorspace bench`: the benchmarks of a checkout, each beside its peer. They need compilers and the peers' packages,
 * so the installed package has none of them, and says so.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { colours, Failure, say, sayJson } from './output.ts';

interface Options {
  readonly quick?: true;
  readonly last?: true;
  readonly json?: true;
}

/** As bench/rows.ts writes them into bench/results.json. */
interface Results {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly quick: boolean;
  readonly rows: readonly {
    readonly group: string;
    readonly what: string;
    readonly ours: number;
    readonly unit: string;
    readonly peer?: string;
    readonly theirs?: number;
    readonly ratio?: number;
    readonly target?: string;
  }[];
}

export function benchCommand(): Command {
  return new Command('bench')
    .summary('run the benchmarks of a checkout')
    .description(
      'Runs the benchmarks, each beside its peer, and prints the table. They are in a checkout of the project, not in the installed package: run it inside of one.',
    )
    .argument('[groups...]', 'some of them: gap, allocation, heap, launch, ...')
    .option('--quick', 'few rounds, to see that everything runs')
    .option('--last', 'runs nothing: the figures of the last run')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mirrorspace bench --quick heap     one group, few rounds
  $ mirrorspace bench --last --json    the figures of the last run`,
    )
    .action(run);
}

function run(groups: readonly string[], { quick, last, json }: Options): void {
  const root = findCheckout();
  if (root === undefined)
    throw new Failure(
      [
        'no benchmarks here: they are in a checkout of the project, not in the installed package, since they',
        'compile their peers in C and load the packages that they compare with. In a checkout:',
        '  npm ci && npm run bench           everything, some minutes',
        '  npm run bench -- --quick launch   one group, few rounds',
        'What this machine has to offer is told by: mirrorspace doctor',
      ].join('\n'),
    );
  if (!last) {
    const args = ['run', '--silent', 'bench', '--', ...groups, ...(quick ? ['--quick'] : [])];
    // Only the JSON goes to standard output where that is asked for.
    const { status, error } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', json ? 2 : 1, 2] });
    if (error) throw new Failure(`npm can't be run: ${error.message}`);
    if (status !== 0) throw new Failure('the benchmarks failed', status === 2 ? 2 : 1);
    if (!json) return;
  }
  const results = readResults(join(root, 'bench/results.json'));
  if (json) sayJson(results);
  else say(table(results).join('\n'));
}

/** The folder above this file or above the working folder that is a checkout. */
function findCheckout(): string | undefined {
  for (let folder of [fileURLToPath(new URL('.', import.meta.url)), resolve('.')])
    for (; ; folder = dirname(folder)) {
      if (isCheckout(folder)) return folder;
      if (folder === dirname(folder)) break;
    }
  return undefined;
}

function isCheckout(folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return name === 'mirrorspace' && existsSync(join(folder, 'bench/main.ts'));
  } catch {
    return false;
  }
}

function readResults(file: string): Results {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new Failure(`there are no figures of a last run in ${file}: mirrorspace bench makes them`);
  }
}

function table({ machine, quick, rows }: Results): string[] {
  const { bold, dim } = colours();
  const lines = [dim(`${Object.values(machine).join(', ')}${quick ? ', few rounds' : ''}`)];
  const width = Math.max(...rows.map(({ what }) => what.length), 0);
  let group = '';
  for (const row of rows) {
    if (row.group !== group) lines.push('', bold(row.group));
    group = row.group;
    const beside = row.peer === undefined ? '' : `  ${row.ratio}x  ${row.peer} ${row.theirs} ${row.unit}`;
    lines.push(`  ${row.what.padEnd(width)}  ${row.ours} ${row.unit}${beside}`.trimEnd());
  }
  return lines;
}
