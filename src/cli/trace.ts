/**
 * `mirrorspace trace COMMAND`: runs a program with `mirrorspace/trace` in it, and in whatever Node processes it starts,
 * and puts their traces into one file. The program's output and exit code are its own.
 *
 * @module
 */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import type { ChromeTrace } from 'mirrorspace/observe';
import { Failure, UsageFailure } from './output.ts';
import { exitCodeOf, runWith } from './run-with.ts';

interface Options {
  readonly output: string;
  readonly sites?: true;
  readonly json?: true;
}

/** What was recorded. */
interface Summary {
  readonly file: string;
  /** Threads with mirrors. */
  readonly threads: number;
  readonly events: number;
  readonly commands: number;
  readonly faults: number;
  /** Events that were too many to be kept. */
  readonly missing: number;
  /** The program's exit code, or the signal that ended it. */
  readonly exit: number | string;
}

export function traceCommand(): Command {
  return new Command('trace')
    .summary('run a program and record what its mirrors do')
    .description(
      'Runs a program and records what its mirrors do, in it and in the Node processes that it starts: placement, buffers, commands on queues, page faults. The file is for ui.perfetto.dev or chrome://tracing.',
    )
    .argument('<command...>', 'the program and its arguments')
    .option('-o, --output <file>', 'the trace', 'mirrorspace-trace.json')
    .option('--sites', 'with the line of the program that asked for each')
    .option('--json', 'what was recorded as JSON, on standard error')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The exit code is the program's; 1 where it opened no mirror.

Examples:
  $ mirrorspace trace node main.js
  $ mirrorspace trace --sites -o demo.json npm start`,
    )
    .action(run);
}

async function run(command: readonly string[], { output, sites, json }: Options): Promise<void> {
  const file = resolve(output);
  // Before the program runs: nobody wants to run it twice.
  const there = existsSync(file);
  try {
    closeSync(openSync(file, 'a'));
    if (!there) rmSync(file);
  } catch (error) {
    throw new UsageFailure(`${output} can't be written: ${(error as Error).message}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'mirrorspace-trace-'));
  try {
    const exit = await runWith('mirrorspace/trace', command, {
      MIRRORSPACE_TRACE: join(folder, '%p-%t.json'),
      ...(sites ? { MIRRORSPACE_SITES: '1' } : {}),
    });
    const traces = readdirSync(folder).map(
      (name): ChromeTrace => JSON.parse(readFileSync(join(folder, name), 'utf8')),
    );
    const code = exitCodeOf(exit);
    if (traces.length === 0) {
      throw new Failure(
        `no mirror was opened by ${command[0]}: a program that is no Node process, or that drops NODE_OPTIONS, is not seen`,
        code === 0 ? 1 : code,
      );
    }
    writeMerged(file, traces);
    const summary = summaryOf(file, traces, exit);
    process.stderr.write(`${json ? JSON.stringify(summary) : inWords(summary)}\n`);
    process.exitCode = code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Their processes have numbers of their own, so that they need no more than to stand behind each other. */
function writeMerged(file: string, traces: readonly ChromeTrace[]): void {
  const { traceEvents: _, ...rest } = traces[0]!;
  const missing = missingOf(traces);
  const out = openSync(file, 'w');
  try {
    const head = JSON.stringify({ ...rest, otherData: { ...rest.otherData, missing } }).slice(0, -1);
    writeFileSync(out, `${head},"traceEvents":[`);
    let separator = '\n';
    for (const { traceEvents } of traces)
      for (let i = 0; i < traceEvents.length; i += 10_000) {
        const lines = traceEvents.slice(i, i + 10_000).map((event) => JSON.stringify(event));
        writeFileSync(out, `${separator}${lines.join(',\n')}`);
        separator = ',\n';
      }
    writeFileSync(out, '\n]}\n');
  } finally {
    closeSync(out);
  }
}

function missingOf(traces: readonly ChromeTrace[]): number {
  return traces.reduce((sum, { otherData }) => sum + Number(otherData.missing), 0);
}

function summaryOf(file: string, traces: readonly ChromeTrace[], exit: number | string): Summary {
  let [events, commands, faults] = [0, 0, 0];
  for (const { traceEvents } of traces)
    for (const event of traceEvents) {
      if (event.ph !== 'M') events++;
      if (event.ph === 'X' && event.args?.command !== undefined) commands++;
      if (event.ph === 'i' && event.cat === 'fault') faults++;
    }
  return { file, threads: traces.length, events, commands, faults, missing: missingOf(traces), exit };
}

function inWords({ file, threads, commands, faults, missing }: Summary): string {
  const of = threads === 1 ? '' : ` of ${threads} threads`;
  const lost = missing > 0 ? `; ${missing} events were too many` : '';
  return `${commands} commands and ${faults} page faults${of} in ${file}${lost}: open it in ui.perfetto.dev`;
}
