/**
 * `mirrorspace serve COMMAND`: runs a program with a live page over its mirrors. The address is printed when the first mirror
 * is opened; it is for this machine only, and as long as the program runs.
 *
 * @module
 */
import { Command } from 'commander';
import { UsageFailure } from './output.ts';
import { exitCodeOf, runWith } from './run-with.ts';

interface Options {
  readonly port: string;
  readonly json?: true;
}

export function serveCommand(): Command {
  return new Command('serve')
    .summary('run a program and show its mirrors on a live page')
    .description(
      'Runs a program, and shows its mirrors on a page: the address spaces of host and devices side by side, buffers, faults and queues as they change. The address is printed on standard error when a mirror is opened. It is for this machine only, and holds a secret.',
    )
    .argument('<command...>', 'the program and its arguments')
    .option('-p, --port <number>', 'the port; 0 takes one that is free', '0')
    .option('--json', 'the address as JSON')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The exit code is the program's.

Examples:
  $ mirrorspace serve node main.js
  $ mirrorspace serve --port 8080 npm start`,
    )
    .action(run);
}

async function run(command: readonly string[], { port, json }: Options): Promise<void> {
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65535)
    throw new UsageFailure(`--port ${port} is none: 0 to 65535`);
  const exit = await runWith('mirrorspace/live', command, {
    MIRRORSPACE_PORT: port,
    ...(json ? { MIRRORSPACE_LIVE: 'json' } : {}),
  });
  process.exitCode = exitCodeOf(exit);
}
