/**
 * `mirrorspace doctor`: what this machine offers to mirrors and what it lacks, each thing tried, each lack with the command
 * that brings it.
 *
 * @module
 */
import { Command } from 'commander';
import type { DeviceFinding } from './doctor-devices.ts';
import { type Colours, colours, plain, say, sayJson, width } from './output.ts';

interface Options {
  readonly devices: boolean;
  readonly json?: true;
}

/** Of the library, and of this command's own look at the devices. */
type Finding = import('mirrorspace').SystemFinding | DeviceFinding;

const TITLES: Record<Finding['group'], string> = {
  runtime: 'Runtime',
  memory: 'Memory',
  faults: 'Page faults and system SVM',
  limits: 'Limits',
  devices: 'Devices',
};
const LABEL = 27;

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('what this machine offers, and what it lacks')
    .description(
      'Tries what Mirrorspace uses of the system and each kind of device, and says what helps where something is not there. Exit code 0: mirrors work here, with at least one device; 1: they do not.',
    )
    .option('--no-devices', 'start no device and load no OpenCL driver')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mirrorspace doctor                  everything, with a device of each kind
  $ mirrorspace doctor --no-devices     the system alone
  $ mirrorspace doctor --json           for a program`,
    )
    .action(run);
}

async function run({ devices, json }: Options): Promise<void> {
  // What a device warns of is said among the findings.
  process.removeAllListeners('warning');
  process.on('warning', () => {});
  const { checkSystem } = await import('mirrorspace');
  const print = json ? () => {} : printer();
  const findings: Finding[] = [];
  for await (const finding of all(checkSystem(), devices)) {
    findings.push(finding);
    print(finding);
  }
  const works = verdict(findings, devices);
  if (!works) process.exitCode = 1;
  if (json) sayJson({ ok: works, findings });
  else say(summary(findings, works, devices));
}

async function* all(system: readonly Finding[], devices: boolean): AsyncGenerator<Finding> {
  yield* system;
  if (!devices || system.some(({ required, status }) => required && status === 'missing')) return;
  const { deviceFindings } = await import('./doctor-devices.ts');
  yield* deviceFindings();
}

function verdict(findings: readonly Finding[], devices: boolean): boolean {
  if (findings.some(({ required, status }) => required && status === 'missing')) return false;
  const tried = findings.filter(({ id }) => /-device$|^opencl-/.test(id));
  return !devices || tried.some(({ status }) => status !== 'missing');
}

/** Each as it is found, since a device takes a moment, and a driver can end the process. */
function printer(): (finding: Finding) => void {
  const paint = colours();
  let group = '';
  return (finding) => {
    if (finding.group !== group) say(`${group === '' ? '' : '\n'}${paint.bold(TITLES[finding.group])}`);
    group = finding.group;
    for (const line of describe(finding, paint)) say(line);
  };
}

function describe({ id, status, found, purpose, remedy }: Finding, paint: Colours): string[] {
  const mark = { ok: paint.green('✔'), limited: paint.yellow('!'), missing: paint.red('✘') }[status];
  const room = Math.min(width(), 120) - LABEL - 4;
  const indent = ' '.repeat(LABEL + 4);
  const [first = '', ...rest] = wrap(plain(found), room);
  const lines = [`  ${mark} ${id.padEnd(LABEL)}${first}`, ...rest.map((line) => indent + line)];
  if (status === 'ok') return lines;
  for (const line of wrap(`for: ${purpose}`, room)) lines.push(paint.dim(indent + line));
  // Not wrapped: it is to be copied.
  if (remedy !== undefined) lines.push(`${' '.repeat(4)}${paint.cyan(`-> ${plain(remedy)}`)}`);
  return lines;
}

function summary(findings: readonly Finding[], works: boolean, devices: boolean): string {
  const { bold, green, red } = colours();
  const count = (status: Finding['status']) => findings.filter((each) => each.status === status).length;
  const counts = `${count('ok')} fine, ${count('limited')} limited, ${count('missing')} missing`;
  const word = works
    ? green(devices ? 'Mirrors work here.' : 'The system is fit for mirrors.')
    : red('Mirrors do not work here.');
  return `\n${bold(word)} ${counts}.`;
}

/** Words in lines of at most so many characters; a longer word has a line of its own. */
function wrap(text: string, most: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > most) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
