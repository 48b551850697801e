/**
 * The `mirrorspace` command: which subcommands there are, and what the exit code is. 0: done, and the answer is yes; 1: it
 * failed, or the answer is no; 2: bad arguments. Each subcommand is a file of its own, which says its options and does
 * its work; what it needs beyond the model of address spaces it loads when it runs.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { benchCommand } from './bench.ts';
import { doctorCommand } from './doctor.ts';
import { mapsCommand } from './maps.ts';
import { Failure, UsageFailure } from './output.ts';
import { planCommand } from './plan.ts';
import { serveCommand } from './serve.ts';
import { traceCommand } from './trace.ts';

/** In the order of the help. */
const commands: readonly (() => Command)[] = [
  doctorCommand,
  mapsCommand,
  planCommand,
  traceCommand,
  serveCommand,
  benchCommand,
];

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

// Whoever reads the output may have seen enough (`mirrorspace maps | head`): there is nobody left to write for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`error: standard output can't be written: ${error.message}\n`);
  process.exit(1);
});
// And then there is nothing that could be said about it.
process.stderr.on('error', () => {});

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const program = new Command('mirrorspace')
    .description(
      'Shared virtual memory for TypeScript: look at address spaces, and at what this machine offers.',
    )
    .version(version)
    .addHelpText(
      'after',
      `
Exit codes: 0 yes, or done; 1 no, or failed; 2 bad arguments.
Colours only on a terminal, and not where NO_COLOR is set.`,
    );
  // For `trace` and `serve`: what stands behind the name of a program is that program's.
  program.enablePositionalOptions();
  for (const command of commands) program.addCommand(command());
  for (const each of [program, ...program.commands])
    each.exitOverride().showHelpAfterError(`Try: ${nameOf(each)} --help`);
  try {
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    if (error instanceof UsageFailure) process.stderr.write(`Try: mirrorspace ${args[0]} --help\n`);
    return error.exitCode;
  }
}

function nameOf(command: Command): string {
  return command.parent ? `mirrorspace ${command.name()}` : 'mirrorspace';
}
