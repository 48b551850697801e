/**
 * `mirrorspace maps`: the address space of a process as a drawing, with the windows of devices beside it, once or again
 * and again.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { formatProtection, type ParsedMaps, type Range, type Vma } from 'mirrorspace/mm';
import { hostLimit, pageSize, readFile, readProcess, type Source } from './address-space.ts';
import {
  addWindow,
  type DeviceArgument,
  type NamedRange,
  parsePid,
  parseRange,
  parseSeconds,
} from './arguments.ts';
import { describeVma, drawHead, drawRows } from './draw-maps.ts';
import { colours, Failure, say, sayJson, UsageFailure, width } from './output.ts';
import { difference, freeIn, type Row, survey, windowsOf } from './survey.ts';

/** Lines about what has changed, on a terminal. */
const MOST_CHANGES = 8;

interface Options {
  readonly maps?: string;
  readonly window?: readonly DeviceArgument[];
  readonly within?: Range;
  readonly all?: true;
  readonly watch?: true;
  readonly interval: number;
  readonly json?: true;
}

interface Look {
  readonly windows: readonly NamedRange[];
  readonly within: Range;
  readonly every: boolean;
}

export function mapsCommand(): Command {
  return new Command('maps')
    .summary('draw the address space of a process')
    .description(
      'Draws what a process has mapped, and the holes between, low addresses first. Without PID it is this very process: a bare Node.js.',
    )
    .argument('[PID]', 'the process', parsePid)
    .option('--maps <file>', 'the text of a /proc/PID/maps, kept in a file, in place of a process')
    .option('-w, --window <[name=]low:high>', 'what a device reaches, drawn beside; repeatable', addWindow)
    .option('--within <low:high>', 'only this part', parseRange)
    .option('-a, --all', 'every mapping in a line of its own, also neighbours of one name')
    .option('--watch', 'look again and again, and say what came (+) and what went (-)')
    .option('--interval <seconds>', 'between two looks', parseSeconds, 1)
    .option('--json', 'as JSON; with --watch a line for every change')
    .addHelpText(
      'after',
      `
Examples:
  $ mirrorspace maps                              a bare Node.js process
  $ mirrorspace maps 4242 -w wasm=0x10000:4G      what lies in a 32-bit device's window
  $ mirrorspace maps 4242 --within 0:4G --all     every mapping of the low 4 GiB
  $ mirrorspace maps 4242 --watch                 what the process maps and unmaps

A bar's length is the logarithm of the size: one block is a page, eight are all of user space.`,
    )
    .action(run);
}

async function run(pid: number | undefined, options: Options): Promise<void> {
  if (pid !== undefined && options.maps !== undefined)
    throw new UsageFailure('a process or --maps, not both');
  if (options.watch && options.maps !== undefined)
    throw new UsageFailure('a file does not change: --watch needs a process');
  const read = (): Source =>
    options.maps === undefined ? readProcess(pid ?? process.pid) : readFile(options.maps);
  const look: Look = {
    windows: (options.window ?? []).map(({ name, window }) => ({ name, ...window })),
    within: options.within ?? { start: 0, end: hostLimit(pageSize(), false).end },
    every: options.all ?? false,
  };
  const source = read();
  if (options.json) sayJson(toJson(source, look), options.watch);
  else if (options.watch && process.stdout.isTTY) showScreen(source, look, [], []);
  else {
    const { head, rows } = draw(source, look);
    say([...head, '', ...rows].join('\n'));
  }
  if (options.watch) await watch(source, look, read, options);
}

/** Runs until the process has ended. */
async function watch(
  first: Source,
  look: Look,
  read: () => Source,
  { interval, json }: Options,
): Promise<void> {
  const screen = process.stdout.isTTY === true && !json;
  let last = first;
  for (;;) {
    await sleep(interval * 1000);
    let now: Source;
    try {
      now = read();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (json) sayJson({ pid: first.pid, ended: true }, true);
      else say(`${first.title} has ended`);
      return;
    }
    const { came, went } = difference(last.maps.vmas, now.maps.vmas);
    if (came.length + went.length > 0 || screen) {
      if (json) sayJson(toJson(now, look), true);
      else if (screen) showScreen(now, look, came, went);
      else say(changes(came, went).join('\n'));
    }
    last = now;
  }
}

/** As much as the terminal has lines for: what has changed first, since the drawing of most processes is longer. */
function showScreen(source: Source, look: Look, came: readonly Vma[], went: readonly Vma[]): void {
  const { head, rows } = draw(source, look, came);
  const lines = [...head, ...changes(came, went).slice(0, MOST_CHANGES), '', ...rows];
  const most = (process.stdout.rows || 24) - 1;
  const cut =
    lines.length > most ? [...lines.slice(0, most - 1), `${lines.length - most + 1} more lines`] : lines;
  // Home, then each line up to its end, then what is below: no flicker.
  process.stdout.write(`\x1b[H${cut.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
}

function changes(came: readonly Vma[], went: readonly Vma[]): string[] {
  const { green, red } = colours();
  return [
    ...went.map((vma) => red(`- ${describeVma(vma, formatProtection(vma))}`)),
    ...came.map((vma) => green(`+ ${describeVma(vma, formatProtection(vma))}`)),
  ];
}

function draw({ title, maps }: Source, look: Look, came: readonly Vma[] = []) {
  const isNew = (row: Row) => came.some((vma) => vma.start < row.end && row.start < vma.end);
  const options = { windows: look.windows, width: width(), colours: colours(), isNew };
  const rows = survey(maps.vmas, look.within, { every: look.every, cuts: edges(look) });
  return {
    head: drawHead(title, inside(maps, look.within), look.within, options),
    rows: drawRows(rows, options),
  };
}

function inside({ vmas }: ParsedMaps, { start, end }: Range): Vma[] {
  return vmas.filter((vma) => vma.start < end && start < vma.end);
}

function edges({ windows }: Look): number[] {
  return windows.flatMap(({ start, end }) => [start, end]);
}

/** Mappings one by one, holes between them; nothing is joined or cut but at `--within`. */
function toJson({ pid, file, maps }: Source, { windows, within }: Look) {
  const rows = survey(maps.vmas, within, { every: true, cuts: [] });
  return {
    ...(pid === undefined ? { file } : { pid }),
    within,
    windows: windows.map((window) => ({ ...window, ...freeJson(freeIn(maps.vmas, window)) })),
    mappings: inside(maps, within).map((vma) => ({
      start: vma.start,
      end: vma.end,
      size: vma.end - vma.start,
      protection: formatProtection(vma),
      kind: vma.kind,
      name: vma.name,
      deleted: vma.deleted,
      windows: windowsOf(vma, windows),
    })),
    holes: rows
      .filter(({ kind }) => kind === 'hole')
      .map(({ start, end }) => ({
        start,
        end,
        size: end - start,
        windows: windowsOf({ start, end }, windows),
      })),
    unaddressable: maps.unaddressable,
  };
}

function freeJson({ total, largest }: ReturnType<typeof freeIn>) {
  return { free: total, largestHole: largest };
}
